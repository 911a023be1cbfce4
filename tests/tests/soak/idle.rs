//! A daemon that nobody asks anything sleeps: fewer than one wake-up a second over all its threads, and next to no CPU
//! time; when it is new, and when it has seen everything.

use std::{collections::BTreeMap, fs, time::Duration};

use bitrouter_tests::{Daemon, World, procfs, wait};

use crate::traffic;

/// Wake-ups per second.
const AT_MOST: f64 = 1.0;

/// The share of one core.
const CPU_SHARE: f64 = 0.002;

/// How long what a start or the last call left behind may take to settle.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn run(span: Duration) {
    println!("{:<28} {:>10} {:>12} {:>10} {:>10}  by thread", "idle for", "seconds", "wake-ups/s", "CPU ms", "RSS KiB");
    let world = World::new();
    let mut restless = measure("a new daemon", &world.demo(), span);

    let (world, provider) = (World::new(), traffic::provider());
    let keys = traffic::keys(&world);
    world.config(&provider.as_openai());
    world.env_file(&format!("GROQ_API_KEY={}\n", keys[0]));
    let daemon = world.serve().env("OPENAI_API_KEY", &keys[0]).start();
    restless.extend(measure("one with keys and env files", &daemon, span));
    let counts = traffic::Counts::default();
    traffic::during(&daemon, &keys, &counts, || wait::pass(Duration::from_secs(10)));
    counts.report();
    restless.extend(measure("one that has seen everything", &daemon, span));
    assert!(restless.is_empty(), "{}", restless.join("\n"));
}

/// Prints a row and returns what is wrong with it.
fn measure(what: &str, daemon: &Daemon, span: Duration) -> Vec<String> {
    let pid = daemon.pid();
    wait::pass(SETTLE);
    let (switches, cpu) = (switches(pid), procfs::cpu(pid).expect("cpu"));
    wait::pass(span);
    let used = procfs::cpu(pid).expect("cpu").saturating_sub(cpu);
    let mut woken = BTreeMap::new();
    for (thread, count) in self::switches(pid) {
        let more = count - switches.get(&thread).copied().unwrap_or(0);
        if more > 0 {
            woken.insert(thread, more);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
    let rate = woken.values().sum::<u64>() as f64 / span.as_secs_f64();
    let by: Vec<String> = woken.iter().map(|(thread, count)| format!("{thread}: {count}")).collect();
    println!(
        "{what:<28} {:>10.0} {rate:>12.3} {:>10} {:>10}  {}",
        span.as_secs_f64(),
        used.as_millis(),
        procfs::rss(pid).unwrap_or_default() / 1024,
        by.join(", ")
    );
    let mut wrong = Vec::new();
    if rate >= AT_MOST {
        wrong.push(format!("{what} wakes up {rate:.2} times a second: {}", by.join(", ")));
    }
    // The kernel counts in steps of 10 ms.
    if used > span.mul_f64(CPU_SHARE) + Duration::from_millis(10) {
        wrong.push(format!("{what} used {used:?} of CPU time in {span:?}"));
    }
    wrong
}

/// Context switches so far, voluntary or not, by thread.
fn switches(pid: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the daemon's threads").flatten();
    let counts = tasks.filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let number = |name: &str| field(name)?.parse::<u64>().ok();
        let sum = number("voluntary_ctxt_switches:")? + number("nonvoluntary_ctxt_switches:")?;
        Some((format!("{} ({})", field("Name:")?, task.file_name().to_string_lossy()), sum))
    });
    let counts: BTreeMap<_, _> = counts.collect();
    assert!(!counts.is_empty(), "the daemon's threads cannot be looked at; run the soak as root");
    counts
}
