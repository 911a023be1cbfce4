//! The long runs of `make soak`, bounded: what grows shows as a slope. `BITROUTER_SOAK_MINUTES` makes the first one
//! longer than its two minutes.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and prints what it measured")]

use std::time::Duration;

use bitrouter_proto::{clock, env::Environment};
use bitrouter_tests::{
    Daemon, Provider, Reply, Stage, World,
    control::Control,
    process, procfs,
    provider::Gate,
    wait::{self, Deadline},
    wakeups,
};
use rustix::process::Signal;

const MIB: f64 = 1_048_576.0;

/// One look at the daemon.
#[derive(Clone, Copy, Debug)]
struct Sample {
    minutes: f64,
    memory: f64,
    descriptors: f64,
    threads: f64,
}

#[expect(clippy::cast_precision_loss, reason = "measurements")]
fn sample(pid: u32, minutes: f64) -> Sample {
    Sample {
        minutes,
        memory: procfs::rss(pid).expect("memory") as f64,
        descriptors: procfs::descriptors(pid).expect("descriptors") as f64,
        threads: procfs::threads(pid).expect("threads") as f64,
    }
}

/// The slope per minute of a straight line through the points (least squares).
fn slope(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred samples")]
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (time, level) = (mean(&|one| one.minutes), mean(&|one| value(one)));
    let above: f64 = samples.iter().map(|one| (one.minutes - time) * (value(one) - level)).sum();
    let below: f64 = samples.iter().map(|one| (one.minutes - time).powi(2)).sum();
    above / below
}

/// The median of a value.
fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A bit of everything that a daemon does in its life.
fn live(stage: &Stage, control: &mut Control, round: usize) {
    let http = stage.http();
    for _ in 0..20 {
        http.chat("openai:m", "x").send().ok();
        http.chat_stream("openai:m", "x").send().ok();
    }
    http.get("/v1/models").send().ok();
    http.get("/metrics").send().ok();
    http.chat("openai:m", "x").header("origin", "http://evil.example").send();
    http.chat("no-such-model", "x").send();
    http.raw("nonsense\r\n\r\n");
    // Somebody leaves in the middle, a provider breaks, another stalls until its caller leaves.
    let gate = Gate::new();
    stage.provider.next(Reply::stream().token("x").gate(&gate).done());
    let mut open = http.chat_stream("openai:m", "x").open();
    open.until_contains("\"x\"");
    drop(open);
    gate.open();
    stage.provider.next(Reply::stream().token("x").reset());
    http.chat_stream("openai:m", "x").send();
    // Keys come and go by every way.
    let key = if round.is_multiple_of(2) { "one" } else { "two" };
    stage.world.rename_over("config/bitrouter/env", format!("GROQ_API_KEY={key}\n"));
    let variable = bitrouter_proto::wire::Variable { name: "MISTRAL_API_KEY".into(), value: Some(key.into()) };
    let push = bitrouter_proto::wire::PushRequest { variables: vec![variable] };
    control.call::<bitrouter_proto::wire::PushResponse>("EnvironmentService/Push", &push).expect("a push");
    stage.daemon.signal(Signal::HUP);
    if round.is_multiple_of(5) {
        stage.world.cli(["reload"]).expect_code(0);
        stage.world.cli(["status", "--json"]).expect_code(0);
        stage.world.cli(["logs"]).expect_code(0);
        let mut follow = stage.world.command(["logs", "-f"]).spawn();
        follow.stdout().until("a line", |text| !text.is_empty());
        follow.kill();
    }
}

#[test]
#[ignore = "make soak"]
fn soak_memory_descriptors_and_threads_do_not_grow() {
    let minutes = Environment::of_process().text("BITROUTER_SOAK_MINUTES").and_then(|text| text.parse().ok());
    let span = Duration::from_secs_f64(60.0 * minutes.unwrap_or(2.0_f64).max(0.5));
    let stage = Stage::new();
    let mut control = Control::connect(&stage.daemon.socket());
    let pid = stage.daemon.pid();
    let (begun, deadline) = (clock::mono(), Deadline::after(span));
    let mut samples = Vec::new();
    let mut round = 0;
    while !deadline.is_over() {
        live(&stage, &mut control, round);
        round += 1;
        let minutes = clock::mono().saturating_duration_since(begun).as_secs_f64() / 60.0;
        samples.push(sample(pid, minutes));
    }
    // The first third warms up: pools, arenas, the log's ring.
    let warm = &samples[samples.len() / 3..];
    let (early, late) = warm.split_at(warm.len() / 2);
    println!("{round} rounds in {span:?}, {} calls", stage.provider.count());
    println!("{:>12} {:>10} {:>10} {:>16}", "", "early", "late", "slope a minute");
    let shown = |name: &str, unit: f64, value: &dyn Fn(&Sample) -> f64| {
        let (before, after, slope) = (median(early, value), median(late, value), slope(warm, value));
        println!("{name:>12} {:>10.2} {:>10.2} {:>16.3}", before / unit, after / unit, slope / unit);
        (after - before, slope)
    };
    let (memory, slope_of_memory) = shown("memory, MiB", MIB, &|one| one.memory);
    let (descriptors, _) = shown("descriptors", 1.0, &|one| one.descriptors);
    let (threads, _) = shown("threads", 1.0, &|one| one.threads);
    assert!(
        memory < 2.0 * MIB && slope_of_memory < 1.5 * MIB,
        "memory grows by {:.2} MiB a minute",
        slope_of_memory / MIB
    );
    assert!(descriptors <= 4.0, "descriptors grow by {descriptors}");
    assert!(threads <= 0.0, "threads grow by {threads}");
    // And after all of that it sleeps as soundly as at its birth.
    drop(control);
    quiet(&stage.daemon, "after the soak");
}

/// Checks that an idle daemon wakes up less than once a second.
#[track_caller]
fn quiet(daemon: &Daemon, when: &str) {
    // What is still on its way (connections that linger) may end first.
    wait::until_within("a quiet daemon", Duration::from_mins(3), || {
        let (rate, who) = wakeups::rate(daemon.pid(), Duration::from_secs(20));
        println!("{when}: {rate:.2} wake-ups a second ({who})");
        (rate < 1.0).then_some(())
    });
}

#[test]
#[ignore = "make soak"]
fn soak_an_idle_daemon_wakes_up_less_than_once_a_second() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    world.env_file("GROQ_API_KEY=x\n");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", "x").start();
    quiet(&daemon, "never used");
    daemon.http().chat("openai:m", "x").send().ok();
    daemon.http().chat_stream("demo/echo", "x").send().ok();
    daemon.reload();
    quiet(&daemon, "used once");
    // Idle clients cost nothing either: a kept connection, a follower of the log, a watcher of events.
    let (_, kept) = daemon.http().get("/health").open().finish_keeping();
    let follow = world.command(["logs", "-f"]).spawn();
    follow.stdout().until("a line", |text| !text.is_empty());
    quiet(&daemon, "with idle clients");
    let memory = procfs::rss(daemon.pid()).expect("memory");
    println!("idle memory: {:.1} MiB", f64::from(u32::try_from(memory / 1024).expect("kibibytes")) / 1024.0);
    assert!(memory <= 12 << 20, "an idle daemon holds {memory} bytes");
    drop((kept, follow));
}

#[test]
#[ignore = "make soak"]
fn soak_a_thousand_starts_after_kill_9() {
    let world = World::new();
    let mut took = Vec::new();
    let mut last = 0;
    for round in 0..1_000 {
        let run = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]);
        let status = run.clone().with_code(0).json();
        let pid = u32::try_from(status["pid"].as_u64().expect("a pid")).expect("a pid");
        assert!(pid != last && status["state"] == "running", "round {round}: {status}");
        took.push(run.took);
        last = pid;
        process::kill(pid, Signal::KILL);
        wait::holds("the end", || !procfs::is_running(pid));
    }
    took.sort();
    println!("1,000 starts after kill -9: {:?} (median), {:?} (worst)", took[500], took[999]);
}

// The same three questions under a harder mix, with a bound on the whole growth and without a second look at a restless
// daemon.
#[path = "soak/growth.rs"]
mod growth;
#[path = "soak/idle.rs"]
mod idle;
#[path = "soak/kills.rs"]
mod kills;
#[path = "soak/length.rs"]
mod length;
#[path = "soak/line.rs"]
mod line;
#[path = "soak/traffic.rs"]
mod traffic;

#[test]
#[ignore = "make soak"]
fn soak_nothing_grows_under_everything_at_once() {
    growth::run(length::length());
}

#[test]
#[ignore = "make soak"]
fn soak_a_daemon_that_nobody_asks_sleeps() {
    idle::run(length::length().min(Duration::from_mins(1)));
}

#[test]
#[ignore = "make soak"]
fn soak_the_first_start_after_each_kill_9_works() {
    kills::run(length::kills());
}

#[test]
fn the_line_through_samples_is_the_least_squares_line() {
    line::check();
}
