//! What the kernel counted for a process.

use std::{fs, time::Duration};

/// CPU time used so far by all threads that live, in user and system mode.
///
/// From the scheduler's own counter, in nanoseconds; where the kernel keeps none, from the ticks of `stat`.
pub(crate) fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    match nanos.sum() {
        0 => ticks(pid).unwrap_or_default(),
        nanos => Duration::from_nanos(nanos),
    }
}

fn ticks(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // The kernel's USER_HZ is 100 on every architecture that Rust knows.
    Some(Duration::from_millis(ticks * 10))
}

/// Resident memory in bytes; 0 where the process is gone.
pub(crate) fn rss(pid: u32) -> u64 {
    kib(pid, "VmRSS:") * 1024
}

/// The most resident memory that the process ever had, in bytes.
pub(crate) fn peak_rss(pid: u32) -> u64 {
    kib(pid, "VmHWM:") * 1024
}

fn kib(pid: u32, name: &str) -> u64 {
    let read = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    read().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_read() {
        let me = std::process::id();
        assert!(rss(me) > 100_000 && peak_rss(me) >= 100_000);
        let before = cpu(me);
        let mut sum = 0_u64;
        while cpu(me) < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(rss(u32::MAX), 0);
    }
}
