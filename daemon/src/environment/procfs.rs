//! What `/proc` says of a process: its session, when it started, and the environment it was started with.

use std::{fs, io, io::Read as _};

use secrecy::zeroize::Zeroizing;

/// An environment is at most as large as what `execve` takes; more is refused.
const ENVIRON_LIMIT: u64 = 8 << 20;

/// The terminal session a process belongs to. Two sessions differ even where the kernel gave the number away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// The session id: the pid of its leader. 0 where that is in another pid namespace.
    pub sid: u32,
    /// When the leader started, in clock ticks since boot; `None` where the leader is gone (its number is not given
    /// away while the session lives) or cannot be seen.
    pub leader_start: Option<u64>,
}

/// Why a session cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the session of process {pid}: {source}")]
pub struct SessionError {
    /// The process.
    pub pid: u32,
    /// Why not.
    pub source: io::Error,
}

impl Session {
    /// For callers whose session cannot be told: they all share this one.
    pub const UNKNOWN: Self = Self { sid: 0, leader_start: None };

    /// The session of process `pid`, as it is now.
    pub fn of_pid(pid: u32) -> Result<Self, SessionError> {
        let sid = Stat::of(pid).map_err(|source| SessionError { pid, source })?.session;
        let leader_start = if sid == 0 { None } else { Stat::of(sid).ok().map(|leader| leader.start_time) };
        Ok(Self { sid, leader_start })
    }
}

/// The fields of `/proc/<pid>/stat` that are needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(super) session: u32,
    pub(super) start_time: u64,
    pub(super) is_zombie: bool,
    /// Pages that came without reading a disk.
    pub(crate) minor_faults: u64,
    /// Clock ticks in user and kernel mode.
    pub(crate) cpu_ticks: u64,
}

impl Stat {
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        Self::read(&pid.to_string())
    }

    /// Our own, also where `/proc` counts processes otherwise than we do.
    pub(crate) fn of_self() -> io::Result<Self> {
        Self::read("self")
    }

    fn read(process: &str) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{process}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of stat"))
    }

    /// The second field is the program's name in parentheses, and can itself hold parentheses, spaces and newlines:
    /// what counts begins after the last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let rest = std::str::from_utf8(text.get(after..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and the first field here is its third.
        let field = |number: usize| fields.get(number - 3);
        // A kernel thread has session 0, and so has a process whose leader is in another pid namespace.
        let session = field(6)?.parse::<i64>().ok().and_then(|sid| u32::try_from(sid.max(0)).ok())?;
        let number = |at| field(at)?.parse::<u64>().ok();
        Some(Self {
            session,
            start_time: number(22)?,
            is_zombie: matches!(*field(3)?, "Z" | "X"),
            minor_faults: number(10)?,
            cpu_ticks: number(14)? + number(15)?,
        })
    }
}

/// A process, told from a later one of the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    start_time: u64,
}

impl Process {
    /// Process `pid`, as it is now; `None` where it cannot be seen.
    pub(crate) fn of_pid(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid).ok().filter(|stat| !stat.is_zombie)?;
        Some(Self { pid, start_time: stat.start_time })
    }

    /// True where the kernel knows that it has ended. What cannot be looked at has not.
    pub(crate) fn is_gone(self) -> bool {
        match Stat::of(self.pid) {
            Ok(stat) => stat.is_zombie || stat.start_time != self.start_time,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// The variables in `/proc/<pid>/environ`: what the process was started with, or what it wrote there since. Never what
/// it exported later. Entries without `=` or without UTF-8 are left out.
pub(super) fn environ(pid: u32) -> io::Result<Environ> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
    fs::File::open(format!("/proc/{pid}/environ"))?.take(ENVIRON_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ENVIRON_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the environment is larger than 8 MiB"));
    }
    Ok(Environ { bytes })
}

/// A raw environment block; wiped when dropped.
pub(super) struct Environ {
    bytes: Zeroizing<Vec<u8>>,
}

impl Environ {
    /// Names and values; where a name stands twice, the first counts, as for `getenv`.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.bytes.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
        entries.filter_map(|entry| entry.split_once('=')).filter(|(name, _)| !name.is_empty())
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in variables {
            bytes.extend_from_slice(format!("{name}={value}\0").as_bytes());
        }
        Self { bytes: Zeroizing::new(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_after_the_last_parenthesis() {
        let tail = "S 1 42 77 0 -1 4194304 566 0 3 0 21 13 0 0 20 0 1 0 987654 1 2 3";
        for name in ["bash", "a b", ") S 9 9 9", "x) (y", "new\nline", "\u{e9}"] {
            let stat = Stat::parse(format!("12 ({name}) {tail}\n").as_bytes()).unwrap();
            let expected =
                Stat { session: 77, start_time: 987_654, is_zombie: false, minor_faults: 566, cpu_ticks: 34 };
            assert_eq!(stat, expected, "{name}");
        }
        assert!(Stat::parse(b"12 (x) Z 1 2 -1 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 5").unwrap().is_zombie);
        for bad in ["", "12", "12 (x", "12 (x) S 1 2", "12 (x) S 1 2 a", "7 (a) S 1 7"] {
            assert_eq!(Stat::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn our_own_session_is_found_and_a_missing_process_is_not() {
        let session = Session::of_pid(std::process::id()).unwrap();
        assert_eq!(session, Session::of_pid(std::process::id()).unwrap());
        let error = Session::of_pid(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("4294967295"), "{error}");
    }

    #[test]
    fn a_process_that_ended_is_gone_and_we_are_not() {
        let own = Process::of_pid(std::process::id()).unwrap();
        assert!(!own.is_gone());
        assert!(Process { start_time: own.start_time + 1, ..own }.is_gone());
        assert!(Process { pid: u32::MAX, ..own }.is_gone());
        assert_eq!(Process::of_pid(u32::MAX), None);
    }

    #[test]
    fn an_environment_block() {
        let environ = Environ { bytes: Zeroizing::new(b"A=1\0B=x=y\0\0noequals\0=z\0\xff=1\0C=".to_vec()) };
        assert_eq!(environ.variables().collect::<Vec<_>>(), [("A", "1"), ("B", "x=y"), ("C", "")]);
    }
}
