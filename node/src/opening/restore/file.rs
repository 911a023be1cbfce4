//! A copy of an SQLite database is put in the place of the present one, which is kept aside.
//!
//! The copy is made ready beside the present database, and takes its place by a rename: a restore that ends half-way has
//! changed nothing, or can be made again.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bitrouter_proto::files::{self, PlaceError};
use rustix::fs::{AtFlags, renameat, unlinkat};

use super::{
    super::{NodeFiles, OpenError, SMALLEST_DATABASE},
    Changed, PutBack, RestoreError, Restored, Restoring,
};
use crate::{
    clock::{Clock, Moment},
    store::{Store, contradiction, fold_log, revoked_seq},
};

/// Where the copy is made ready.
const READY: &str = "node.db.restoring";
/// What SQLite keeps beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Puts the copy at `from` in the place of the database of the node in `dir`. No daemon may have it.
///
/// # Errors
/// Why nothing was changed, or which of both databases stands where.
pub async fn restore(dir: &Path, from: &Path, clock: Arc<dyn Clock>) -> Result<Restored, RestoreError> {
    let now = clock.wall();
    let begun = {
        let (dir, from) = (dir.to_owned(), from.to_owned());
        tokio::task::spawn_blocking(move || {
            let restoring = Restoring::begin(&dir, None, &from)?;
            restoring.copy(&from).map(|()| restoring)
        })
    };
    let interrupted = || OpenError::Interrupted(dir.to_owned());
    let restoring = begun.await.map_err(|_| interrupted())??;
    let made_ready = restoring.make_ready(from, now).await;
    if made_ready.is_ok() {
        // What a daemon that was killed had written last.
        fold_log(&restoring.files.shown(NodeFiles::DATABASE)).await;
    }
    let ended = tokio::task::spawn_blocking(move || match made_ready {
        Ok(Changed { generation, revocations, nothing_is_trusted, was_lost_before }) => {
            let aside = restoring.swap(now)?;
            // Whoever opens the node takes a file that is missing for one that somebody took away.
            restoring.files.set_generation(generation)?;
            let database = restoring.files.shown(NodeFiles::DATABASE);
            Ok(Restored { database, aside, revocations, nothing_is_trusted, was_lost_before })
        }
        Err(error) => {
            restoring.forget_copy();
            Err(error)
        }
    });
    ended.await.map_err(|_| interrupted())?
}

impl Restoring {
    fn copy(&self, from: &Path) -> Result<(), RestoreError> {
        let unread = |source| RestoreError::Copy { path: from.to_owned(), source };
        let mut source = std::fs::File::open(from).map_err(unread)?;
        let found = source.metadata().map_err(unread)?;
        if !found.is_file() || found.len() < SMALLEST_DATABASE {
            return Err(RestoreError::NoCopy { path: from.to_owned(), detail: None });
        }
        let is_database = |present: std::fs::Metadata| {
            use std::os::unix::fs::MetadataExt as _;
            (present.dev(), present.ino()) == (found.dev(), found.ino())
        };
        if self.files.shown(NodeFiles::DATABASE).metadata().is_ok_and(is_database) {
            return Err(RestoreError::Itself(from.to_owned()));
        }
        // What an earlier restore left was never a database of the node.
        self.forget_copy();
        let shown = self.files.shown(READY);
        let copied = files::create_private(&shown).map_err(RestoreError::from).and_then(|mut ready| {
            let failed = |source| PlaceError::Io { action: "write", path: shown.clone(), source };
            io::copy(&mut source, &mut ready).map_err(failed)?;
            Ok(ready.sync_all().map_err(failed)?)
        });
        if copied.is_err() {
            self.forget_copy();
        }
        copied
    }

    /// Removes the copy that was to be made ready.
    fn forget_copy(&self) {
        for end in std::iter::once("").chain(BESIDE) {
            let name = format!("{READY}{end}");
            // One that cannot be removed is in the way of the next restore, which says so.
            let _ = unlinkat(&self.files.dir, &name, AtFlags::empty());
        }
    }

    /// Brings the copy up to this release and to the log of revocations.
    async fn make_ready(&self, from: &Path, now: Moment) -> Result<Changed, RestoreError> {
        let ready = self.files.shown(READY);
        let no_copy = |detail| RestoreError::NoCopy { path: from.to_owned(), detail };
        let store = Store::sqlite(&ready).await.map_err(|error| no_copy(Some(error.to_string())))?;
        let former_seq = revoked_seq(&self.files.shown(NodeFiles::DATABASE)).await.unwrap_or(0);
        let changed = self.bring_up(PutBack { store: &store, from, database: &ready, former_seq }, now).await;
        // Everything of it is in the one file then.
        store.close().await;
        let changed = changed?;
        match contradiction(&ready).await {
            Ok(None) => Ok(changed),
            Ok(Some(what)) => Err(no_copy(Some(what))),
            Err(error) => Err(OpenError::of_store(&ready, &self.files.path, error).into()),
        }
    }

    /// Puts the copy in the database's place; where that one is kept.
    fn swap(&self, now: Moment) -> Result<Option<PathBuf>, RestoreError> {
        let dir = &self.files.dir;
        let failed = |path: PathBuf| {
            move |error: rustix::io::Errno| PlaceError::Io { action: "name", path, source: error.into() }
        };
        let database = self.files.shown(NodeFiles::DATABASE);
        let name = self.free_name(now)?;
        let had_database = self.files.size(NodeFiles::DATABASE)?.is_some();
        // The database first: without its log it would be taken for whole. A log alone, which a restore that was killed here
        // has left, must not stand beside another database.
        for end in std::iter::once("").chain(BESIDE) {
            let (from, to) = (format!("{}{end}", NodeFiles::DATABASE), format!("{name}{end}"));
            match renameat(dir, &from, dir, &to) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(failed(self.files.shown(&to))(error).into()),
            }
        }
        let aside = had_database.then(|| self.files.shown(&name));
        renameat(dir, READY, dir, NodeFiles::DATABASE).map_err(failed(database.clone()))?;
        rustix::fs::fsync(dir).map_err(|error| PlaceError::Io {
            action: "sync the directory of",
            path: database,
            source: error.into(),
        })?;
        Ok(aside)
    }

    /// What the present database is to be called.
    fn free_name(&self, now: Moment) -> Result<String, RestoreError> {
        let stem = format!("{}.aside-{}", NodeFiles::DATABASE, now.stamp());
        let mut name = stem.clone();
        for number in 2_u32.. {
            if self.files.size(&name)?.is_none() {
                break;
            }
            name = format!("{stem}.{number}");
        }
        Ok(name)
    }
}
