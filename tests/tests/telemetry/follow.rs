//! `logs`: the ring, followed over the control API, through hang-ups and level changes.

use std::path::Path;

use bitrouter_tests::{World, procfs, shared_files, terminal::Terminal, wait};
use rustix::process::Signal;

#[test]
fn p15_following_streams_each_line_once_and_survives_hang_ups() {
    let world = World::new();
    let daemon = world.demo();
    let chat = |id: &str| drop(daemon.http().chat("demo/echo", "x").header("x-bitrouter-request-id", id).send().ok());
    chat("before_1");
    let mut follow = world.command(["logs", "-f"]).spawn();
    follow.stdout().until_contains("before_1");
    for number in 0..20 {
        chat(&format!("during_{number}_"));
    }
    let text = follow.stdout().until_contains("during_19_");
    for number in 0..20 {
        assert_eq!(text.matches(&format!("during_{number}_")).count(), 1, "line {number}: {text}");
    }
    // `kill -HUP $(pgrep bitrouter)` hits whoever follows as well.
    for round in 0..3 {
        follow.signal(Signal::HUP);
        daemon.hangup();
        let id = format!("after_hup_{round}");
        chat(&id);
        follow.stdout().until_contains(&id);
        assert!(follow.status().is_none(), "the follower ended");
    }
    let text = follow.stdout().text();
    assert!(text.contains("sighup") || text.contains("SIGHUP"), "the reload is not in its own log: {text}");
    daemon.stop();
    let status = follow.wait(wait::PATIENCE);
    assert!(matches!(status.code(), Some(0 | 2)), "{status}: {}", follow.stderr().text());
}

#[test]
fn p15_a_follower_leaves_with_its_terminal() {
    let world = World::new();
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    let keep = world.detached();
    let mut window = Terminal::open(&world, shared_files::binary(), &["logs", "-f"], &[]);
    let call = |id: &str| drop(keep.http().chat("demo/echo", "x").header("x-bitrouter-request-id", id).send().ok());
    call("shown_1");
    window.until_contains("shown_1");
    bitrouter_tests::process::kill(window.pid(), Signal::HUP);
    call("shown_2");
    window.until_contains("shown_2");
    let follower = window.pid();
    window.close();
    window.wait(wait::PATIENCE);
    assert!(!procfs::is_running(follower));
    assert_eq!(keep.status()["state"], "running");
}

#[test]
fn p15_the_level_changes_for_everybody_who_listens() {
    let world = World::new();
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    let follow = world.command(["logs", "-f"]).spawn();
    let chat = |id: &str| drop(daemon.http().chat("demo/echo", "x").header("x-bitrouter-request-id", id).send().ok());
    chat("at_info");
    follow.stdout().until_contains("at_info");
    let said = world.cli(["logs", "--level", "error"]).with_code(0);
    assert!(said.stderr.contains("error") && said.stderr.contains("info"), "{}", said.text());
    chat("at_error");
    let json = world.cli(["logs", "--level", "debug", "--json"]).with_code(0).json();
    assert_eq!((&json["level"], &json["previous"]), (&"debug".into(), &"error".into()));
    chat("at_debug");
    let text = follow.stdout().until_contains("at_debug");
    assert!(!text.contains("at_error"), "{text}");
    // A reload does not undo what was asked at run time, and the level is not part of the settings.
    world.cli(["reload"]).expect_code(0);
    let json = world.cli(["logs", "--level", "info", "--json"]).with_code(0).json();
    assert_eq!(json["previous"], "debug");
}

#[test]
fn p15_no_line_holds_a_member_twice() {
    let world = World::new();
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    world.cli(["logs", "--level", "trace"]).expect_code(0);
    daemon.http().chat("demo/echo", "x").send().ok();
    world.command(["reload"]).env("GROQ_API_KEY", "x").run().expect_code(0);
    world.cli(["logs", "--level", "info"]).expect_code(0);
    let text = world.cli(["logs"]).with_code(0).stdout;
    assert!(text.contains("\"log level\""), "{text}");
    for line in text.lines() {
        for name in ["timestamp", "level", "target", "message"] {
            assert_eq!(line.matches(&format!("\"{name}\":")).count(), 1, "`{name}` in {line}");
        }
    }
}

#[test]
fn p15_a_follower_of_a_killed_daemon_says_what_happened() {
    let world = World::new();
    let mut daemon = world.demo();
    let mut follow = world.command(["logs", "-f"]).spawn();
    follow.stdout().until_contains("ready");
    daemon.kill();
    assert_eq!(follow.wait(wait::PATIENCE).code(), Some(2));
    follow.stderr().ends_within(wait::PATIENCE);
    let text = follow.stderr().text();
    assert!(text.contains("ended without a word") && !text.contains("before the answer"), "{text}");
}

#[test]
fn p15_tail_json_and_a_closed_pipe() {
    let world = World::new();
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    for number in 0..30 {
        let id = format!("line_{number}_");
        daemon.http().chat("demo/echo", "x").header("x-bitrouter-request-id", &id).send().ok();
    }
    let tail = world.cli(["logs", "-n", "3"]).with_code(0).stdout;
    assert_eq!(tail.lines().count(), 3, "{tail}");
    assert!(tail.contains("line_29_") && !tail.contains("line_20_"), "{tail}");
    for line in world.cli(["logs", "--json"]).with_code(0).stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    // `logs | head -1` ends quietly.
    let run = world
        .program(Path::new("/bin/sh"), ["-c", "\"$BITROUTER\" logs | head -n 1"])
        .env("BITROUTER", shared_files::binary());
    let output = run.run().with_code(0);
    assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (1, ""));
}

#[test]
fn p15_a_follower_that_is_slow_is_told_how_much_it_missed() {
    let world = World::new();
    let daemon = world.demo();
    let follow = world.command(["logs", "-f"]).spawn();
    let call = |id: &str| drop(daemon.http().chat("demo/echo", "x").header("x-bitrouter-request-id", id).send().ok());
    call("first_line");
    follow.stdout().until_contains("first_line");
    // It stands still; what the sockets hold and what the daemon keeps for it fills up.
    follow.signal(Signal::STOP);
    wait::holds("the stop", || procfs::state(follow.pid()) == Some('T'));
    let total = 4_000;
    for number in 0..total {
        call(&format!("slow_{number}_"));
    }
    follow.signal(Signal::CONT);
    call("last_line");
    let shown = follow.stdout().until_contains("last_line");
    let notes = follow.stderr().until_contains("lines were missed");
    let missed: usize = notes
        .lines()
        .filter_map(|line| line.split_once('(')?.1.split_once(" lines were missed")?.0.parse::<usize>().ok())
        .sum();
    let seen = (0..total).filter(|number| shown.contains(&format!("slow_{number}_"))).count();
    assert!(missed > 0 && seen + missed >= total, "{seen} of {total} were shown, {missed} are said to be missing");
    assert!(shown.contains(&format!("slow_{}_", total - 1)), "the newest line is missing");
}
