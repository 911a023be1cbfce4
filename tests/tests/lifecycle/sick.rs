//! A daemon that is there and does not answer: each command says so, says what to do, and waits no longer than a second
//! for it.

use std::os::unix::net::UnixStream;

use bitrouter_tests::{Daemon, Output, World, as_uid, wait};
use rustix::{
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
    process::Signal,
};

use super::{AT_MOST, DEMO, report};

/// Every command that talks to the daemon.
const COMMANDS: [&[&str]; 7] =
    [&["status"], &["reload"], &["stop"], &["restart"], &["logs"], &["start", "--demo"], &["logs", "--level", "info"]];

#[track_caller]
fn each_reports(world: &World, pid: u32, check: impl Fn(&Output, &str)) {
    for args in COMMANDS {
        let output = world.cli(args);
        let shown = args.join(" ");
        assert_eq!(output.code, 2, "{shown}: {}", output.text());
        assert!(output.took < AT_MOST, "{shown} took {:?}", output.took);
        report(&shown, output.took);
        assert!(output.stderr.contains(&format!("pid {pid}")), "{shown}: {}", output.text());
        check(&output, &shown);
    }
}

#[test]
fn p15_a_stopped_daemon_is_reported_by_every_command() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let daemon = world.detached();
    daemon.signal(Signal::STOP);
    each_reports(&world, daemon.pid(), |output, shown| {
        assert!(output.stderr.contains("stopped"), "{shown}: {}", output.stderr);
        assert!(output.stderr.contains(&format!("kill -CONT {}", daemon.pid())), "{shown}: {}", output.stderr);
    });
    let status = world.cli(["status", "--json"]).with_code(2).json();
    assert_eq!((&status["state"], &status["pid"]), (&"unresponsive".into(), &daemon.pid().into()), "{status}");
    let error = world.cli(["reload", "--json"]).with_code(2).error();
    assert_eq!(error["code"], "unresponsive", "{error}");
    daemon.signal(Signal::CONT);
    world.until_running();
    assert_eq!(world.detached().pid(), daemon.pid());
}

/// Connects without waiting until the kernel takes no more.
fn fill_the_backlog(daemon: &Daemon) -> Vec<UnixStream> {
    let address = SocketAddrUnix::new(daemon.socket()).expect("an address");
    as_uid::run(daemon.world().user(), || {
        let mut held = Vec::new();
        while held.len() < 5_000 {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket =
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("socket");
            if rustix::net::connect(&socket, &address).is_err() {
                return held;
            }
            held.push(UnixStream::from(socket));
        }
        panic!("the backlog of the control socket has no end");
    })
}

#[test]
fn p15_a_stopped_daemon_with_a_full_backlog_is_reported_as_well() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let daemon = world.detached();
    daemon.signal(Signal::STOP);
    bitrouter_tests::hostile::raise_descriptors();
    let held = fill_the_backlog(&daemon);
    each_reports(&world, daemon.pid(), |_, _| {});
    daemon.signal(Signal::CONT);
    drop(held);
    world.until_running();
}

#[test]
fn p15_a_process_that_only_holds_the_lock_is_no_running_daemon() {
    let world = World::new();
    world.directory("state/bitrouter");
    let lock = world.write("state/bitrouter/daemon.lock", "1\n");
    let lock = lock.to_string_lossy().into_owned();
    let holder =
        world.program("/usr/bin/flock".as_ref(), ["--exclusive", "--no-fork", &lock, "/bin/sleep", "600"]).spawn();
    wait::holds("the lock to be held", || {
        let tried = world.program("/usr/bin/flock".as_ref(), ["--nonblock", "--exclusive", &lock, "/bin/true"]).run();
        tried.code != 0
    });
    for args in [&["status"][..], &["reload"], &["start", "--demo"]] {
        let output = world.cli(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.text());
        assert!(output.took < AT_MOST, "{args:?} took {:?}", output.took);
    }
    assert_eq!(world.cli(["status", "--json"]).json()["state"], "unresponsive");
    drop(holder);
}

#[test]
fn p15_a_socket_that_accepts_and_says_nothing_is_unresponsive() {
    let world = World::new();
    world.directory("run/bitrouter");
    let path = world.socket();
    let listener = as_uid::run(world.user(), || {
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
        rustix::fs::chmod(&path, 0o600.into()).expect("chmod");
        listener
    });
    let output = world.cli(["status", "--json"]).with_code(2);
    assert!(output.took < AT_MOST, "{:?}", output.took);
    assert_eq!(output.json()["state"], "unresponsive");
    report("status of a mute socket", output.took);
    drop(listener);
}
