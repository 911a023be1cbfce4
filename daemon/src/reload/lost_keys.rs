//! Names of pushed variables, kept across the process so that a successor can say which keys are gone. Never a value.

use std::{collections::BTreeSet, io::Read as _, os::fd::OwnedFd, path::PathBuf};

use bitrouter_proto::{files, paths::Places};

const NAME: &str = "pushed-names";
/// Bytes that are read of it.
const LONGEST: u64 = 1 << 20;

/// The file with the names: those that are pushed now, and those that a predecessor had and nobody has supplied since.
#[derive(Debug)]
pub(super) struct PushedNames {
    dir: OwnedFd,
    shown: PathBuf,
    written: BTreeSet<String>,
    lost: BTreeSet<String>,
}

impl PushedNames {
    /// Opens it and reads what a predecessor left: that is lost.
    pub(super) fn open(dir: OwnedFd, places: &Places) -> Self {
        let shown = places.state_dir.join(NAME);
        let mut text = String::new();
        // Nothing there, or nothing of ours: then nobody knows of any.
        let _ = files::open_read(&shown).map(|file| file.take(LONGEST).read_to_string(&mut text));
        let left: BTreeSet<String> = text.lines().map(str::to_owned).filter(|name| !name.is_empty()).collect();
        Self { dir, shown, written: left.clone(), lost: left }
    }

    /// Keeps the names that are `pushed` now. What is pushed, or otherwise `settled`, is lost no longer.
    pub(super) fn keep(&mut self, pushed: &[String], settled: impl Fn(&str) -> bool) {
        self.lost.retain(|name| !pushed.contains(name) && !settled(name));
        let names: BTreeSet<String> = self.lost.iter().chain(pushed).cloned().collect();
        if names == self.written {
            return;
        }
        let text: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        match files::replace(&self.dir, NAME, text.as_bytes(), &self.shown) {
            Ok(()) => self.written = names,
            Err(error) => tracing::warn!(%error, "a successor will not know which pushed keys it lacks"),
        }
    }

    /// The names that a predecessor had and nobody has supplied since.
    pub(super) fn lost(&self) -> &BTreeSet<String> {
        &self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::env::Environment;

    #[test]
    fn a_name_is_lost_until_it_is_supplied_again_through_any_number_of_successors() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().to_str().unwrap();
        let places = Places::of(&Environment::from_iter([("HOME", home)])).unwrap();
        let dir = files::private_dir(&places.state_dir).unwrap();
        let open = || PushedNames::open(dir.try_clone().unwrap(), &places);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        open().keep(&names(&["A", "B", "C"]), |_| false);
        let mut second = open();
        second.keep(&[], |_| false);
        assert_eq!(second.lost().len(), 3);
        let mut third = open();
        third.keep(&names(&["B"]), |name| name == "C");
        assert_eq!(third.lost().iter().collect::<Vec<_>>(), ["A"]);
        third.keep(&[], |_| false);
        assert_eq!(open().lost().iter().collect::<Vec<_>>(), ["A"], "what was withdrawn is not lost");
    }
}
