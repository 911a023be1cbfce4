//! Ten thousand connections to the control socket by one program: it pays for its own greed, nobody else does.

use std::sync::atomic::{AtomicBool, Ordering};

use bitrouter_tests::{
    Daemon, World,
    hostile::{Bystander, Hostile, PREFACE, idle_again, raise_descriptors},
    kernel_tables, logs, process, procfs, sdk, wait,
};

const CROWD: usize = 10_000;

#[test]
fn p05_heavy_ten_thousand_connections_of_one_program_delay_nobody() {
    let limit = raise_descriptors();
    assert!(limit > CROWD as u64 + 100, "this test needs {CROWD} descriptors, the hard limit is {limit}");
    let world = World::new();
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    let socket = daemon.socket();
    let held_by_daemon = || kernel_tables::connections_to(&socket);
    // The number of all its descriptors, where the kernel tells it; of its connections it always does.
    let before = procfs::descriptors(daemon.pid());
    let memory = procfs::rss(daemon.pid()).expect("memory");
    let mut held = Vec::with_capacity(CROWD);
    let mut bystander = Bystander::default();
    for number in 0..CROWD {
        let mut client = Hostile::connect(&daemon.socket());
        // Some are silent, some say half of what they should, some all of it.
        client.say(&PREFACE[..[0, PREFACE.len() / 2, PREFACE.len()][number % 3]]);
        held.push(client);
        if number % 500 == 499 {
            bystander.asks(&world);
        }
    }
    for _ in 0..10 {
        bystander.asks(&world);
    }
    bystander.report("ten thousand connections");
    daemon.http().chat("demo/echo", "x").send().ok();
    let open = held_by_daemon();
    assert!((1..1_200).contains(&open), "the daemon holds {open} connections");
    if let (Some(before), Some(open)) = (before, procfs::descriptors(daemon.pid())) {
        assert!(open < before + 1_200, "the daemon holds {open} descriptors");
    }
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(memory);
    assert!(grown < 64 << 20, "the crowd costs {grown} bytes");
    // Whoever looks into the log sees who it was.
    let text = daemon.stderr().until("the crowd in the log", |text| text.contains("too many control connections"));
    let lines = logs::with_message(&text, "too many control connections");
    assert_eq!(logs::member(&lines[0], "peer_pid"), std::process::id(), "{}", lines[0]);
    assert!(lines.len() < 1_000, "the log itself was flooded: {} lines", lines.len());
    drop(held);
    idle_again(daemon.pid());
    wait::holds("the connections to be gone", || held_by_daemon() < 20);
    wait::holds("the descriptors to be free again", || {
        before.zip(procfs::descriptors(daemon.pid())).is_none_or(|(before, now)| now < before + 20)
    });
}

/// As many programs as the daemon takes connections and more, each with a single one: none is greedier than another.
#[track_caller]
fn crowded_by_many(kind: &str) {
    let world = World::new();
    let daemon = world.demo();
    let follower = world.command(["logs", "-f"]).spawn();
    follower.stdout().until_contains("ready");
    let socket = daemon.socket().to_string_lossy().into_owned();
    let mut crowd = sdk::script(&world, "crowd.py", &[&socket, "700", kind]).spawn();
    crowd.stdout().until_contains("ready");
    let mut bystander = Bystander::default();
    for _ in 0..30 {
        bystander.asks(&world);
    }
    bystander.report(&format!("700 programs ({kind}) with one connection each"));
    // Who was there before the crowd goes on.
    daemon.http().chat("demo/echo", "after-the-crowd").send().ok();
    follower.stdout().until_contains("\"request\"");
    process::kill(crowd.pid(), rustix::process::Signal::TERM);
    assert!(crowd.wait(wait::PATIENCE).success(), "{}", crowd.stderr().text());
    idle_again(daemon.pid());
}

#[test]
fn p05_heavy_a_crowd_of_programs_that_left_displaces_nobody() {
    crowded_by_many("dead");
}

#[test]
fn p05_heavy_a_crowd_of_programs_that_stay_displaces_nobody() {
    crowded_by_many("alive");
}

#[test]
fn p05_heavy_a_storm_of_connects_and_hang_ups_delays_nobody() {
    let world = World::new();
    let daemon = world.demo();
    let bystander = in_a_storm(&world, &daemon, 20);
    bystander.report("a storm of connects and hang-ups");
    idle_again(daemon.pid());
}

/// Connects, says half of what it should, and hangs up, as fast as it can, while a bystander asks for the status.
#[track_caller]
pub(super) fn in_a_storm(world: &World, daemon: &Daemon, asks: usize) -> Bystander {
    let mut bystander = Bystander::default();
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    if let Ok(mut client) = Hostile::try_connect(&daemon.socket()) {
                        client.say(&PREFACE[..9]);
                    }
                }
            });
        }
        let stop = Stop(&running);
        for _ in 0..asks {
            bystander.asks(world);
        }
        drop(stop);
    });
    bystander
}

/// Ends the storm also where the bystander is let down.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
