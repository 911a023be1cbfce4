//! What a person is told: what differs from what was asked, where was looked, and a cure that cures.

use bitrouter_tests::{World, shared_files};

#[test]
fn r5_05_start_says_what_the_running_daemon_lacks() {
    let world = World::new();
    let daemon = world.serve().start();
    let key = world.canary("here");
    let output = world.command(["start", "--demo"]).env("OPENAI_API_KEY", &key).run().with_code(0);
    assert!(output.stdout.contains(&format!("already runs (pid {})", daemon.pid())), "{}", output.stdout);
    assert!(
        output.stderr.contains("without `--demo`") && output.stderr.contains("bitrouter restart --demo"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("OPENAI_API_KEY") && output.stderr.contains("bitrouter reload"),
        "{}",
        output.stderr
    );
    world.command(["reload"]).env("OPENAI_API_KEY", &key).run().expect_code(0);
    let output = world.command(["start", "--listen", "127.0.0.1:0"]).env("OPENAI_API_KEY", &key).run().with_code(0);
    assert_eq!(output.stderr, "");
    // The same name with another value is another key.
    let other = world.canary("other");
    let output = world.command(["start"]).env("OPENAI_API_KEY", &other).run().with_code(0);
    assert!(output.stderr.contains("does not use OPENAI_API_KEY of this shell"), "{}", output.stderr);
}

#[test]
fn r5_05_restart_of_a_stopped_daemon_says_that_it_started_it() {
    let world = World::new();
    let output = world.cli(["restart", "--demo", "--listen", "127.0.0.1:0"]).with_code(0);
    let _daemon = world.detached();
    assert!(output.stdout.starts_with("bitrouter was not running; it was started (pid "), "{}", output.stdout);
}

#[test]
fn r5_05_a_socket_that_is_not_there_is_named() {
    let world = World::new();
    for words in [&["status", "--socket", "/nonexist"][..], &["reload", "--socket", "/nonexist"]] {
        let output = world.cli(words);
        assert_ne!(output.code, 0);
        assert!(output.stderr.contains("`/nonexist`"), "{words:?}: {}", output.stderr);
    }
}

#[test]
fn r5_07_a_socket_that_is_not_ours_comes_with_whose_it_is_or_the_cure() {
    let world = World::new();
    let daemon = world.demo();
    let socket = daemon.socket();
    rustix::fs::chmod(&socket, 0o666.into()).expect("chmod");
    let output = world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("(mode 0666)"), "{}", output.stderr);
    let cure = output.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default().to_owned();
    world.program("/bin/sh".as_ref(), ["-c", &cure]).run().expect_code(0);
    world.cli(["reload"]).expect_code(0);
    let Some(stranger) = world.user().foreign() else {
        return shared_files::lacks("a second uid: the tests do not run as root");
    };
    let socket = socket.to_string_lossy().into_owned();
    let output =
        world.command(["reload", "--socket", &socket]).as_user(stranger).in_directory("/".as_ref()).run().with_code(1);
    let owner = format!("belongs to uid {}", world.user().uid());
    assert!(output.stderr.contains("no permission") && output.stderr.contains(&owner), "{}", output.stderr);
}

#[test]
fn r1_20_a_pipe_of_the_shell_is_no_env_file() {
    let world = World::new();
    let binary = shared_files::binary().display();
    for verb in ["serve", "start", "restart"] {
        let script = format!("{binary} {verb} --env-file <(echo OPENAI_API_KEY=x)");
        let output = world.program("/bin/bash".as_ref(), ["-c", &script]).run().with_code(1);
        assert!(output.stderr.contains("can be read once"), "{}", output.stderr);
        assert!(!output.stderr.contains("create it"), "{}", output.stderr);
    }
}

#[test]
fn r5_09_help_says_what_a_verb_takes_and_completions_offer_what_it_has() {
    let world = World::new();
    let serve = world.cli(["serve", "--help"]).with_code(0).stdout;
    assert!(!serve.contains("--socket"), "{serve}");
    assert!(serve.contains("127.0.0.1:4356") && serve.contains("Global options:"), "{serve}");
    assert!(world.cli(["stop", "--help"]).with_code(0).stdout.contains("[default: 30s]"));
    assert_eq!(world.cli(["help", "--help"]).with_code(0).stdout, world.cli(["help"]).with_code(0).stdout);
    assert!(world.cli(["completions", "--help"]).with_code(0).stdout.contains("~/.config/fish/completions/"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = world.cli(["completions", shell]).with_code(0).stdout;
        assert!(!text.contains("__push"), "{shell}");
    }
    // Hidden is not accepted: the socket follows from the environment.
    world.cli(["serve", "--socket", "/x"]).expect_code(1);
}
