//! `node restore`: a copy of the database is put in the place of the present one, which is kept aside. What was taken away since the
//! copy was made stays so: `revoked.log` is no part of a copy.
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

use super::{Machine, NodeFiles, NodeLock, OpenError, SMALLEST_DATABASE, canary};
use crate::{
    clock::{Clock, Moment},
    revocations::{Revocation, RevokedLog},
    secret::NodeKey,
    store::{
        Condition, MigrateError, NEWEST, NodeRow, Store, condition, contradiction, mark_restored, migrate, revoked_seq,
    },
};

/// Where the copy is made ready.
const READY: &str = "node.db.restoring";
/// What SQLite keeps beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What a restore has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database, which is now the copy.
    pub database: PathBuf,
    /// Where the database before is kept; none where there was none.
    pub aside: Option<PathBuf>,
    /// How many rights that had been taken away since were taken away again.
    pub revocations: usize,
    /// True where nobody could tell what had been taken away: every session has ended, and API keys are disabled until they are
    /// confirmed.
    pub nothing_is_trusted: bool,
    /// True where that was lost before already, since the copy was made: the log is whole, and says so.
    pub was_lost_before: bool,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy cannot be read.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is the database itself.
    #[error("`{}` is the node's database itself, and no copy of it", .0.display())]
    Itself(PathBuf),
    /// It is no copy of a node's database.
    #[error("`{}` is no copy of a node's database{}", .path.display(), .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    NoCopy {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        detail: Option<String>,
    },
    /// What keeps a node from being opened keeps it from being restored.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<PlaceError> for RestoreError {
    fn from(error: PlaceError) -> Self {
        Self::Open(error.into())
    }
}

/// Puts the copy at `from` in the place of the database of the node in `dir`. No daemon may have it.
///
/// # Errors
/// Why nothing was changed, or which of both databases stands where.
pub async fn restore(dir: &Path, from: &Path, clock: Arc<dyn Clock>) -> Result<Restored, RestoreError> {
    let now = clock.wall();
    let begun = {
        let (dir, from) = (dir.to_owned(), from.to_owned());
        tokio::task::spawn_blocking(move || Restoring::begin(&dir, &from))
    };
    let interrupted = || OpenError::Interrupted(dir.to_owned());
    let restoring = begun.await.map_err(|_| interrupted())??;
    let made_ready = restoring.make_ready(from, now).await;
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

/// What was changed in the copy.
struct Changed {
    generation: i64,
    revocations: usize,
    nothing_is_trusted: bool,
    was_lost_before: bool,
}

struct Restoring {
    files: NodeFiles,
    key: NodeKey,
    generation: Option<i64>,
    had_log: bool,
    _lock: NodeLock,
}

impl Restoring {
    /// Takes the lock, and copies `from` to where it is made ready.
    fn begin(dir: &Path, from: &Path) -> Result<Self, RestoreError> {
        let files = NodeFiles::open(dir)?;
        let database = files.shown(NodeFiles::DATABASE);
        let filesystem = (Machine::this().filesystem)(&files.dir).map_err(|source| PlaceError::Io {
            action: "ask for the file system of",
            path: dir.to_owned(),
            source,
        })?;
        if let Some(kind) = filesystem.network_name() {
            return Err(OpenError::Network { dir: dir.to_owned(), kind: kind.to_owned() }.into());
        }
        let lock = NodeLock::take(&files.dir, NodeFiles::LOCK, &files.shown(NodeFiles::LOCK))
            .map_err(|error| OpenError::of_lock(&database, error))?;
        files.check()?;
        let key_path = files.shown(NodeFiles::KEY);
        let key = NodeKey::read(&key_path).map_err(OpenError::from)?;
        let key = key.ok_or_else(|| OpenError::KeyMissing { key: key_path, database: from.to_owned() })?;
        let (generation, had_log) = (files.generation()?, files.size(NodeFiles::REVOKED)?.is_some());
        let restoring = Self { files, key, generation, had_log, _lock: lock };
        restoring.copy(from)?;
        Ok(restoring)
    }

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
        let changed = self.change(&store, from, now).await;
        // Everything of it is in the one file then.
        store.close().await;
        let changed = changed?;
        match contradiction(&ready).await {
            Ok(None) => Ok(changed),
            Ok(Some(what)) => Err(no_copy(Some(what))),
            Err(error) => Err(OpenError::of_store(&ready, &self.files.path, error).into()),
        }
    }

    async fn change(&self, store: &Store, from: &Path, now: Moment) -> Result<Changed, RestoreError> {
        let ready = self.files.shown(READY);
        let failed = |error| OpenError::of_store(&ready, &self.files.path, error);
        let no_copy = |detail| RestoreError::NoCopy { path: from.to_owned(), detail };
        let found = {
            let mut write = store.write().await.map_err(|error| no_copy(Some(error.to_string())))?;
            condition(&mut write).await.map_err(|error| no_copy(Some(error.to_string())))?
        };
        let identity = match found {
            Condition::Node(Some(identity)) => identity,
            Condition::Node(None) | Condition::Empty | Condition::Foreign => return Err(no_copy(None)),
            Condition::OldSqlite(found) => return Err(OpenError::OldSqlite { database: from.to_owned(), found }.into()),
            Condition::Newer(found) => {
                return Err(OpenError::Newer { database: from.to_owned(), found, known: NEWEST }.into());
            }
        };
        if identity.canary != canary(&self.key, &identity.node_id) {
            let key = self.files.shown(NodeFiles::KEY);
            return Err(OpenError::KeyMismatch { key, database: from.to_owned() }.into());
        }
        migrate(store, now).await.map_err(|error| match error {
            MigrateError::Newer { found } => OpenError::Newer { database: from.to_owned(), found, known: NEWEST },
            MigrateError::Store(error) => failed(error),
        })?;
        let mut write = store.write().await.map_err(failed)?;
        let row = NodeRow::read(&mut write).await.map_err(failed)?.ok_or_else(|| no_copy(None))?;
        let log_path = self.files.shown(NodeFiles::REVOKED);
        if !self.had_log {
            // As one: a log that is there and empty says that nothing was ever taken away.
            RevokedLog::begin(&self.files.dir, NodeFiles::REVOKED, &log_path, row.revoked_seq + 1, now)
                .map_err(OpenError::from)?;
        }
        let (log, mut missing, newest) =
            RevokedLog::open(&self.files.dir, NodeFiles::REVOKED, &log_path, row.revoked_seq)
                .map_err(OpenError::from)?;
        // The database that is put aside may know of lines that the log has lost.
        let known = revoked_seq(&self.files.shown(NodeFiles::DATABASE)).await.unwrap_or(0).max(row.revoked_seq);
        let is_short = newest < known;
        let is_lost = !self.had_log || is_short;
        let was_lost_before = !is_lost && missing.iter().any(|line| line.what == Revocation::Everything);
        let nothing_is_trusted = is_lost || was_lost_before;
        if is_short {
            missing.push(log.append(now, Revocation::Everything).map_err(OpenError::from)?);
        }
        let revocations = if nothing_is_trusted { 0 } else { missing.len() };
        for line in missing {
            store.pending().add(line);
        }
        write.catch_up().await.map_err(failed)?;
        let generation = self.generation.map_or(row.generation, |known| known.max(row.generation));
        mark_restored(&mut write, generation).await.map_err(failed)?;
        write.commit().await.map_err(failed)?;
        Ok(Changed { generation, revocations, nothing_is_trusted, was_lost_before })
    }

    /// Puts the copy in the database's place; where that one is kept.
    fn swap(&self, now: Moment) -> Result<Option<PathBuf>, RestoreError> {
        let dir = &self.files.dir;
        let failed = |path: PathBuf| {
            move |error: rustix::io::Errno| PlaceError::Io { action: "name", path, source: error.into() }
        };
        let database = self.files.shown(NodeFiles::DATABASE);
        let mut aside = None;
        if self.files.size(NodeFiles::DATABASE)?.is_some() {
            let name = self.free_name(now)?;
            // The log first: a database is nothing without it, and a log nothing without its database.
            for end in BESIDE.into_iter().chain([""]) {
                let (from, to) = (format!("{}{end}", NodeFiles::DATABASE), format!("{name}{end}"));
                match renameat(dir, &from, dir, &to) {
                    Ok(()) => {}
                    Err(rustix::io::Errno::NOENT) if !end.is_empty() => {}
                    Err(error) => return Err(failed(self.files.shown(&to))(error).into()),
                }
            }
            aside = Some(self.files.shown(&name));
        }
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
