//! The environment of the process that started us, as far as it shows another one than at our start.
//!
//! `/proc/<pid>/environ` shows what a process was started with (after an `exec` in place: started with then), never a
//! later `export`. So only a value that is *different* from the baseline taken at our start says anything, and overrides
//! our own. A name that is gone says nothing: programs that write their title over their environment lose names that way.
//! The baseline is kept as fingerprints, since most of it is none of our business.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    io,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    names::KnownNames,
    procfs::{self, Environ, Stat},
};

/// The recorded parent and what it showed last.
#[derive(Clone)]
pub struct Parent {
    pid: u32,
    start_time: u64,
    keys: RandomState,
    baseline: BTreeMap<String, u64>,
    values: BTreeMap<String, SecretString>,
}

impl std::fmt::Debug for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: BTreeSet<_> = self.values.keys().collect();
        f.debug_struct("Parent").field("pid", &self.pid).field("overrides", &names).finish_non_exhaustive()
    }
}

/// Why a parent's environment cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// It is gone, or another process has its number.
    #[error("process {0} is gone")]
    Gone(u32),
    /// Its environment is not ours to read (a service manager, another user).
    #[error("the environment of process {pid} cannot be read: {source}")]
    Unreadable {
        /// The process.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
}

/// What a look at the parent found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentNow {
    /// It lives, and its environment was read.
    Read,
    /// It is gone: its last values stay.
    Gone,
    /// It lives, and its environment cannot be read now: its last values stay.
    Unreadable,
}

impl Parent {
    /// Records process `pid` and its environment as it is now. Call it once, at the start.
    pub fn record(pid: u32) -> Result<Self, ParentError> {
        let (start_time, environ) = look(pid)?;
        Ok(Self::recorded(pid, start_time, &environ))
    }

    fn recorded(pid: u32, start_time: u64, environ: &Environ) -> Self {
        let keys = RandomState::new();
        let mut baseline = BTreeMap::new();
        for (name, value) in environ.variables().filter(|(_, value)| !value.is_empty()) {
            baseline.entry(name.to_owned()).or_insert_with(|| keys.hash_one(value));
        }
        Self { pid, start_time, keys, baseline, values: BTreeMap::new() }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Looks again, at the names that `known` admits.
    pub fn reread(&mut self, known: &KnownNames) -> ParentNow {
        match look(self.pid) {
            Ok((start_time, _)) if start_time != self.start_time => ParentNow::Gone,
            Ok((_, environ)) => {
                if self.compare(&environ, known) {
                    ParentNow::Read
                } else {
                    ParentNow::Unreadable
                }
            }
            Err(ParentError::Gone(_)) => ParentNow::Gone,
            Err(ParentError::Unreadable { .. }) => ParentNow::Unreadable,
        }
    }

    /// False where the block holds no variable at all: a program that wrote its title over it, not one that unset all.
    fn compare(&mut self, environ: &Environ, known: &KnownNames) -> bool {
        let mut now = BTreeMap::new();
        let mut any = false;
        for (name, value) in environ.variables() {
            any = true;
            if known.admits(name) {
                now.entry(name).or_insert(value);
            }
        }
        if !any && !self.baseline.is_empty() {
            return false;
        }
        let differs = |(name, value): &(&&str, &&str)| {
            !value.is_empty() && self.baseline.get(**name) != Some(&self.keys.hash_one(**value))
        };
        let values = now.iter().filter(differs).map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
        self.values = values.collect();
        true
    }

    /// The value of `name`, where the parent shows another one than at our start.
    pub(super) fn shows(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(SecretString::expose_secret)
    }

    /// The names that the parent shows another value of.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A parent that showed `before` at our start and shows `now`.
    #[cfg(test)]
    pub(super) fn of(pid: u32, before: &[(&str, &str)], now: &[(&str, &str)], known: &KnownNames) -> Self {
        let mut parent = Self::recorded(pid, 1, &Environ::of(before));
        parent.compare(&Environ::of(now), known);
        parent
    }
}

/// Start time and environment of one and the same process.
fn look(pid: u32) -> Result<(u64, Environ), ParentError> {
    let alive = || Stat::of(pid).ok().filter(|stat| !stat.is_zombie).ok_or(ParentError::Gone(pid));
    let before = alive()?;
    let environ = procfs::environ(pid);
    // The number may have changed hands while we read.
    if alive()?.start_time != before.start_time {
        return Err(ParentError::Gone(pid));
    }
    Ok((before.start_time, environ.map_err(|source| ParentError::Unreadable { pid, source })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::KeyNames;
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    fn known() -> KnownNames {
        KnownNames::of(&[KeyNames::new("p", ["K", "L"])])
    }

    #[test]
    fn only_a_difference_counts() {
        for (before, now, expected) in [
            (vec![], vec![], None),
            (vec![("K", "a")], vec![("K", "a")], None),
            (vec![("K", "a")], vec![("K", "b")], Some("b")),
            (vec![("X", "1")], vec![("K", "b")], Some("b")),
            (vec![("K", "a")], vec![("X", "1")], None),
            (vec![("K", "a")], vec![("K", "")], None),
            (vec![("K", ""), ("X", "1")], vec![("X", "1")], None),
            (vec![("K", "a")], vec![], None),
        ] {
            let parent = Parent::of(7, &before, &now, &known());
            assert_eq!(parent.shows("K"), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn going_back_to_the_baseline_ends_the_override_and_others_names_are_not_kept() {
        let mut parent = Parent::of(7, &[("K", "a"), ("SECRET", "x")], &[("K", "b"), ("SECRET", "canary")], &known());
        assert_eq!(parent.names().collect::<Vec<_>>(), ["K"]);
        assert!(!format!("{parent:?}").contains("canary") && !format!("{parent:?}").contains("\"b\""));
        assert!(parent.compare(&Environ::of(&[("K", "a")]), &known()));
        assert_eq!(parent.names().count(), 0);
    }

    #[test]
    fn a_real_parent_that_execs_is_read_and_a_dead_one_keeps_its_last_values() {
        let mut child = Command::new("sh")
            .args(["-c", "echo up; read x; exec env K=second sh -c 'echo again; read x'"])
            .env("K", "first")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        let mut parent = Parent::record(child.id()).unwrap();
        assert_eq!(parent.reread(&known()), ParentNow::Read);
        assert_eq!(parent.shows("K"), None);

        let mut input = child.stdin.take().unwrap();
        input.write_all(b"\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "again");
        assert_eq!(parent.reread(&known()), ParentNow::Read);
        assert_eq!(parent.shows("K"), Some("second"));

        // Not waited for: a zombie has an empty environment, which must not count as everything unset.
        child.kill().unwrap();
        let deadline = bitrouter_proto::clock::monotonic_now() + std::time::Duration::from_secs(10);
        while parent.reread(&known()) != ParentNow::Gone {
            assert!(bitrouter_proto::clock::monotonic_now() < deadline, "the killed parent still looks alive");
            std::thread::yield_now();
        }
        assert_eq!(parent.shows("K"), Some("second"));
        child.wait().unwrap();
        assert_eq!(parent.reread(&known()), ParentNow::Gone);
        assert_eq!(parent.shows("K"), Some("second"));
        assert!(matches!(Parent::record(u32::MAX), Err(ParentError::Gone(_))));
    }

    #[test]
    fn another_process_with_the_same_number_is_not_the_parent() {
        let mut parent = Parent::record(std::process::id()).unwrap();
        parent.start_time += 1;
        assert_eq!(parent.reread(&known()), ParentNow::Gone);
    }
}
