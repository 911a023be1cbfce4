//! Names of pushed variables, kept across the process so that a successor can say which keys are gone. Never a value.

use std::{os::fd::OwnedFd, path::PathBuf};

use bitrouter_proto::{files, paths::Places};

const NAME: &str = "pushed-names";

/// The file with the names.
#[derive(Debug)]
pub(super) struct PushedNames {
    dir: OwnedFd,
    shown: PathBuf,
    written: Vec<String>,
}

impl PushedNames {
    /// Opens it and reads what a predecessor left.
    pub(super) fn open(dir: OwnedFd, places: &Places) -> (Self, Vec<String>) {
        let shown = places.state_dir.join(NAME);
        let text = std::fs::read_to_string(&shown).unwrap_or_default();
        let left: Vec<String> = text.lines().map(str::to_owned).filter(|name| !name.is_empty()).collect();
        (Self { dir, shown, written: left.clone() }, left)
    }

    /// Keeps the names that are pushed now.
    pub(super) fn keep(&mut self, names: Vec<String>) {
        if names == self.written {
            return;
        }
        let text: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        match files::replace(&self.dir, NAME, text.as_bytes(), &self.shown) {
            Ok(()) => self.written = names,
            Err(error) => tracing::warn!(%error, "a successor will not know which pushed keys it lacks"),
        }
    }
}
