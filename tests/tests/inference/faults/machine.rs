//! Faults of the machine: a log that cannot grow, files that vanish, a broken pipe. The daemon goes on serving.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{World, process::Process, procfs, shared_files, wait};

/// A daemon under a shell that changed its limits first.
#[track_caller]
fn limited(world: &World, limits: &str, verb: &str) -> Process {
    // Without the trap the kernel would end the process at the first byte too many.
    let script = format!("trap '' XFSZ; {limits}; exec \"$BITROUTER\" {verb} --demo --listen 127.0.0.1:0");
    world.program("/bin/sh".as_ref(), ["-c", &script]).env("BITROUTER", shared_files::binary()).spawn()
}

#[test]
fn p15_a_log_file_that_cannot_grow_stops_nothing() {
    let world = World::new();
    // Two blocks of 512 bytes: the log is full after a few lines.
    let mut process = limited(&world, "ulimit -f 2", "start");
    assert!(process.wait(wait::PATIENCE).success(), "{}", process.stderr().text());
    let daemon = world.detached();
    for _ in 0..50 {
        daemon.http().chat("demo/echo", "x").send().ok();
    }
    let length = std::fs::metadata(world.path("state/bitrouter/daemon.log")).expect("a log").len();
    assert!(length <= 1024, "the limit did not hold: {length}");
    // What the file could not take is in the ring.
    let logs = world.cli(["logs"]).with_code(0).stdout;
    assert!(logs.lines().filter(|line| line.contains("request")).count() >= 50, "{logs}");
    world.cli(["reload"]).expect_code(0);
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn p15_a_reader_of_stderr_that_left_stops_nothing() {
    let world = World::new();
    let script = "\"$BITROUTER\" serve --demo --listen 127.0.0.1:0 2>&1 | head -n 1";
    let reader = world.program("/bin/sh".as_ref(), ["-c", script]).env("BITROUTER", shared_files::binary()).spawn();
    let daemon = world.detached();
    for _ in 0..20 {
        daemon.http().chat("demo/echo", "x").send().ok();
    }
    assert_eq!(daemon.status()["state"], "running");
    drop((daemon, reader));
}

#[test]
fn p15_closed_standard_descriptors_stop_nothing() {
    let world = World::new();
    let script = "exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0 <&- >&- 2>&-";
    let process = world.program("/bin/sh".as_ref(), ["-c", script]).env("BITROUTER", shared_files::binary()).spawn();
    let daemon = world.detached();
    assert_eq!(daemon.pid(), process.pid());
    for _ in 0..20 {
        daemon.http().chat("demo/echo", "x").send().ok();
    }
    // No connection ever took the number of standard error and was logged into.
    daemon.http().get("/nowhere").send().refused(404, "not_found");
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn p15_a_state_directory_that_vanishes_is_survived() {
    let world = World::new();
    let daemon = world.demo();
    std::fs::remove_dir_all(world.path("state/bitrouter")).expect("remove");
    daemon.http().chat("demo/echo", "x").send().ok();
    // The runtime directory still leads to it, and nobody starts a second one beside it.
    let status = world.cli(["status", "--json"]).with_code(0).json();
    assert_eq!(status["pid"], daemon.pid());
    let again = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
    assert_eq!(again["pid"], daemon.pid());
    world.cli(["reload"]).expect_code(0);
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn p15_a_removed_daemon_json_is_survived() {
    let world = World::new();
    let daemon = world.demo();
    std::fs::remove_file(world.daemon_json()).expect("remove");
    assert_eq!(world.cli(["status", "--json"]).with_code(0).json()["pid"], daemon.pid());
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn p15_a_full_log_directory_does_not_hold_a_start() {
    let world = World::new();
    let dir = world.directory("state/bitrouter");
    // Everything that is needed exists; nothing new can be made.
    world.write("state/bitrouter/daemon.lock", "");
    let open = std::fs::File::open(&dir).expect("open");
    open.set_permissions(std::fs::Permissions::from_mode(0o500)).expect("chmod");
    let process = world.serve().arg("--demo").spawn();
    let status = world.until_running();
    assert_eq!(status["pid"], process.pid());
    // Whether it repaired the mode of its own directory or says that it could not write: it is one of the two.
    let repaired = world.daemon_json().exists();
    let warned = status["warnings"].as_array().expect("warnings").iter().any(|one| one["code"] == "state_unwritable");
    assert!(repaired || warned, "{status:#}");
}

#[test]
fn p15_an_interrupted_client_harms_nothing() {
    let world = World::new();
    let daemon = world.demo();
    for args in [&["logs", "-f"][..], &["status"], &["reload"]] {
        for _ in 0..10 {
            let mut run = world.command(args).spawn();
            run.kill();
        }
    }
    assert!(procfs::is_running(daemon.pid()));
    world.cli(["status"]).expect_code(0);
}
