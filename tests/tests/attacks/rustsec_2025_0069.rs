//! RUSTSEC-2025-0069 (daemonize): unmaintained, with an unsound corner. It is used in one file, for `start`, before any
//! thread exists; `serve` never forks.

use bitrouter_tests::{World, procfs, shared_files};

#[test]
fn rustsec_2025_0069_serve_is_the_process_that_was_started() {
    let world = World::new();
    let process = world.serve().arg("--demo").spawn();
    let daemon = world.detached();
    assert_eq!(daemon.pid(), process.pid());
    assert_eq!(procfs::children(daemon.pid()), Vec::<u32>::new());
}

#[test]
fn rustsec_2025_0069_start_forks_before_any_thread_exists() {
    let world = World::new();
    let trace = world.path("home/trace");
    let (file, binary) = (trace.to_string_lossy().into_owned(), shared_files::binary().to_string_lossy().into_owned());
    let args = [
        "-f",
        "-qq",
        "-o",
        &file,
        "-e",
        "trace=clone,clone3,fork,vfork",
        &binary,
        "start",
        "--demo",
        "--listen",
        "127.0.0.1:0",
    ];
    // strace follows the daemon for as long as it lives.
    let strace = world.program("/usr/bin/strace".as_ref(), args).spawn();
    let daemon = world.detached();
    let text = std::fs::read_to_string(&trace).expect("a trace");
    let first = text.lines().next().and_then(|line| line.split(' ').next()).expect("the starter").to_owned();
    let (mut forked, mut threads_before) = (false, 0);
    for line in text.lines().filter(|line| !line.contains("resumed>")) {
        let is_thread = line.contains("CLONE_THREAD");
        let by_starter = line.split(' ').next() == Some(&first);
        if by_starter && is_thread && !forked {
            threads_before += 1;
        }
        forked |= by_starter && !is_thread;
    }
    assert!(forked, "no fork in\n{text}");
    assert_eq!(threads_before, 0, "a thread existed when it forked:\n{text}");
    drop(daemon);
    drop(strace);
}

#[test]
fn rustsec_2025_0069_the_exception_is_reasoned() {
    let deny = std::fs::read_to_string(shared_files::repository().join("deny.toml")).expect("deny.toml");
    let line = deny.lines().find(|line| line.contains("RUSTSEC-2025-0069")).expect("the exception in deny.toml");
    assert!(line.contains("reason"), "{line}");
}
