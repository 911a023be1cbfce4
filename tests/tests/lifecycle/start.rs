//! `start`: one daemon, however many ask; nothing of the caller stays in it.

use std::{os::unix::fs::symlink, path::Path};

use bitrouter_tests::{World, procfs, shared_files, wait};

use super::DEMO;

#[test]
fn p15_start_is_idempotent_and_every_answer_names_the_same_daemon() {
    let world = World::new();
    let first = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
    assert_eq!(first["state"], "running", "{first}");
    for args in
        [&["start", "--json"][..], &["--json", "start", "--demo"], &["start", "--listen", "127.0.0.1:1", "--json"]]
    {
        let again = world.cli(args).with_code(0).json();
        assert_eq!((&again["pid"], &again["listen"]), (&first["pid"], &first["listen"]), "{args:?}");
    }
    let text = world.cli(["start"]).with_code(0).stdout;
    assert!(text.contains("already runs") && text.contains(&first["pid"].to_string()), "{text}");
}

#[test]
fn p15_twenty_starts_at_once_make_one_daemon_and_twenty_answers() {
    let world = World::new();
    for round in 0..5 {
        let runs: Vec<_> = std::thread::scope(|scope| {
            let start = || world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]);
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
        });
        let mut daemon = world.detached();
        for run in runs {
            let status = run.with_code(0).json();
            assert_eq!((&status["state"], &status["pid"]), (&"running".into(), &daemon.pid().into()), "round {round}");
        }
        wait::holds("one process", || world.processes() == [daemon.pid()]);
        // The next round races for what this one leaves behind.
        daemon.kill();
    }
}

#[test]
fn p15_a_command_substitution_returns_and_inherited_descriptors_are_closed() {
    let world = World::new();
    world.write("home/pinned", "x");
    // Descriptors 3 to 9 are open for everything the shell starts; 7 is the write end of a pipe that somebody reads.
    // A lock lasts as long as anybody holds the descriptor through which it was taken.
    for name in ["three", "five"] {
        world.write(&format!("home/{name}"), "x");
    }
    let script = "exec 3<three 4<pinned 5>>five 8<. 9<pinned; flock --nonblock 3 && flock --nonblock 5 && \
                  flock --nonblock 8 && flock --nonblock 9 || exit 9; \
                  { out=$(\"$BITROUTER\" start --demo --listen 127.0.0.1:0 2>&1); echo \"said: $out\"; } 7>&1 | cat";
    let run = world.program("/bin/sh".as_ref(), ["-c", script]).env("BITROUTER", shared_files::binary());
    let output = run.run().with_code(0);
    assert!(output.stdout.starts_with("said: "), "{}", output.text());
    let daemon = world.detached();
    for name in ["three", "five", ".", "pinned"] {
        let tried = world.program("/usr/bin/flock".as_ref(), ["--nonblock", "--exclusive", name, "/bin/true"]).run();
        assert_eq!(tried.code, 0, "the daemon pins `{name}`");
    }
    for link in procfs::links(daemon.pid()).unwrap_or_default() {
        assert!(!link.contains("/home"), "the daemon pins `{link}`");
        assert!(!link.starts_with("/dev/pts") && !link.starts_with("/dev/tty"), "the daemon holds `{link}`");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
    assert!(status.contains("Umask:\t0077"), "{status}");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("stat").1.split(' ').collect();
    assert_eq!(fields[4], "0", "it has a controlling terminal: {stat}");
    assert_ne!(fields[3], std::fs::read_to_string("/proc/self/stat").expect("stat").split(' ').nth(5).expect("sid"));
    if let Ok(here) = std::fs::read_link(format!("/proc/{}/cwd", daemon.pid())) {
        assert_eq!(here, Path::new("/"));
    }
}

#[test]
fn p15_relative_paths_hold_when_somebody_else_restarts_from_elsewhere() {
    let world = World::new();
    world.write("home/here/config.toml", "[aliases]\nfast = \"demo/echo\"\n");
    world.write("home/here/keys.env", "GROQ_API_KEY=x\n");
    let args = ["start", "--demo", "--listen", "127.0.0.1:0", "--config", "config.toml", "--env-file", "keys.env"];
    world.command(args).in_directory(&world.path("home/here")).run().expect_code(0);
    let before = world.detached();
    world.command(["restart"]).in_directory(Path::new("/")).run().expect_code(0);
    let after = world.detached();
    assert_ne!(before.pid(), after.pid());
    after.http().chat("fast", "x").send().ok();
    assert_eq!(after.provider("groq")["key_source"], "env_file");
    assert_eq!(after.status()["config"], world.path("home/here/config.toml").to_string_lossy().as_ref());
}

#[test]
fn p15_restart_keeps_flags_changes_the_process_and_says_what_is_lost() {
    let world = World::new();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--log-format", "human"]).expect_code(0);
    let before = world.detached();
    let quiet = world.cli(["restart"]).with_code(0);
    assert!(!quiet.stderr.contains("reload"), "nothing was pushed, but: {}", quiet.text());
    let between = world.detached();
    assert_ne!(before.pid(), between.pid());
    let key = world.canary("pushed");
    world.command(["reload"]).env("GROQ_API_KEY", &key).run().expect_code(0);
    let output = world.cli(["restart", "--listen", "127.0.0.1:0"]).with_code(0);
    assert!(output.stderr.contains("pushed") && output.stderr.contains("bitrouter reload"), "{}", output.text());
    let after = world.detached();
    assert!(after.pid() != between.pid() && after.port() != 0);
    after.http().chat("demo/echo", "still with --demo").send().ok();
    let log = std::fs::read_to_string(world.path("state/bitrouter/daemon.log")).expect("a log");
    let last = log.lines().last().unwrap_or_default();
    // Without the flag a log file holds JSON.
    assert!(serde_json::from_str::<serde_json::Value>(last).is_err(), "--log-format was lost: {last}");
    // A pushed key that ended with a crash is a warning of the next one; after an announced restart as well.
    assert!(after.provider("groq")["key_source"].is_null());
}

#[test]
fn p15_keys_lost_in_a_crash_are_a_warning_that_names_them_until_each_is_there_again() {
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let mut daemon = world.detached();
    let all =
        [("GROQ_API_KEY", "x"), ("XAI_API_KEY", "y"), ("MISTRAL_API_KEY", "z"), ("OPENAI_API_KEY", "bitrouter-local")];
    all.iter().fold(world.command(["reload"]), |run, (name, value)| run.env(*name, *value)).run().expect_code(0);
    daemon.kill();
    let lost = |daemon: &bitrouter_tests::Daemon| {
        let warning = daemon.warning("pushed_keys_lost")?;
        assert_eq!(warning["command"], "bitrouter reload");
        let message = warning["message"].as_str().unwrap_or_default().to_owned();
        Some(all.map(|(name, _)| message.contains(name)))
    };
    world.cli(DEMO).expect_code(0);
    assert_eq!(lost(&world.detached()), Some([true, true, true, false]));
    // A second successor knows as well.
    world.cli(["restart"]).expect_code(0);
    let daemon = world.detached();
    assert_eq!(lost(&daemon), Some([true, true, true, false]));
    // What it names cures it, name by name.
    world.command(["reload"]).env("GROQ_API_KEY", "x").run().expect_code(0);
    assert_eq!(lost(&daemon), Some([false, true, true, false]));
    world.cli(["reload", "--forget", "XAI_API_KEY"]).expect_code(0);
    assert_eq!(lost(&daemon), Some([false, false, true, false]));
    world.env_file("MISTRAL_API_KEY=z\n");
    world.cli(["reload"]).expect_code(0);
    assert_eq!(lost(&daemon), None);
}

#[test]
fn bare_bitrouter_serves_and_then_shows_what_runs() {
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    let none: [&str; 0] = [];
    let process = world.command(none).spawn();
    let daemon = world.detached();
    assert_eq!(daemon.pid(), process.pid());
    let shown = world.cli(none).with_code(0);
    assert!(shown.stdout.contains(&format!("pid {}", process.pid())), "{}", shown.text());
    assert_eq!(world.cli(["--json"]).with_code(0).json()["pid"], process.pid());
    daemon.signal(rustix::process::Signal::STOP);
    assert_eq!(world.cli(none).code, 2);
    daemon.signal(rustix::process::Signal::CONT);
}

#[test]
fn a_second_data_directory_user_gets_its_own_daemon() {
    // Two state directories of one user are two daemons, each found by its own environment.
    let world = World::new();
    world.cli(DEMO).expect_code(0);
    let first = world.detached();
    let (state, run) = (world.directory("other-state"), world.directory("other-run"));
    let other = |args: &[&str]| world.command(args).env("XDG_STATE_HOME", &state).env("XDG_RUNTIME_DIR", &run).run();
    assert_eq!(other(&["status"]).code, 1);
    let second = other(&["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0).json();
    assert_ne!(second["pid"], first.pid());
    other(&["stop"]).expect_code(0);
    assert_eq!(world.cli(["status", "--json"]).with_code(0).json()["pid"], first.pid());
}

#[test]
fn a_binary_behind_a_link_starts_and_restarts() {
    let world = World::new();
    let link = world.directory("home/bin").join("bitrouter");
    symlink(shared_files::binary(), &link).expect("symlink");
    world.program(&link, DEMO).run().expect_code(0);
    let before = world.detached().pid();
    world.program(&link, ["restart"]).run().expect_code(0);
    assert_ne!(world.detached().pid(), before);
}
