//! Which daemon a command finds, and where one is started: sockets that were named, places that are somebody else's.

use std::path::Path;

use bitrouter_tests::{User, World, command::Run, shared_files};

use super::{AT_MOST, DEMO};

fn set_mode(path: &Path, mode: u32) {
    let place = std::fs::File::open(path).expect("open");
    rustix::fs::fchmod(&place, mode.into()).expect("fchmod");
}

#[test]
fn p15_a_runtime_directory_of_somebody_else_does_not_stand_in_the_way() {
    let (theirs, world) = (World::new(), World::new());
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let daemon = theirs.demo();
    let run = theirs.path("run");
    // What `su` leaves behind: first a directory that cannot be looked into, then one that can.
    for mode in [0o700, 0o755] {
        for path in [theirs.root(), &run, &run.join("bitrouter")] {
            set_mode(path, mode);
        }
        let at = |args: &[&str]| world.command(args).env("XDG_RUNTIME_DIR", &run).run();
        let stopped = at(&["status", "--json"]).with_code(1).json();
        assert_eq!(stopped["state"], "stopped", "{mode:o}: {stopped}");
        let started = at(&["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
        assert_ne!(started["pid"], daemon.pid());
        let warnings = started["warnings"].as_array().expect("warnings");
        assert!(warnings.iter().any(|one| one["code"] == "runtime_dir_unusable"), "{mode:o}: {warnings:?}");
        assert_eq!(at(&["status", "--json"]).with_code(0).json()["pid"], started["pid"]);
        at(&["stop"]).expect_code(0);
    }
    daemon.stop();
}

/// A command of root, with directories of its own below the world.
fn as_root<'a>(world: &World, args: &[&str], more: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Run {
    let home = world.path("root");
    if !home.exists() {
        std::fs::create_dir(&home).expect("a directory");
    }
    let mut run = world.command(args).as_user(User::root());
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        run = run.env(name, &home);
    }
    for (name, value) in more {
        run = run.env(name, value);
    }
    run
}

#[test]
fn p05_root_reaches_another_users_daemon_only_with_the_flag() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let daemon = world.demo();
    let (socket, run) = (world.socket(), world.path("run"));
    let shown = socket.to_string_lossy().into_owned();
    // Neither a variable that the user may have set, nor his runtime directory.
    let named = as_root(&world, &["status"], [("BITROUTER_SOCKET", socket.as_path())]).run().with_code(1);
    assert!(named.stderr.contains("belongs to uid"), "{}", named.stderr);
    for args in [&["status", "--json"][..], &["stop", "--json"]] {
        let output = as_root(&world, args, [("XDG_RUNTIME_DIR", run.as_path())]).run();
        assert_eq!(output.json()["state"], "stopped", "{}", output.text());
    }
    let flag = ["status", "--json", "--socket", &shown];
    assert_eq!(as_root(&world, &flag, []).run().with_code(0).json()["pid"], daemon.pid());
    // Where `HOME` does not matter, a borrowed one does not either.
    let borrowed = world.path("home");
    as_root(&world, &flag, [("HOME", borrowed.as_path())]).run().expect_code(0);
    as_root(&world, &["completions", "bash"], [("HOME", borrowed.as_path())]).run().expect_code(0);
    as_root(&world, &["status"], [("HOME", borrowed.as_path())]).run().expect_code(1);
    daemon.stop();
}

#[test]
fn p15_a_system_wide_socket_that_this_user_may_not_use_is_no_daemon_of_his() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let script = r"
import os, socket, subprocess, sys
if subprocess.run(['mount', '-t', 'tmpfs', 'none', '/run']).returncode: sys.exit('no mount')
os.mkdir('/run/bitrouter', 0o700)
listener = socket.socket(socket.AF_UNIX); listener.bind('/run/bitrouter/control.sock'); listener.listen()
os.chmod('/run/bitrouter/control.sock', 0o600)
for mode in 0o700, 0o755:
    os.chmod('/run/bitrouter', mode)
    for words, code in ('status', 1), ('stop', 0), ('start --demo --listen 127.0.0.1:0', 0), ('status', 0), ('stop', 0):
        who = int(sys.argv[2])
        run = subprocess.run([sys.argv[1], *words.split()], user=who, group=who, extra_groups=[])
        if run.returncode != code: sys.exit(f'{words}, {mode:o}: {run.returncode}')
print('all done')
";
    let uid = world.user().uid().to_string();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let args = ["--mount", "python3", "-c", script, &binary, &uid];
    let output = world.program("/usr/bin/unshare".as_ref(), args).as_user(User::root()).run();
    // A container may not mount; then there is no way to stand at the system's path without touching the system.
    assert!(output.stdout.contains("all done") || output.stderr.contains("no mount"), "{}", output.text());
}

#[test]
fn p15_a_socket_that_a_dead_daemon_left_does_not_hide_a_live_one() {
    let world = World::new();
    let elsewhere = world.directory("elsewhere");
    let mut dead = world.serve().arg("--demo").env("XDG_RUNTIME_DIR", &elsewhere).start();
    dead.kill();
    assert!(elsewhere.join("bitrouter/control.sock").exists());
    // `daemon.json` still names it; at the next place to look is a daemon of another state directory.
    let state = world.directory("other-state");
    let start = world.command(DEMO).env("XDG_STATE_HOME", &state);
    start.run().expect_code(0);
    let status = world.cli(["status", "--json"]).with_code(0).json();
    assert_eq!(status["socket"], world.socket().to_string_lossy().as_ref(), "{status}");
    world.cli(["stop"]).expect_code(0);
    assert_eq!(world.cli(["status", "--json"]).with_code(1).json()["state"], "stopped");
}

#[test]
fn p15_a_named_socket_where_nobody_is_says_nothing_of_a_healthy_daemon() {
    let world = World::new();
    let daemon = world.demo();
    for nowhere in ["/nope/x.sock", "nope.sock"] {
        let by_variable = world.command(["status", "--json"]).env("BITROUTER_SOCKET", nowhere).run();
        let by_flag = world.cli(["status", "--json", "--socket", nowhere]);
        for output in [by_variable, by_flag] {
            let output = output.with_code(1);
            assert_eq!(output.json()["state"], "stopped");
            assert!(!output.text().contains("kill"), "{}", output.text());
        }
    }
    assert_eq!(daemon.status()["pid"], daemon.pid());
}

#[test]
fn p15_a_socket_may_be_named_from_its_own_directory() {
    let world = World::new();
    let daemon = world.demo();
    for name in ["control.sock", "./control.sock"] {
        let run = world.command(["status", "--json", "--socket", name]).in_directory(&world.path("run/bitrouter"));
        assert_eq!(run.run().with_code(0).json()["pid"], daemon.pid(), "{name}");
    }
    let long = format!("/{}", "x".repeat(120));
    let output = world.cli(["status", "--socket", &long]).with_code(1);
    assert!(output.stderr.contains("121 bytes") && !output.stderr.contains("XDG_RUNTIME_DIR"), "{}", output.stderr);
}

#[test]
fn p15_what_starts_a_daemon_does_not_take_a_socket_it_would_not_bind() {
    let world = World::new();
    let nowhere = world.path("x.sock").to_string_lossy().into_owned();
    for verb in [&["start", "--demo"][..], &["restart", "--demo"], &["serve", "--demo"], &[]] {
        let by_flag = world.cli([verb, &["--socket", &nowhere]].concat());
        let by_variable =
            (verb.first() != Some(&"serve")).then(|| world.command(verb).env("BITROUTER_SOCKET", &nowhere).run());
        for output in std::iter::once(by_flag).chain(by_variable) {
            let output = output.with_code(1);
            assert!(output.took < AT_MOST, "{verb:?} took {:?}", output.took);
            assert!(output.stderr.contains("hint: XDG_RUNTIME_DIR="), "{verb:?}: {}", output.stderr);
        }
        assert_eq!(world.cli(["status"]).code, 1, "{verb:?} left a daemon behind");
    }
    // `serve` is no client: what is set for clients does not concern it.
    let daemon = world.serve().arg("--demo").env("BITROUTER_SOCKET", &nowhere).start();
    assert_eq!(daemon.socket(), world.socket());
    daemon.stop();
}

#[test]
fn p15_a_named_socket_that_is_the_usual_one_starts_and_restarts() {
    let world = World::new();
    let usual = world.socket().to_string_lossy().into_owned();
    let named = |args: &[&str]| world.command(args).env("BITROUTER_SOCKET", &usual).run();
    named(&DEMO).expect_code(0);
    let first = world.detached();
    assert!(named(&["start"]).with_code(0).stdout.contains("already runs"));
    named(&["restart"]).expect_code(0);
    let second = world.detached();
    assert_ne!(first.pid(), second.pid());
    // From where it could not be brought back to its place, it stays.
    let elsewhere = world.directory("elsewhere");
    let restart = world.command(["restart", "--socket", &usual]).env("XDG_RUNTIME_DIR", &elsewhere).run().with_code(1);
    assert!(restart.stderr.contains("hint: bitrouter stop --socket"), "{}", restart.stderr);
    assert_eq!(world.cli(["status", "--json"]).with_code(0).json()["pid"], second.pid());
    // One that runs elsewhere under our lock is named at once, instead of losing every race against it.
    let other = elsewhere.join("bitrouter/control.sock");
    let start = world.command(DEMO).env("XDG_RUNTIME_DIR", &elsewhere).env("BITROUTER_SOCKET", &other).run();
    let start = start.with_code(1);
    assert!(start.took < AT_MOST && start.stderr.contains(&usual), "{:?}: {}", start.took, start.stderr);
}

#[test]
fn p15_a_relative_xdg_directory_is_ignored() {
    let world = World::new();
    let daemon = world.serve().arg("--demo").env("XDG_RUNTIME_DIR", "run").env("XDG_CONFIG_HOME", "config").start();
    assert_eq!(daemon.socket(), world.path("state/bitrouter/run/control.sock"));
    let message = daemon.warned("runtime_dir_unusable")["message"].clone();
    assert!(message.as_str().is_some_and(|text| text.contains("not an absolute path")), "{message}");
    let status = world.command(["status", "--json"]).env("XDG_RUNTIME_DIR", "run").run();
    assert_eq!(status.with_code(0).json()["pid"], daemon.pid());
    daemon.stop();
}

#[test]
fn p15_a_restart_that_could_not_start_leaves_the_daemon_running() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let daemon = world.detached();
    world.config("[server]\nmax_bdoy = \"1 MiB\"\n");
    let output = world.cli(["restart"]).with_code(1);
    assert!(output.stderr.contains("config.toml:2"), "{}", output.stderr);
    world.config("");
    world.cli(["restart", "--listen", "nonsense"]).expect_code(1);
    assert_eq!(world.cli(["status", "--json"]).with_code(0).json()["pid"], daemon.pid());
}

#[test]
fn p15_the_longest_timeout_is_no_panic() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    world.cli(["stop", "--timeout", "18446744073709551615"]).expect_code(0);
}
