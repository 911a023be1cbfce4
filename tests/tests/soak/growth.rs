//! Memory, descriptors and threads under the whole mix: after the warm-up, the line through the samples is level.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{World, procfs, wait};

use crate::{line::Samples, traffic};

/// The part of the run in which pools, rings and the allocator find their size.
const WARM_UP: f64 = 0.4;

/// How many samples the rest gives, whatever its length.
const SAMPLES: u32 = 120;

/// Growth over the whole measured run that is no growth.
const RSS_KIB: f64 = 1024.0;
const DESCRIPTORS: f64 = 3.0;
const THREADS: f64 = 2.0;

pub(crate) fn run(length: Duration) {
    let (world, provider) = (World::new(), traffic::provider());
    let keys = traffic::keys(&world);
    world.config(&provider.as_openai());
    world.env_file(&format!("GROQ_API_KEY={}\n", keys[0]));
    let daemon = world.serve().env("OPENAI_API_KEY", &keys[0]).start();
    let pid = daemon.pid();
    traffic::fill_sessions(&world, &keys[0]);
    let counts = traffic::Counts::default();
    let warm_up = length.mul_f64(WARM_UP);
    let (samples, before) = traffic::during(&daemon, &keys, &counts, || {
        wait::pass(warm_up);
        let before = procfs::cpu(pid).expect("cpu");
        (sample(pid, length.saturating_sub(warm_up)), before)
    });
    let cpu = procfs::cpu(pid).expect("cpu").saturating_sub(before);
    println!("growth: {length:?} in all, {warm_up:?} of it warm-up, {SAMPLES} samples, {cpu:?} of CPU time");
    counts.report();
    println!("{}", Samples::head());
    for one in &samples {
        println!("{}", one.row());
    }
    // When everybody has left, so has everything that was held for them.
    let idle = wait::until_within("a daemon at rest", Duration::from_secs(30), || {
        let held = procfs::descriptors(pid).expect("descriptors");
        // Which of them are sockets is shown to root alone; a daemon at rest has few of any kind.
        let sockets = procfs::links(pid).map(|links| links.iter().filter(|link| link.starts_with("socket:")).count());
        sockets.map_or(held < 64, |sockets| sockets < 32).then_some((held, sockets))
    });
    println!("at rest: {} descriptors, sockets of them {:?}, {} KiB", idle.0, idle.1, kib(pid));
    for (one, bound) in samples.iter().zip([RSS_KIB, DESCRIPTORS, THREADS]) {
        let line = one.line();
        assert!(
            line.certain_growth() <= bound && line.growth() <= 2.0 * bound,
            "{} grows: {:+.2} over {:.0} s (bound {bound})\n{}\n{}",
            one.name,
            line.growth(),
            line.span,
            Samples::head(),
            one.row()
        );
    }
    assert_eq!(daemon.status()["state"], "running");
    daemon.stop();
}

fn sample(pid: u32, length: Duration) -> [Samples; 3] {
    let mut samples = ["RSS (KiB)", "descriptors", "threads"].map(Samples::new);
    let begun = clock::monotonic_now();
    for number in 1..=SAMPLES {
        let due = length.mul_f64(f64::from(number) / f64::from(SAMPLES));
        // What comes and goes with each call is not what stays: the least of a few looks counts.
        let mut least = [f64::INFINITY; 3];
        loop {
            let now = [kib(pid), descriptors(pid), threads(pid)];
            for (least, now) in least.iter_mut().zip(now) {
                *least = least.min(now);
            }
            let elapsed = clock::monotonic_now().saturating_duration_since(begun);
            if elapsed >= due {
                break;
            }
            wait::pass(due.saturating_sub(elapsed).min(Duration::from_millis(50)));
        }
        let at = clock::monotonic_now().saturating_duration_since(begun).as_secs_f64();
        for (samples, least) in samples.iter_mut().zip(least) {
            samples.points.push((at, least));
        }
    }
    samples
}

#[expect(clippy::cast_precision_loss, reason = "less than 2^52 bytes")]
fn kib(pid: u32) -> f64 {
    procfs::rss(pid).expect("the daemon ended") as f64 / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
fn descriptors(pid: u32) -> f64 {
    procfs::descriptors(pid).expect("the daemon ended") as f64
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
fn threads(pid: u32) -> f64 {
    procfs::threads(pid).expect("the daemon ended") as f64
}
