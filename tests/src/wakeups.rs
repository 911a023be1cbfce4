//! How often a process wakes up, as the kernel counts: voluntary context switches of all its threads.

use std::{collections::BTreeMap, fs, time::Duration};

use crate::wait;

/// Voluntary context switches so far, by thread. A process that may not be looked into shows none.
pub fn by_thread(pid: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let counts = tasks.filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let switches = field("voluntary_ctxt_switches:")?.parse().ok()?;
        Some((format!("{} ({})", field("Name:")?, task.file_name().to_string_lossy()), switches))
    });
    counts.collect()
}

/// All threads together.
pub fn total(pid: u32) -> u64 {
    by_thread(pid).values().sum()
}

/// Wake-ups per second over `span`, and by which threads.
pub fn rate(pid: u32, span: Duration) -> (f64, String) {
    let before = by_thread(pid);
    wait::pass(span);
    let after = by_thread(pid);
    let mut sum = 0;
    let mut who = Vec::new();
    for (thread, count) in after {
        let woken = count - before.get(&thread).copied().unwrap_or(0);
        sum += woken;
        if woken > 0 {
            who.push(format!("{thread}: {woken}"));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of a few thousands")]
    let rate = sum as f64 / span.as_secs_f64();
    (rate, who.join(", "))
}
