//! `node restore`: a database that was put back is brought up to what was taken away since it was copied. `revoked.log` is no part
//! of a copy.
//!
//! * `file`: a copy of an SQLite database takes the place of the present one. `in_place`: one of PostgreSQL, which its own means have
//!   put back, as it stands.

mod file;
mod in_place;

use std::{
    io,
    path::{Path, PathBuf},
};

use bitrouter_proto::files::PlaceError;

pub use self::{file::restore, in_place::restore_in_place};
use super::{Machine, NodeFiles, NodeLock, OpenError, canary};
use crate::{
    clock::Moment,
    revocations::{Revocation, RevokedLog},
    secret::NodeKey,
    store::{Condition, MigrateError, NEWEST, NodeRow, Store, condition, mark_restored, migrate},
};

/// What a restore has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database, which is now the copy; of a server its URL, without the password.
    pub database: PathBuf,
    /// Where the database before is kept; none where there was none, or a server had it.
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

/// A database that was put back.
struct PutBack<'p> {
    store: &'p Store,
    /// What whoever restores calls it.
    from: &'p Path,
    /// What is written.
    database: &'p Path,
    /// How many lines of the log its predecessor had taken, as far as that can still be told.
    former_seq: i64,
}

/// What was changed in it.
struct Changed {
    generation: i64,
    revocations: usize,
    nothing_is_trusted: bool,
    was_lost_before: bool,
}

/// The node's directory while a database is put back: no daemon can have it.
struct Restoring {
    files: NodeFiles,
    key: NodeKey,
    generation: Option<i64>,
    had_log: bool,
    _lock: NodeLock,
}

impl Restoring {
    /// Takes the lock of `dir`. `database` is what the lock is for; `from` is what the key must fit.
    fn begin(dir: &Path, database: Option<&Path>, from: &Path) -> Result<Self, RestoreError> {
        let files = NodeFiles::open(dir)?;
        let database = database.map_or_else(|| files.shown(NodeFiles::DATABASE), Path::to_owned);
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
        Ok(Self { files, key, generation, had_log, _lock: lock })
    }

    /// Brings a database up to this release and to the log of revocations, in one transaction but for the migrations.
    async fn bring_up(&self, put_back: PutBack<'_>, now: Moment) -> Result<Changed, RestoreError> {
        let PutBack { store, from, database, former_seq } = put_back;
        let failed = |error| OpenError::of_store(database, &self.files.path, error);
        let no_copy = |detail| RestoreError::NoCopy { path: from.to_owned(), detail };
        self.fits(store, from).await?;
        migrate(store, now).await.map_err(|error| match error {
            MigrateError::Newer { found } => OpenError::Newer { database: from.to_owned(), found, known: NEWEST },
            MigrateError::Store(error) => failed(error),
        })?;
        let mut write = store.write().await.map_err(failed)?;
        write.be_patient().await.map_err(failed)?;
        let row = NodeRow::read(&mut write).await.map_err(failed)?.ok_or_else(|| no_copy(None))?;
        let log_path = self.files.shown(NodeFiles::REVOKED);
        if !self.had_log {
            // As one: a log that is there and empty says that nothing was ever taken away.
            RevokedLog::begin(&self.files.dir, NodeFiles::REVOKED, &log_path, row.revoked_seq + 1, now)
                .map_err(OpenError::from)?;
        }
        let (log, missing) = RevokedLog::open(&self.files.dir, NodeFiles::REVOKED, &log_path, row.revoked_seq)
            .map_err(OpenError::from)?;
        // The database before may have known of lines that the log has lost.
        let is_short = missing.lacks_lines(former_seq.max(row.revoked_seq));
        let mut missing = missing.lines;
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
        mark_restored(&mut write, generation, now).await.map_err(failed)?;
        write.commit().await.map_err(failed)?;
        Ok(Changed { generation, revocations, nothing_is_trusted, was_lost_before })
    }

    /// Refuses what is no database of this node.
    async fn fits(&self, store: &Store, from: &Path) -> Result<(), RestoreError> {
        let no_copy = |detail| RestoreError::NoCopy { path: from.to_owned(), detail };
        let found = {
            let mut write = store.write().await.map_err(|error| no_copy(Some(error.to_string())))?;
            condition(&mut write).await.map_err(|error| no_copy(Some(error.to_string())))?
        };
        let identity = match found {
            Condition::Node(Some(identity)) => identity,
            Condition::Empty if store.is_postgres() => {
                return Err(no_copy(Some("it is empty: `pg_restore` comes first".to_owned())));
            }
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
        Ok(())
    }
}
