//! The control socket's place while the daemon runs: re-created when it vanishes, left alone when it is somebody
//! else's.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use bitrouter_proto::clock;
use bitrouter_tests::{World, as_uid, shared_files, wait};

use super::report;

/// The contract's bound is 15 s; a busy machine gets five times that.
const BACK: Duration = Duration::from_secs(75);

#[track_caller]
fn comes_back(world: &World, what: &str, pid: u32) {
    let begun = clock::monotonic_now();
    wait::until_within("the socket to be there again", BACK, || world.socket().exists().then_some(()));
    report(what, clock::monotonic_now().saturating_duration_since(begun));
    assert_eq!(world.until_running()["pid"], pid);
    let meta = std::fs::symlink_metadata(world.socket()).expect("metadata");
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o600, world.user().uid()));
}

#[test]
fn p15_a_vanished_socket_is_there_again_and_is_removed_at_the_end() {
    let world = World::new();
    let daemon = world.demo();
    for what in ["the socket vanished", "and again"] {
        std::fs::remove_file(world.socket()).expect("remove");
        comes_back(&world, what, daemon.pid());
    }
    daemon.stop();
    assert!(!world.socket().exists(), "the re-created socket stayed");
    world.demo().stop();
}

#[test]
fn p15_a_vanished_directory_is_there_again() {
    let world = World::new();
    let daemon = world.demo();
    std::fs::remove_dir_all(world.path("run/bitrouter")).expect("remove");
    comes_back(&world, "the directory vanished", daemon.pid());
    let meta = std::fs::symlink_metadata(world.path("run/bitrouter")).expect("metadata");
    assert_eq!(meta.mode() & 0o777, 0o700);
}

#[test]
fn p15_a_runtime_directory_that_ends_with_the_session_does_not_cut_the_daemon_off() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    // As `/run/user`: the directory above the runtime directory is root's.
    let above = world.path("session");
    std::fs::create_dir(&above).expect("a directory");
    let run = world.directory("session/run");
    let daemon = world.serve().arg("--demo").env("XDG_RUNTIME_DIR", &run).start();
    assert_eq!(daemon.socket(), run.join("bitrouter/control.sock"));
    std::fs::remove_dir_all(&run).expect("remove");
    let refuge = world.path("state/bitrouter/run/control.sock");
    wait::until_within("the socket below the state directory", BACK, || refuge.exists().then_some(()));
    // The shell that has the variable and the one that has not find it alike.
    for value in [run.as_path(), "".as_ref()] {
        let status = world.command(["status", "--json"]).env("XDG_RUNTIME_DIR", value).run().with_code(0).json();
        assert_eq!((&status["pid"], &status["socket"]), (&daemon.pid().into(), &refuge.to_string_lossy().into()));
    }
    daemon.warned("runtime_dir_unusable");
    daemon.stop();
    assert!(!refuge.exists());
}

#[test]
fn p15_while_it_is_gone_the_lock_still_tells_the_truth() {
    let world = World::new();
    let daemon = world.demo();
    std::fs::remove_file(world.socket()).expect("remove");
    // Whoever asks now is not told that no daemon runs, and nobody starts a second one beside it.
    let status = world.cli(["status", "--json"]);
    assert!(matches!(status.code, 0 | 2), "{}", status.text());
    let second = world.cli(["serve", "--demo", "--listen", "127.0.0.1:0"]).with_code(1);
    assert!(second.stderr.contains(&format!("pid {}", daemon.pid())), "{}", second.stderr);
    daemon.http().chat("demo/echo", "x").send().ok();
}

#[test]
fn p15_what_somebody_else_put_there_is_left_alone_and_is_a_warning() {
    let world = World::new();
    let daemon = world.demo();
    // Somebody replaces the socket with one of his own.
    let aside = world.path("run/bitrouter/aside.sock");
    std::fs::rename(world.socket(), &aside).expect("rename");
    let path = world.socket();
    let stranger = as_uid::run(world.user(), || std::os::unix::net::UnixListener::bind(&path).expect("bind"));
    let inode = std::fs::symlink_metadata(&path).expect("metadata").ino();
    let aside = aside.to_string_lossy().into_owned();
    let warned = || {
        let output = world.cli(["status", "--json", "--socket", &aside]);
        let status = (output.code == 0).then(|| output.json())?;
        status["warnings"].as_array()?.iter().find(|one| one["code"] == "control_socket_taken").cloned()
    };
    let warning = wait::until_within("the warning", BACK, warned);
    assert_eq!(warning["command"], format!("rm {}", path.display()), "{warning}");
    let mut daemon = daemon;
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait(Duration::from_secs(20));
    assert_eq!(std::fs::symlink_metadata(&path).expect("still there").ino(), inode, "a stranger's socket was removed");
    drop(stranger);
}
