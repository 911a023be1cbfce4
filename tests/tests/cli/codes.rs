//! Exit codes: 0 fine, 1 the caller's mistake, 2 unreachable, 3 the server's failure.

use bitrouter_tests::{World, shared_files};

#[test]
fn without_a_daemon() {
    let world = World::new();
    let table: [(&[&str], i32); 21] = [
        (&["--version"], 0),
        (&["--help"], 0),
        (&["serve", "--help"], 0),
        (&["completions", "bash"], 0),
        (&["completions", "zsh"], 0),
        (&["completions", "fish"], 0),
        (&["completions", "cmd.exe"], 1),
        (&["stop"], 0),
        (&["status"], 1),
        (&["reload"], 2),
        (&["logs"], 2),
        (&["logs", "-f"], 2),
        (&["logs", "--level", "debug"], 2),
        (&["nonsense"], 1),
        (&["--nonsense"], 1),
        (&["status", "--nonsense"], 1),
        (&["serve", "--listen", "nonsense"], 1),
        (&["serve", "--log-format", "xml"], 1),
        (&["serve", "extra"], 1),
        (&["stop", "--timeout", "soon"], 1),
        (&["status", "--socket"], 1),
    ];
    for (args, code) in table {
        world.cli(args).expect_code(code);
    }
}

#[test]
fn with_a_daemon() {
    let world = World::new();
    let _daemon = world.demo();
    let table: [(&[&str], i32); 7] = [
        (&["status"], 0),
        (&["reload"], 0),
        (&["logs"], 0),
        (&["logs", "--level", "info"], 0),
        (&["start"], 0),
        (&["serve", "--listen", "127.0.0.1:0"], 1),
        (&["logs", "--level", "shout"], 1),
    ];
    for (args, code) in table {
        world.cli(args).expect_code(code);
    }
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn a_socket_that_is_not_there_is_unreachable() {
    let world = World::new();
    let missing = world.path("nowhere.sock").to_string_lossy().into_owned();
    let output = world.cli(["reload", "--socket", &missing]).with_code(2);
    assert!(output.stderr.contains("nowhere.sock"), "{}", output.stderr);
    world.command(["reload"]).env("BITROUTER_SOCKET", &missing).run().expect_code(2);
}

#[test]
fn the_flag_beats_the_variable_and_the_variable_beats_the_places() {
    let (one, two) = (World::new(), World::new());
    let daemon = one.demo();
    let _other = two.demo();
    let socket = one.socket().to_string_lossy().into_owned();
    let missing = one.path("nowhere.sock").to_string_lossy().into_owned();
    let run = one.command(["status", "--json", "--socket", &socket]).env("BITROUTER_SOCKET", &missing).run();
    assert_eq!(run.with_code(0).json()["pid"], daemon.pid());
    // A shell with other XDG variables, told where.
    let elsewhere = one.directory("elsewhere");
    let run = one
        .command(["status", "--json"])
        .env("XDG_RUNTIME_DIR", &elsewhere)
        .env("XDG_STATE_HOME", &elsewhere)
        .env("BITROUTER_SOCKET", &socket)
        .run();
    assert_eq!(run.with_code(0).json()["pid"], daemon.pid());
    // Cron: no runtime directory, but the same home.
    let run = one.command(["status", "--json"]).without("XDG_RUNTIME_DIR").run();
    assert_eq!(run.with_code(0).json()["pid"], daemon.pid());
}

#[test]
fn sudo_with_somebody_elses_home_is_refused() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let output = world.command(["start", "--demo"]).as_user(bitrouter_tests::User::root()).run().with_code(1);
    assert!(output.stderr.contains("HOME"), "{}", output.stderr);
    assert!(!world.path("state/bitrouter").exists());
}
