//! Why there is no node: the reason, the file, and what cures it.

use std::{
    io,
    path::{Path, PathBuf},
};

use bitrouter_proto::{files::PlaceError, shell};

use super::lock::LockError;
use crate::{
    ledger::Stopped,
    revocations::LogError,
    secret::KeyError,
    store::{StoreError, TakeError},
};

/// Why there is no node. Nothing was replaced.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error(transparent)]
    Place(PlaceError),
    /// The directory or a file in it is somebody else's.
    #[error("`{path}` belongs to uid {owner}, not to uid {me}; run `chown {me} {path}` as root")]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Us.
        me: u32,
    },
    /// A link or something else stands where a file should.
    #[error("`{0}` is a link, or no file; move it away, and put the file itself there")]
    NoFile(PathBuf),
    /// A file can be read by others.
    #[error("`{path}` is open to others (mode {mode:04o}); run `chmod 600 {path}`")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Other machines share the directory's file system.
    #[error(
        "`{dir}` is on a network file system ({kind}), on which SQLite's locks do not hold; point `XDG_DATA_HOME` to a directory of this machine"
    )]
    Network {
        /// The directory.
        dir: PathBuf,
        /// What kind.
        kind: String,
    },
    /// Another daemon holds the database.
    #[error("another daemon{} holds `{database}`; the node comes on here when that one ends", .holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Elsewhere {
        /// The database.
        database: PathBuf,
        /// That process, where it said so.
        holder: Option<u32>,
    },
    /// The key's file cannot be used.
    #[error("{0}; put the key of this node back")]
    Key(KeyError),
    /// There is a database, and no key.
    #[error("`{key}` is missing, and `{database}` was made with it; put the key back, since no other opens it")]
    KeyMissing {
        /// Where the key was.
        key: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The key is another database's.
    #[error("`{key}` is not the key that `{database}` was made with; put that one back")]
    KeyMismatch {
        /// The key.
        key: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "`{database}` is damaged or no database ({detail}); put a copy back, or move it away with all of `{dir}/node.*`, `generation` and `revoked.log` to begin anew"
    )]
    Damaged {
        /// The file.
        database: PathBuf,
        /// Its directory.
        dir: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// Another program's database stands there.
    #[error("`{0}` is the database of another program; move it away")]
    Foreign(PathBuf),
    /// Tables of another program stand in the schema.
    #[error("`{}` holds tables of another program; give the node a database of its own, or a schema with `?options[search_path]=NAME`", .0.display())]
    ForeignSchema(PathBuf),
    /// The database of a server is not this daemon's.
    #[error("`{database}` {source}")]
    Postgres {
        /// Its URL without the password.
        database: String,
        /// Why not.
        source: TakeError,
    },
    /// There is nothing in the database, and the node was there before.
    #[error(
        "`{}` is empty, and `{}` says that there was a node; put its tables back, or move all of `{}/node.*`, `generation` and `revoked.log` away to begin anew", .database.display(), .generation.display(), .dir.display()
    )]
    DatabaseEmpty {
        /// The database.
        database: PathBuf,
        /// The file that says so.
        generation: PathBuf,
        /// The directory.
        dir: PathBuf,
    },
    /// A newer release has written the database.
    #[error(
        "`{database}` is of a newer release (migration {found}, this one knows {known}); install that release again"
    )]
    Newer {
        /// The database.
        database: PathBuf,
        /// Its newest migration.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// SQLite is older than the first release whose write-ahead log is safe.
    #[error(
        "SQLite {found} may damage a database that is open twice; a build with SQLite 3.51.3 or newer is needed for `{database}`"
    )]
    OldSqlite {
        /// The database.
        database: PathBuf,
        /// The version.
        found: String,
    },
    /// The database is gone, and the node was there before.
    #[error(
        "`{database}` is missing, and `{generation}` says that there was one; put it back (where a `bitrouter node restore` was broken off: run that again), or move all of `{dir}/node.*`, `generation` and `revoked.log` away to begin anew"
    )]
    DatabaseMissing {
        /// Where it was.
        database: PathBuf,
        /// The file that says so.
        generation: PathBuf,
        /// The directory.
        dir: PathBuf,
    },
    /// The database is older than the node was: somebody put a copy back.
    #[error(
        "`{database}` is older than this node (start {found}, `{generation}` says {expected}): what was revoked since would be valid again; put the newest database back, or give this one to `bitrouter node restore` from another place"
    )]
    Behind {
        /// The database.
        database: PathBuf,
        /// The file that says so.
        generation: PathBuf,
        /// The database's number.
        found: i64,
        /// The file's.
        expected: i64,
    },
    /// The same, where a server has it.
    #[error(
        "`{database}` is older than this node (start {found}, `{generation}` says {expected}): what was revoked since would be valid again; stop the daemon and run `bitrouter node restore --in-place`, or put the newest database back"
    )]
    BehindInPlace {
        /// The database.
        database: PathBuf,
        /// The file that says so.
        generation: PathBuf,
        /// The database's number.
        found: i64,
        /// The file's.
        expected: i64,
    },
    /// The file `generation` holds no number.
    #[error("`{0}` holds no number; remove it, which ends every session")]
    NoGeneration(PathBuf),
    /// The log of revocations cannot be used.
    #[error("{log}{}", .log.cure())]
    Revoked {
        /// Why.
        log: LogError,
    },
    /// Looking at the directory failed in an unforeseen way.
    #[error("`{0}` could not be looked at; `bitrouter logs` says more")]
    Interrupted(PathBuf),
    /// There is no room.
    #[error("the disk is full, so that `{0}` cannot be written; the node comes on when there is room")]
    Full(PathBuf),
    /// The database failed.
    #[error("`{database}`: {source}")]
    Store {
        /// The database.
        database: PathBuf,
        /// How.
        source: StoreError,
    },
}

impl OpenError {
    /// The command that cures it, where there is one.
    pub fn command(&self) -> Option<String> {
        let (mode, path) = match self {
            Self::Exposed { path, .. } => ("600", path),
            Self::Place(PlaceError::Writable { path, .. }) => ("700", path),
            Self::BehindInPlace { .. } => return Some("bitrouter node restore --in-place".to_owned()),
            _ => return None,
        };
        Some(format!("chmod {mode} {}", shell::quoted(&path.to_string_lossy())))
    }

    /// True where trying again costs little and may help. Where the whole database would be read for it, it is tried again
    /// once one of the files is another one.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Damaged { .. } | Self::Foreign(_) | Self::Newer { .. } | Self::OldSqlite { .. })
    }

    /// What a journal that cannot be opened means.
    pub(super) fn of_journal(database: &Path, dir: &Path, error: Stopped) -> Self {
        match error {
            Stopped::Store(error) => Self::of_store(database, dir, error),
            Stopped::Place(error) => error.into(),
            Stopped::InUse(path) => Self::Interrupted(path),
        }
    }

    /// What the database's failure means.
    pub(super) fn of_store(database: &Path, dir: &Path, source: StoreError) -> Self {
        let database = database.to_owned();
        match source {
            StoreError::Full { .. } => Self::Full(database),
            StoreError::Damaged(error) => Self::Damaged { database, dir: dir.to_owned(), detail: error.to_string() },
            StoreError::Log(error) => error.into(),
            source => Self::Store { database, source },
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<PlaceError> for OpenError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Io { source, path, .. } if is_full(&source) => Self::Full(path),
            PlaceError::Foreign { path, owner, me } => Self::NotOurs { path, owner, me },
            PlaceError::Symlink(path) | PlaceError::NotAFile(path) | PlaceError::HardLink(path) => Self::NoFile(path),
            error => Self::Place(error),
        }
    }
}

impl From<KeyError> for OpenError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Place(error) => error.into(),
            error @ KeyError::Malformed(_) => Self::Key(error),
        }
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Place(error) => error.into(),
            LogError::Io { source, path, .. } if is_full(&source) => Self::Full(path),
            log => Self::Revoked { log },
        }
    }
}

impl LogError {
    fn cure(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "; put a copy back, or move it away, which ends every session",
            _ => "",
        }
    }
}

impl OpenError {
    pub(super) fn of_lock(database: &Path, error: LockError) -> Self {
        match error {
            LockError::Place(error) => error.into(),
            LockError::Held(holder) => Self::Elsewhere { database: database.to_owned(), holder },
            LockError::Io(path, source) => PlaceError::Io { action: "lock", path, source }.into(),
        }
    }
}
