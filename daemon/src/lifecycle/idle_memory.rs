//! Gives back memory that is not in use while we idle: an agent that people forget stays small.
//!
//! Pages of code and constants stay in the page cache: what is called again is there after a minor fault. Without this most of
//! the program stays mapped for good, since starting passes through most of it, and the kernel maps the neighbours of each
//! page that is touched, up to 2 MiB of them since Linux 6.18. What a long list or a large body took of the heap goes back too.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "madvise(2) on pages that were never changed, malloc_trim(3)")
)]

use std::{fs, ops::Range};

use crate::environment::Stat;

/// Below this much CPU time from look to look, in clock ticks of 10 ms, we idle: what a few calls take.
const IDLE_TICKS: u64 = 5;

/// A look where fewer pages than this were fetched since we last gave back has nothing to win.
const FEW: u64 = 8;

/// What is known from the last look.
#[derive(Debug, Default)]
pub(super) struct IdleMemory {
    cpu: u64,
    faults: u64,
}

impl IdleMemory {
    /// Gives back at once: the start is over.
    pub(super) fn after_start() -> Self {
        give_back();
        Stat::of_self().map_or_else(|_| Self::default(), |now| Self { cpu: now.cpu_ticks, faults: now.minor_faults })
    }

    /// Gives back where we idled since the last look and touched something since we last gave back.
    pub(super) fn look(&mut self) {
        let Ok(now) = Stat::of_self() else { return };
        let idles = now.cpu_ticks.saturating_sub(self.cpu) < IDLE_TICKS;
        self.cpu = now.cpu_ticks;
        if idles && now.minor_faults.saturating_sub(self.faults) >= FEW {
            give_back();
            self.faults = Stat::of_self().map_or(now.minor_faults, |after| after.minor_faults);
        }
    }
}

/// Gives back every page of files that this process maps and never changed, and what is free of the heap. Where that cannot be
/// done, nothing is lost.
#[cfg(target_os = "linux")]
fn give_back() {
    use rustix::mm::{Advice, madvise};

    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use (malloc_trim(3): MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for range in unchanged(&maps) {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: the range is a private mapping of a file that cannot be written through, and none of whose pages was ever
        // changed (relocated, or broken into by a debugger), so that what is dropped here comes back from the file as it
        // was, also for threads that run in it now (madvise(2), MADV_DONTNEED). No such mapping ends while we run (this
        // program unloads no library, and maps files that it reads not at all), so that nothing else can stand there now.
        if let Err(error) = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) } {
            tracing::debug!(error = %std::io::Error::from(error), "pages of the program cannot be given back");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn give_back() {}

/// The mappings in `/proc/self/smaps` (proc_pid_smaps(5)) that are private, of a file, not writable, and of which no page
/// differs from the file.
fn unchanged(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut candidate: Option<Range<usize>> = None;
    for line in smaps.lines() {
        if let Some(size) = line.strip_prefix("Anonymous:").or_else(|| line.strip_prefix("Swap:")) {
            if size.trim() != "0 kB" {
                candidate = None;
            }
        } else if line.starts_with("VmFlags:") {
            found.extend(candidate.take());
        } else if !line.split(' ').next().is_some_and(|first| first.ends_with(':')) {
            candidate = of_a_file(line);
        }
    }
    found
}

/// The addresses in a mapping's first line, where it is private, not writable and of a file.
fn of_a_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (addresses, permissions) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?;
    if !matches!(permissions, "r-xp" | "r--p") || !path.starts_with('/') {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(first: &str, anonymous: &str, swap: &str) -> String {
        format!(
            "{first}\nSize:               1288 kB\nRss:                1288 kB\nPrivate_Dirty:         0 kB\n\
             Anonymous:          {anonymous}\nLazyFree:              0 kB\nSwap:                  {swap}\nVmFlags: rd mr mw me\n"
        )
    }

    #[test]
    fn only_what_was_never_changed_is_given_back() {
        let text = [
            mapping("1000-3000 r--p 00000000 fe:00 12          /usr/bin/bit router", "0 kB", "0 kB"),
            mapping("3000-7000 r-xp 00002000 fe:00 12          /usr/bin/bit router (deleted)", "0 kB", "0 kB"),
            // Relocated at the start, then made read-only.
            mapping("7000-8000 r--p 00006000 fe:00 12          /usr/bin/bit router", "4 kB", "0 kB"),
            mapping("8000-9000 r--p 00007000 fe:00 12          /usr/bin/bit router", "0 kB", "4 kB"),
            mapping("9000-a000 rw-p 00008000 fe:00 12          /usr/bin/bit router", "0 kB", "0 kB"),
            mapping("a000-b000 r--s 00000000 fe:00 13          /home/u/node.db-shm", "0 kB", "0 kB"),
            mapping("b000-c000 rwxp 00000000 fe:00 13          /usr/lib/x.so", "0 kB", "0 kB"),
            mapping("c000-d000 r--p 00000000 00:00 0 ", "0 kB", "0 kB"),
            mapping("d000-e000 r-xp 00000000 00:00 0           [vdso]", "0 kB", "0 kB"),
            mapping("7f00000000-7f00001000 r-xp 00026000 fe:00 99 /usr/lib/libc.so.6", "0 kB", "0 kB"),
        ];
        let found = unchanged(&text.concat());
        assert_eq!(found, [0x1000..0x3000, 0x3000..0x7000, 0x7f_0000_0000..0x7f_0000_1000]);
        assert!(unchanged("nonsense\n\nAnonymous:\nVmFlags:\n").is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_runs_goes_on() {
        let running = std::thread::spawn(|| (0..200_000_u64).map(|n| n.to_string().len()).sum::<usize>());
        let before = Stat::of_self().expect("a process sees its own");
        for _ in 0..50 {
            give_back();
        }
        assert_eq!(running.join().expect("the thread ended well"), 1_088_890);
        let after = Stat::of_self().expect("a process sees its own");
        assert!(
            after.minor_faults >= before.minor_faults + 50,
            "pages were given back, and came again: {before:?} {after:?}"
        );
    }
}
