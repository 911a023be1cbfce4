//! One process a database: a lock of our own beside it, held for the node's life.
//!
//! SQLite's own locks are of POSIX: they end with the first descriptor of the file that the process closes, and they admit
//! a second program between two transactions. This one is the kernel's on `node.lock`, and nobody reads that file but for
//! the number in it.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use bitrouter_proto::files::{self, PlaceError};
use rustix::{
    fd::OwnedFd,
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// The file cannot be used.
    Place(PlaceError),
    /// Another process holds it: this one, where its number could be read.
    Held(Option<u32>),
    /// The operating system refused.
    Io(PathBuf, std::io::Error),
}

/// The held lock.
#[derive(Debug)]
pub(crate) struct NodeLock(File);

impl NodeLock {
    /// Takes the lock `name` in `dir`.
    pub(super) fn take(dir: &OwnedFd, name: &str, shown: &Path) -> Result<Self, LockError> {
        let mut file = files::open_lock(dir, name, shown).map_err(LockError::Place)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
            Err(error) => return Err(LockError::Io(shown.to_owned(), error.into())),
        }
        // Only a name for messages: the lock is the truth.
        let pid = format!("{}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(pid.as_bytes()));
        Ok(Self(file))
    }

    /// Lets another process have the database.
    pub(crate) fn release(&self) {
        // What is not released now is when the file is closed.
        let _ = flock(&self.0, FlockOperation::NonBlockingUnlock);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
