//! Where the database lies, and whether it can be written: each failure passes here.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::StoreError;

/// The database's file.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// True from the first write that found no room until one did.
    full: watch::Sender<bool>,
}

impl Place {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), full: watch::Sender::new(false) }
    }

    /// The database.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the engine's `error` means here.
    pub(crate) fn failed(&self, error: sqlx::Error) -> StoreError {
        let error = StoreError::of(error, &self.path);
        if matches!(error, StoreError::Full { .. }) {
            self.full.send_if_modified(|full| !std::mem::replace(full, true));
        }
        error
    }

    /// Follows whether the disk is full.
    pub(crate) fn full(&self) -> watch::Receiver<bool> {
        self.full.subscribe()
    }

    /// Something was written.
    pub(crate) fn has_room(&self) {
        self.full.send_replace(false);
    }
}
