//! What the kernel says of a process.

use std::{fs, path::PathBuf, time::Duration};

use crate::wait;

/// Resident memory in bytes; `None` where the process is gone.
pub fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: u64 = field(&status, "VmRSS:")?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Waits until a daemon that nobody calls has at most so many bytes: five times the span after which it gives back what it does
/// not use.
pub fn idles_within(pid: u32, bytes: u64) {
    let small = || (rss(pid).expect("its memory") <= bytes).then_some(());
    wait::until_within(&format!("at most {} KiB", bytes / 1024), Duration::from_mins(1), small);
}

/// Number of threads.
pub fn threads(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "Threads:")?.trim().parse().ok()
}

/// Number of open descriptors. Only root may list those of a process that lets nobody look into it; since Linux 6.2 the
/// kernel tells their number to everybody, as the size of the directory. `None` where neither is so.
pub fn descriptors(pid: u32) -> Option<usize> {
    let dir = format!("/proc/{pid}/fd");
    if let Ok(listed) = fs::read_dir(&dir) {
        return Some(listed.count());
    }
    let size = fs::metadata(&dir).ok()?.len();
    usize::try_from(size).ok().filter(|size| *size > 0)
}

/// What its descriptors point at. `None` where that may not be seen: a process that lets nobody look into it shows it
/// to root alone.
pub fn links(pid: u32) -> Option<Vec<String>> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    Some(links.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned())).collect())
}

/// A variable of its environment. `None` also where that may not be read.
pub fn variable(pid: u32, name: &str) -> Option<Vec<u8>> {
    let all = fs::read(format!("/proc/{pid}/environ")).ok()?;
    all.split(|byte| *byte == 0).find_map(|one| Some(one.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec()))
}

/// CPU time used so far, user and system together.
pub fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // The kernel's USER_HZ is 100 on every architecture that Rust knows.
    Some(Duration::from_millis(ticks * 10))
}

/// The state letter (`R`, `S`, `T`, `Z`, …).
pub fn state(pid: u32) -> Option<char> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether it runs: it exists, and is no zombie whose last thread has ended. (The first thread may be a zombie while
/// others still hold the process's descriptors.)
pub fn is_running(pid: u32) -> bool {
    match state(pid) {
        None => false,
        Some('Z') => fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1),
        Some(_) => true,
    }
}

/// Its arguments, joined by spaces.
pub fn cmdline(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned())
}

/// A limit line of `/proc/PID/limits`: soft and hard.
pub fn limit(pid: u32, name: &str) -> Option<(String, String)> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let mut words = field(&limits, name)?.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// Every process of `uid` that runs.
pub fn of_user(uid: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(PathBuf::from("/proc").join(pid.to_string()).join("status")).ok()?;
        let real: u32 = field(&status, "Uid:")?.split_whitespace().next()?.parse().ok()?;
        (real == uid && is_running(pid)).then_some(pid)
    });
    numbers.collect()
}

/// The processes whose parent is `pid`.
pub fn children(pid: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        (field(&status, "PPid:")?.trim().parse::<u32>().ok()? == pid).then_some(child)
    });
    numbers.collect()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}
