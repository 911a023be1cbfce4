//! The end comes although a file hangs: what stands behind the reload is not waited for.

use bitrouter_tests::{World, process, procfs, shared_files, wait};
use rustix::process::Signal;

/// Hang-ups that are more than one reload and its queue hold.
const MANY: usize = 70;

#[test]
fn r1_13_sigterm_is_obeyed_behind_a_hung_file_and_a_full_queue() {
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    world.directory("config/bitrouter/registry");
    let trace = world.path("home/trace").to_string_lossy().into_owned();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    // A directory is listed with two calls: each thread may read the registry once, and the reload thread's second time takes
    // two minutes.
    let inject = "inject=getdents64:delay_enter=120000000:when=3+";
    let args = ["-f", "-qq", "-o", &trace, "-e", "trace=getdents64", "-e", inject, &binary, "serve", "--demo"];
    let mut process = world.program("/usr/bin/strace".as_ref(), args).spawn();
    let daemon = world.detached();
    daemon.hangup();
    for number in 2..=MANY {
        process::kill(daemon.pid(), Signal::HUP);
        wait::holds("the signal to be heard", || process.stderr().text().matches("SIGHUP").count() >= number);
    }
    assert_eq!(daemon.status()["reloads"]["count"], 1, "the second reload does not hang: nothing is tested");
    process::kill(daemon.pid(), Signal::TERM);
    // What is traced and late is let go with its tracer.
    wait::holds("the end", || matches!(procfs::state(daemon.pid()), None | Some('Z' | 'X')));
    assert!(!world.socket().exists() && !world.daemon_json().exists());
    process.stderr().until_contains("\"ended\"");
    process.kill();
}
