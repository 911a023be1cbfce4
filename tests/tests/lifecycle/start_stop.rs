//! Start, stop, restart, and everything that stands in the way of a start.

use std::time::Duration;

use bitrouter_tests::{
    World,
    process::{self, shell_code},
    procfs, wait,
};

const DEMO: [&str; 4] = ["start", "--demo", "--listen", "127.0.0.1:0"];

#[test]
fn start_returns_when_the_daemon_answers_and_again_is_fine() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    // No waiting: whoever runs the next command must be answered.
    let status = world.cli(["status", "--json"]).with_code(0).json();
    assert_eq!(status["state"], "running");
    let addr = status["listen"][0].as_str().expect("an address").parse().expect("an address");
    let answer = bitrouter_tests::Client::new(addr, world.user()).chat("demo/echo", "at once").send().ok();
    assert_eq!(answer.content(), "at once");
    let daemon = world.detached();
    daemon.http().chat("demo/echo", "hi").send().ok();
    world.cli(DEMO).expect_code(0);
    assert_eq!(world.detached().pid(), daemon.pid());
    assert!(world.path("state/bitrouter/daemon.log").metadata().expect("a log").len() > 0);
}

#[test]
fn a_started_daemon_holds_nothing_of_its_starter() {
    let world = World::new();
    // `$(…)` would hang if the daemon held the pipe; `Run::run` fails when it does.
    let script = format!("x=$({} start --demo --listen 127.0.0.1:0 2>&1); echo done", shell_binary());
    let output = world.program("/bin/sh".as_ref(), ["-c", &script]).run().with_code(0);
    assert_eq!(output.stdout.trim(), "done");
    let daemon = world.detached();
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", daemon.pid()));
    if let Ok(cwd) = cwd {
        assert_eq!(cwd, std::path::Path::new("/"));
    }
    // Shown to root alone; what the shell's end of the pipe proves above holds for everybody.
    for link in procfs::links(daemon.pid()).unwrap_or_default() {
        assert!(!link.starts_with("/dev/pts") && !link.starts_with("/dev/tty"), "{link}");
    }
}

fn shell_binary() -> String {
    bitrouter_tests::shared_files::binary().to_string_lossy().into_owned()
}

#[test]
fn stop_returns_when_the_process_is_gone() {
    let world = World::new();
    world.cli(["stop"]).expect_code(0);
    world.cli(DEMO).expect_code(0);
    let mut daemon = world.detached();
    let addr = daemon.addr();
    world.cli(["stop"]).expect_code(0);
    assert!(!daemon.is_running(), "`stop` returned while the daemon ran");
    assert!(std::net::TcpStream::connect(addr).is_err());
    assert!(!world.daemon_json().exists() && !world.socket().exists());
    let status = world.cli(["status", "--json"]).with_code(1).json();
    assert_eq!(status["state"], "stopped");
    world.cli(["stop"]).expect_code(0);
}

#[test]
fn restart_keeps_the_flags_and_changes_the_process() {
    let world = World::new();
    let key = world.canary("groq");
    let file = world.write("more.env", format!("GROQ_API_KEY={key}\n"));
    let file = file.to_string_lossy().into_owned();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--env-file", &file]).expect_code(0);
    let mut old = world.detached();
    world.cli(["restart"]).expect_code(0);
    assert!(!old.is_running());
    let new = world.detached();
    assert_ne!(old.pid(), new.pid());
    new.http().chat("demo/echo", "hi").send().ok();
    assert_eq!(new.provider("groq")["key_source"], "env_file");
    drop(new);
    // None runs: restart starts.
    world.cli(["restart", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    world.detached().http().chat("demo/echo", "hi").send().ok();
}

#[test]
fn a_second_serve_names_the_first() {
    let world = World::new();
    let daemon = world.demo();
    let output = world.cli(["serve", "--demo", "--listen", "127.0.0.1:0"]).with_code(1);
    assert!(output.stderr.contains(&format!("pid {}", daemon.pid())), "{}", output.stderr);
    daemon.http().get("/health").send().ok();
    assert_eq!(world.cli(["status", "--json"]).json()["pid"], daemon.pid());
}

#[test]
fn a_taken_port_names_its_holder() {
    let world = World::new();
    let script = "import socket,signal\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); \
                  print(s.getsockname()[1], flush=True); signal.pause()";
    let holder = world.program("/usr/bin/env".as_ref(), ["python3", "-c", script]).spawn();
    let text = holder.stdout().until("a port", |text| text.ends_with('\n'));
    let port = text.trim();
    for verb in ["serve", "start"] {
        let output = world.cli([verb, "--demo", "--listen", &format!("127.0.0.1:{port}")]).with_code(1);
        let expected = format!("port {port} is held by ");
        assert!(output.stderr.contains(&expected), "{verb}: {}", output.stderr);
        assert!(output.stderr.contains(&format!("(pid {})", holder.pid())), "{verb}: {}", output.stderr);
    }
    assert!(!world.socket().exists());
    world.cli(DEMO).expect_code(0);
}

#[test]
fn bare_bitrouter_serves_or_shows_what_runs() {
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    let bare: [&str; 0] = [];
    let process = world.command(bare).spawn();
    let daemon = world.detached();
    assert_eq!(daemon.pid(), process.pid());
    let output = world.cli(bare).with_code(0);
    assert!(output.stdout.contains(&daemon.pid().to_string()), "{}", output.text());
    let json = world.cli(["--json"]).with_code(0).json();
    assert_eq!((&json["state"], &json["pid"]), (&"running".into(), &daemon.pid().into()));
}

#[test]
fn the_first_start_after_kill_9_works() {
    let world = World::new();
    for _ in 0..10 {
        world.cli(DEMO).expect_code(0);
        let mut daemon = world.detached();
        daemon.http().get("/health").send().ok();
        daemon.kill();
        let status = world.cli(["status", "--json"]).with_code(1).json();
        assert_eq!(status["state"], "stopped");
    }
}

#[test]
fn a_start_in_the_moment_of_kill_9_works() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    for _ in 0..20 {
        let pid = world.daemon_file().and_then(|file| file["pid"].as_u64()).expect("a pid");
        // Nothing waits for its end: a person types `kill -9 …; bitrouter start`.
        process::kill(u32::try_from(pid).expect("a pid"), rustix::process::Signal::KILL);
        world.cli(DEMO).expect_code(0);
        let status = world.cli(["status", "--json"]).with_code(0).json();
        assert_ne!(status["pid"], pid);
    }
}

#[test]
fn many_starts_at_once_make_one_daemon() {
    let world = World::new();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| world.cli(DEMO))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
    });
    for run in &runs {
        run.expect_code(0);
    }
    let daemon = world.detached();
    wait::holds("one process", || world.processes() == [daemon.pid()]);
}

#[test]
fn a_stopped_process_is_reported_as_unresponsive_within_a_second() {
    let world = World::new();
    let daemon = world.demo();
    daemon.signal(rustix::process::Signal::STOP);
    wait::holds("the stop", || procfs::state(daemon.pid()) == Some('T'));
    let output = world.cli(["status", "--json"]).with_code(2);
    assert_eq!(output.json()["state"], "unresponsive");
    // One second is promised; a busy machine gets five.
    assert!(output.took < Duration::from_secs(5), "{:?}", output.took);
    let output = world.cli(["start", "--demo"]);
    assert_eq!(output.code, 2, "{}", output.text());
    daemon.signal(rustix::process::Signal::CONT);
    world.until_running();
}

#[test]
fn start_says_why_the_daemon_could_not() {
    let cases = [
        ("bad settings", "[server]\nlisten = \"127.0.0.1:0\"\nlistne = 1\n", "", "listne"),
        ("bad env file", "[server]\nlisten = \"127.0.0.1:0\"\n", "THIS IS NO LINE\n", "env:1"),
    ];
    for (name, config, env, expected) in cases {
        let world = World::new();
        world.config(config);
        world.env_file(env);
        for verb in ["start", "serve"] {
            let output = world.cli([verb]).with_code(1);
            assert!(output.stderr.contains(expected), "{name}, {verb}: {}", output.stderr);
            assert!(output.stderr.starts_with("error: "), "{name}, {verb}: {}", output.stderr);
        }
        assert_eq!(world.cli(["status"]).code, 1, "{name}");
    }
}

#[test]
fn a_vanished_socket_comes_back() {
    let world = World::new();
    let _daemon = world.demo();
    std::fs::remove_file(world.socket()).expect("remove");
    wait::until_within("the socket", Duration::from_secs(16), || world.socket().exists().then_some(()));
    world.until_running();
}

#[test]
fn sigterm_ends_it_with_code_0_and_leaves_nothing_behind() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let world = World::new();
        let mut daemon = world.demo();
        daemon.signal(signal);
        let status = daemon.wait(Duration::from_secs(10));
        assert_eq!(shell_code(status), 0, "{signal:?}");
        assert!(!world.daemon_json().exists() && !world.socket().exists(), "{signal:?}");
        // The lock file stays; it is what the next one locks.
        world.demo().stop();
    }
}

#[test]
fn serve_names_its_address_off_a_terminal_too() {
    let world = World::new();
    let daemon = world.demo();
    daemon.stderr().until_contains(&format!("127.0.0.1:{}", daemon.port()));
    assert_eq!(daemon.stdout().text(), "", "what a program reads stays clean");
}
