//! Rows: the places that the daemon writes to or watches fail. Inference works, and `status` and the log say what is
//! wrong.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use bitrouter_tests::{Client, World, as_uid, hostile::raise_descriptors, process::Process, shared_files, wait};
use serde_json::Value;

/// A daemon that may have written no `daemon.json`: it is found by its socket in the runtime directory.
struct Found {
    process: Process,
    world: World,
    http: Client,
}

impl Found {
    #[track_caller]
    fn start(world: &World, before: &str) -> Self {
        let script = format!("{before} exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0 --log-format json");
        let process =
            world.program("/bin/sh".as_ref(), ["-c", &script]).env("BITROUTER", shared_files::binary()).spawn();
        let addr: SocketAddr =
            world.until_running()["listen"][0].as_str().expect("listen").parse().expect("an address");
        Self { process, world: world.clone(), http: Client::new(addr, world.user()) }
    }

    /// The warning stands in `status`, its text in the log.
    #[track_caller]
    fn warns(&self, code: &str, words: &[&str]) -> Value {
        let warning = wait::until(&format!("the warning `{code}`"), || {
            let status = self.world.cli(["status", "--json"]).with_code(0).json();
            status["warnings"].as_array().expect("warnings").iter().find(|one| one["code"] == code).cloned()
        });
        let message = warning["message"].as_str().unwrap_or_default();
        for word in words {
            assert!(message.contains(word), "`{word}` is not in {message}");
        }
        let log = self.process.stderr().until_contains(code);
        assert!(log.lines().any(|line| line.contains(code) && line.contains("\"WARN\"")), "{log}");
        warning
    }

    #[track_caller]
    fn goes_on(&self) {
        for _ in 0..3 {
            assert_eq!(self.http.chat("demo/echo", "hi").send().ok().content(), "hi");
        }
    }

    #[track_caller]
    fn stops(mut self) {
        self.world.cli(["stop"]).expect_code(0);
        let status = self.process.wait(wait::PATIENCE);
        assert!(status.success(), "{status}: {}", self.process.stderr().text());
    }
}

/// Files may not grow: `ulimit -f 0`, the signal that comes with it ignored.
const NO_GROWTH: &str = "trap '' XFSZ; ulimit -f 0;";

#[test]
fn p15_a_state_directory_in_which_no_file_can_grow() {
    let world = World::new();
    let found = Found::start(&world, NO_GROWTH);
    found.warns("state_unwritable", &["daemon.json"]);
    found.goes_on();
    found.stops();
}

/// A mounted file system that goes with the test.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

#[test]
fn p15_a_state_directory_on_a_full_disk() {
    let world = World::new();
    let state = world.path("state");
    let options = format!("size=4k,mode=0700,uid={0},gid={0}", world.user().uid());
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&state).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        // Only root may mount; the row before shows the same by a limit.
        return shared_files::lacks("the right to mount");
    }
    let _mounted = Mounted(state);
    world.write("state/filler", "x");
    let found = Found::start(&world, "");
    found.warns("state_unwritable", &["daemon.json"]);
    found.goes_on();
    found.stops();
}

#[test]
fn p15_a_state_directory_that_became_read_only() {
    let world = World::new();
    let daemon = world.demo();
    let dir = std::fs::File::open(world.path("state/bitrouter")).expect("open");
    rustix::fs::fchmod(&dir, 0o500.into()).expect("fchmod");
    assert_eq!(daemon.http().chat("demo/echo", "hi").send().ok().content(), "hi");
    daemon.reload();
    assert_eq!(daemon.status()["state"], "running");
    daemon.stop();
}

#[test]
fn p15_a_state_directory_that_cannot_be_made() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let dir = std::fs::File::open(world.path("state")).expect("open");
    rustix::fs::fchmod(&dir, 0o500.into()).expect("fchmod");
    // Without its lock a daemon must not run; it says what and where.
    for args in [&["serve", "--demo", "--listen", "127.0.0.1:0"][..], &["start", "--demo", "--listen", "127.0.0.1:0"]] {
        let output = world.cli(args).with_code(1);
        assert!(output.stderr.contains("error: ") && output.stderr.contains("state/bitrouter"), "{}", output.stderr);
    }
    rustix::fs::fchmod(&dir, 0o700.into()).expect("fchmod");
    assert_eq!(world.demo().http().chat("demo/echo", "hi").send().ok().content(), "hi");
}

#[test]
fn p15_a_log_file_that_cannot_grow() {
    let world = World::new();
    let script = format!("{NO_GROWTH} exec \"$BITROUTER\" start --demo --listen 127.0.0.1:0");
    let run = world.program("/bin/sh".as_ref(), ["-c", &script]).env("BITROUTER", shared_files::binary()).run();
    let status = world.cli(["status", "--json"]).with_code(0).json();
    run.expect_code(0);
    let addr: SocketAddr =
        status["listen"][0].as_str().and_then(|text| text.trim_start_matches("http://").parse().ok()).expect("listen");
    let http = Client::new(addr, world.user());
    assert_eq!(http.chat("demo/echo", "hi").send().ok().content(), "hi");
    // The file has nothing; the ring has every line.
    assert_eq!(std::fs::metadata(world.path("state/bitrouter/daemon.log")).expect("a log").len(), 0);
    let logs = world.cli(["logs"]).with_code(0).stdout;
    assert!(logs.contains("request") && logs.contains("state_unwritable"), "{logs}");
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn p05_a_runtime_directory_that_is_missing() {
    let world = World::new();
    let found = Found::start(&world, "export XDG_RUNTIME_DIR=/nonexistent/run;");
    found.warns("runtime_dir_unusable", &["XDG_RUNTIME_DIR", "/nonexistent/run"]);
    found.goes_on();
    found.stops();
}

#[test]
fn p05_a_runtime_directory_of_somebody_else() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let path = world.directory("theirs");
    foreign.own_path(&path);
    let found = Found::start(&world, &format!("export XDG_RUNTIME_DIR={};", path.display()));
    found.warns("runtime_dir_unusable", &["XDG_RUNTIME_DIR"]);
    assert_eq!(std::fs::read_dir(&path).expect("read").count(), 0, "something was written there");
    found.goes_on();
    found.stops();
}

#[test]
fn p15_no_watch_left_for_env_files() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    // The kernel counts them per user; this thread takes all of the world's user.
    let most = usize::try_from(raise_descriptors()).unwrap_or(usize::MAX).saturating_sub(100);
    let taken = as_uid::run(world.user(), || {
        let mut taken = Vec::new();
        while let Ok(one) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC) {
            taken.push(one);
            if taken.len() > most {
                break;
            }
        }
        taken
    });
    if taken.len() > most {
        return shared_files::lacks("a limit on watches that one process can reach");
    }
    world.env_file("GROQ_API_KEY=one\n");
    let found = Found::start(&world, "");
    let warning = found.warns("watch_unavailable", &["fs.inotify.max_user_instances"]);
    assert_eq!(warning["command"], "bitrouter reload");
    found.goes_on();
    // Reading again on demand still works.
    world.env_file("GROQ_API_KEY=two\n");
    let changed = world.cli(["reload", "--json"]).with_code(0).json();
    assert_eq!(changed["changed"][0]["name"], "GROQ_API_KEY", "{changed}");
    drop(taken);
    found.stops();
}
