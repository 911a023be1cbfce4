//! Where log lines go when their file is moved, deleted, or on a disk that is full.

use std::{fs::OpenOptions, process::Stdio};

use bitrouter_tests::{World, process, wait};
use rustix::process::Signal;

#[test]
fn r1_15_a_log_file_that_is_moved_or_deleted_comes_back_by_reload_and_by_sighup() {
    let world = World::new();
    world.cli(["start", "--listen", "127.0.0.1:0"]).expect_code(0);
    let daemon = world.detached();
    let log = world.path("state/bitrouter/daemon.log");
    let has = |text: &str| std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
    wait::until("the first lines", || has("\"ready\"").then_some(()));
    std::fs::rename(&log, world.path("state/bitrouter/moved.log")).expect("rename");
    daemon.reload();
    wait::until("a new file", || has("\"trigger\":\"command\"").then_some(()));
    assert!(!has("\"ready\""));
    std::fs::remove_file(&log).expect("remove");
    process::kill(daemon.pid(), Signal::HUP);
    wait::until("a new file after SIGHUP", || has("\"trigger\":\"sighup\"").then_some(()));
    daemon.stop();
}

#[test]
fn r1_15_a_full_disk_is_a_warning_and_the_log_is_still_in_memory() {
    let world = World::new();
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut command = world.bare_command(bitrouter_tests::shared_files::binary());
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(full);
    let mut child = command.spawn().expect("a daemon");
    world.until_running();
    let daemon = world.detached();
    let warning = daemon.warned("log_unwritable");
    assert!(warning["message"].as_str().is_some_and(|text| text.contains("No space left on device")), "{warning}");
    let metrics = daemon.http().get("/metrics").send().ok().text();
    assert!(metrics.contains("code=\"log_unwritable\""), "{metrics}");
    let lines = world.cli(["logs"]).with_code(0).stdout;
    assert!(lines.contains("ready"), "{lines}");
    daemon.stop();
    child.wait().expect("its end");
}
