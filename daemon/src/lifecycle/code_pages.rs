//! Gives back the pages of our own code that only the start touched: an agent that idles for days keeps what it uses.
//!
//! The kernel maps sixteen pages around each one that is touched, and starting passes through most of the program. The
//! pages stay in the page cache, so what is called again is there after a minor fault.
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "madvise(2) on our own code"))]

/// Gives back every page of the executable's code. Where that cannot be done, nothing is lost.
#[cfg(target_os = "linux")]
pub(super) fn give_back() {
    use rustix::mm::{Advice, madvise};

    let (Ok(maps), Ok(own)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe")) else {
        return;
    };
    for range in maps.lines().filter_map(|line| code_of(line, &own.to_string_lossy())) {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: the range is a mapping of this process, readable, executable and not writable, private, of a file. Such pages
        // are never changed (there are no relocations in code), so that what is dropped is read back from the file as it was,
        // also by threads that run in it now: madvise(2), MADV_DONTNEED, on a file's private mapping.
        if let Err(error) = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) } {
            tracing::debug!(error = %std::io::Error::from(error), "pages of code cannot be given back");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_back() {}

/// The addresses of a line of `/proc/self/maps` (proc_pid_maps(5)) that holds code of the file `own` and nothing else.
#[cfg(any(target_os = "linux", test))]
fn code_of(line: &str, own: &str) -> Option<std::ops::Range<usize>> {
    let mut fields = line.splitn(6, ' ');
    let (addresses, permissions) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?.trim_start();
    if permissions != "r-xp" || path != own {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_executable_is_given_back() {
        let own = "/usr/bin/bit router";
        let code = "55a776232000-55a776f5f000 r-xp 0068b000 fe:00 1234                       /usr/bin/bit router";
        assert_eq!(code_of(code, own), Some(0x55a7_7623_2000..0x55a7_76f5_f000));
        for other in [
            // What was relocated is read-only too, and is not in the file as it is in memory.
            "55a776f5f000-55a777000000 r--p 013b7000 fe:00 1234                       /usr/bin/bit router",
            "55a777000000-55a777010000 rw-p 01457000 fe:00 1234                       /usr/bin/bit router",
            "55a776232000-55a776f5f000 rwxp 0068b000 fe:00 1234                       /usr/bin/bit router",
            "55a776232000-55a776f5f000 r-xp 0068b000 fe:00 1234                       /usr/bin/bit router (deleted)",
            "7f8d43d8c000-7f8d43ee2000 r-xp 00026000 fe:00 99                         /usr/lib/libc.so.6",
            "7ffc0abff000-7ffc0ac01000 r-xp 00000000 00:00 0                          [vdso]",
            "",
            "nonsense",
        ] {
            assert_eq!(code_of(other, own), None, "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_runs_goes_on() {
        let running = std::thread::spawn(|| (0..200_000_u64).map(|n| n.to_string().len()).sum::<usize>());
        for _ in 0..50 {
            give_back();
        }
        assert_eq!(running.join().expect("the thread ended well"), 1_088_890);
    }
}
