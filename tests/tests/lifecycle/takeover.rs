//! After `kill -9`, after a power cut, after somebody else's rubbish: the first start works. The lock decides, never a
//! file that names a process.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{World, process, procfs, wait};
use rustix::process::Signal;

use super::{DEMO, report};

const JSON: [&str; 5] = ["start", "--demo", "--listen", "127.0.0.1:0", "--json"];

#[test]
fn p15_heavy_the_first_start_after_kill_9_works_a_hundred_times() {
    let world = World::new();
    let mut worst = Duration::ZERO;
    let mut last = 0;
    for round in 0..100 {
        let run = world.cli(JSON);
        let status = run.clone().with_code(0).json();
        worst = worst.max(run.took);
        let pid = u32::try_from(status["pid"].as_u64().expect("a pid")).expect("a pid");
        assert!(pid != last && status["state"] == "running", "round {round}: {status}");
        last = pid;
        process::kill(pid, Signal::KILL);
        wait::holds("the end", || !procfs::is_running(pid));
        assert!(world.socket().exists() && world.daemon_json().exists(), "what a crash leaves behind is there");
    }
    report("the slowest of 100 starts after kill -9", worst);
}

#[test]
fn p15_a_start_that_was_killed_in_the_middle_is_taken_over() {
    let world = World::new();
    // Each system call of a start-up that leaves something behind is the last one once.
    for call in ["flock", "bind", "listen", "renameat", "rename", "unlink", "mkdir", "epoll_create1"] {
        let inject = format!("inject={call}:signal=KILL:when=1");
        let trace = world.path("home/trace").to_string_lossy().into_owned();
        let binary = bitrouter_tests::shared_files::binary().to_string_lossy().into_owned();
        let mut args = vec!["-f", "-qq", "-o", &trace, "-e", &inject, &binary];
        args.extend(["serve", "--demo", "--listen", "127.0.0.1:0"]);
        let mut process = world.program("/usr/bin/strace".as_ref(), &args).spawn();
        // A call that this start-up does not make ends nothing: then it runs, and is killed as it is. The first three
        // are made before anybody could be told where it listens.
        wait::holds("the end or readiness", || process.status().is_some() || world.daemon_file().is_some());
        let always = ["flock", "bind", "listen"].contains(&call);
        assert!(!always || world.daemon_file().is_none(), "a start-up without `{call}`: nothing was killed there");
        if let Some(pid) = world.daemon_file().and_then(|file| u32::try_from(file["pid"].as_u64()?).ok()) {
            process::kill(pid, Signal::KILL);
        }
        process.wait(Duration::from_secs(20));
        let status = world.cli(JSON).with_code(0).json();
        assert_eq!(status["state"], "running", "after a kill at `{call}`");
        world.detached().kill();
        std::fs::remove_file(world.daemon_json()).expect("what a crash leaves behind");
    }
}

#[test]
fn p15_no_file_is_taken_at_its_word() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let mut daemon = world.detached();
    let json = std::fs::read_to_string(world.daemon_json()).expect("daemon.json");
    let old = daemon.pid();
    daemon.kill();
    // The number of the dead daemon was given to somebody else, who is alive and well.
    let stranger = world.program("/bin/sleep".as_ref(), ["600"]).spawn();
    world.write("state/bitrouter/daemon.json", json.replace(&old.to_string(), &stranger.pid().to_string()));
    world.write("state/bitrouter/daemon.lock", format!("{}\n", stranger.pid()));
    let status = world.cli(["status", "--json"]).with_code(1).json();
    assert_eq!(status["state"], "stopped", "{status}");
    world.cli(["stop"]).expect_code(0);
    assert!(procfs::is_running(stranger.pid()), "`stop` killed a stranger");
    world.cli(DEMO).expect_code(0);
    assert_ne!(world.detached().pid(), stranger.pid());
}

#[test]
fn p15_torn_files_of_a_power_cut_are_taken_over() {
    for (name, content) in [
        ("empty", String::new()),
        ("half", "{\"pid\": 12, \"socket\": \"/tmp/x".to_owned()),
        ("zeros", "\0".repeat(4096)),
        ("another shape", "[1, 2]".to_owned()),
        ("nowhere", r#"{"pid":1,"socket":"/nonexistent/s","http":"http://127.0.0.1:1","version":"9"}"#.to_owned()),
    ] {
        let world = World::new();
        world.write("state/bitrouter/daemon.json", &content);
        world.write("state/bitrouter/daemon.lock", &content);
        assert_eq!(world.cli(["status", "--json"]).json()["state"], "stopped", "{name}");
        world.cli(DEMO).expect_code(0);
        assert_eq!(world.detached().status()["state"], "running", "{name}");
    }
}

#[test]
fn p15_a_stale_socket_is_replaced_and_a_live_one_never() {
    let world = World::new();
    world.directory("run/bitrouter");
    // Nobody listens: stale.
    let stale = std::os::unix::net::UnixListener::bind(world.socket()).expect("bind");
    world.user().own_path(&world.socket());
    drop(stale);
    world.cli(DEMO).expect_code(0);
    world.cli(["stop"]).expect_code(0);
    // Somebody listens, whoever it is: it stays, and the reason is said.
    let live = std::os::unix::net::UnixListener::bind(world.socket()).expect("bind");
    world.user().own_path(&world.socket());
    let output = world.cli(["serve", "--demo", "--listen", "127.0.0.1:0"]).with_code(1);
    assert!(output.stderr.contains("control.sock") && output.stderr.contains("another process"), "{}", output.stderr);
    assert!(world.socket().exists());
    live.set_nonblocking(true).expect("nonblocking");
    assert!(live.accept().is_ok(), "the probe never came");
}

#[test]
fn p15_a_recycled_pid_in_the_lock_does_not_delay_a_start() {
    let world = World::new();
    world.write("state/bitrouter/daemon.lock", "1\n");
    let begun = clock::monotonic_now();
    world.cli(DEMO).expect_code(0);
    report("a start with pid 1 in an unheld lock", clock::monotonic_now().saturating_duration_since(begun));
    assert!(clock::monotonic_now().saturating_duration_since(begun) < super::AT_MOST);
}
