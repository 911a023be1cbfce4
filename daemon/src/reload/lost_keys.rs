//! Names of pushed variables, kept across the process so that a successor can say which keys are gone. Never a value.

use std::{
    collections::BTreeMap,
    io::Read as _,
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use bitrouter_proto::{clock, files, paths::Places};

const NAME: &str = "pushed-names";
/// Bytes that are read of it.
const LONGEST: u64 = 1 << 20;

/// A loss that nobody cured for so long is no news to the next daemon.
const NEWS: Duration = Duration::from_hours(24);
/// More names than this are counted.
const NAMED: usize = 3;

/// The file with the names: a line for each, and after a name that is lost the second (Unix time) since when.
#[derive(Debug)]
pub(super) struct PushedNames {
    dir: OwnedFd,
    shown: PathBuf,
    written: String,
    /// The names that a predecessor had and nobody has supplied since, and since when.
    lost: BTreeMap<String, u64>,
}

impl PushedNames {
    /// Opens it and reads what a predecessor left: that is lost.
    pub(super) fn open(dir: OwnedFd, places: &Places) -> Self {
        Self::open_at(dir, places, now())
    }

    fn open_at(dir: OwnedFd, places: &Places, now: u64) -> Self {
        let shown = places.state_dir.join(NAME);
        let mut text = String::new();
        // Nothing there, or nothing of ours: then nobody knows of any.
        let _ = files::open_read(&shown).map(|file| file.take(LONGEST).read_to_string(&mut text));
        let lines = text.lines().filter(|line| !line.is_empty());
        let names = lines.map(|line| match line.split_once(' ') {
            Some((name, since)) => (name.to_owned(), since.parse().unwrap_or(now)),
            None => (line.to_owned(), now),
        });
        let lost = names.filter(|(_, since)| now.saturating_sub(*since) < NEWS.as_secs()).collect();
        Self { dir, shown, written: text, lost }
    }

    /// Keeps the names that are `pushed` now. What is pushed, or otherwise `settled`, is lost no longer.
    pub(super) fn keep(&mut self, pushed: &[String], settled: impl Fn(&str) -> bool) {
        self.lost.retain(|name, _| !pushed.contains(name) && !settled(name));
        let lost = self.lost.iter().map(|(name, since)| format!("{name} {since}\n"));
        let text: String = lost.chain(pushed.iter().map(|name| format!("{name}\n"))).collect();
        if text == self.written {
            return;
        }
        match files::replace(&self.dir, NAME, text.as_bytes(), &self.shown) {
            Ok(()) => self.written = text,
            Err(error) => tracing::warn!(%error, "a successor will not know which pushed keys it lacks"),
        }
    }

    /// What to say of the names that a predecessor had and nobody has supplied since.
    pub(super) fn warning(&self) -> Option<String> {
        let named: Vec<&str> = self.lost.keys().take(NAMED).map(String::as_str).collect();
        let more = match self.lost.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!named.is_empty()).then(|| {
            format!(
                "keys that shells had pushed to an earlier daemon are gone: {}{more}; run `bitrouter reload` where they \
                 are set, or `bitrouter reload --forget NAME` for one that is not wanted any more",
                named.join(", ")
            )
        })
    }
}

fn now() -> u64 {
    clock::wall_now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::env::Environment;

    #[test]
    fn a_name_is_lost_until_it_is_supplied_again_through_any_number_of_successors_of_a_day() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().to_str().unwrap();
        let places = Places::of(&Environment::from_iter([("HOME", home)])).unwrap();
        let dir = files::private_dir(&places.state_dir).unwrap();
        let open_at = |at: u64| PushedNames::open_at(dir.try_clone().unwrap(), &places, at);
        let open = || open_at(1_000);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let lost = |kept: &PushedNames| kept.lost.keys().cloned().collect::<Vec<_>>();
        open().keep(&names(&["A", "B", "C"]), |_| false);
        let mut second = open();
        second.keep(&[], |_| false);
        assert_eq!(lost(&second), ["A", "B", "C"]);
        let mut third = open();
        third.keep(&names(&["B"]), |name| name == "C");
        assert_eq!(lost(&third), ["A"]);
        third.keep(&[], |_| false);
        assert_eq!(lost(&open()), ["A"], "what was withdrawn is not lost");
        assert_eq!(lost(&open_at(1_000 + NEWS.as_secs() - 1)), ["A"]);
        let mut late = open_at(1_000 + NEWS.as_secs());
        assert_eq!((lost(&late), late.warning()), (vec![], None), "nobody wants to hear it for ever");
        late.keep(&[], |_| false);
        assert_eq!(std::fs::read_to_string(&late.shown).unwrap(), "");
    }

    #[test]
    fn many_names_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().to_str().unwrap();
        let places = Places::of(&Environment::from_iter([("HOME", home)])).unwrap();
        let dir = files::private_dir(&places.state_dir).unwrap();
        let names: Vec<String> = (0..12).map(|n| format!("KEY_{n:02}")).collect();
        PushedNames::open(dir.try_clone().unwrap(), &places).keep(&names, |_| false);
        let text = PushedNames::open(dir, &places).warning().unwrap();
        assert!(text.contains("are gone: KEY_00, KEY_01, KEY_02 and 9 more; run"), "{text}");
    }
}
