//! Why the database did not do what was asked.

use std::path::{Path, PathBuf};

use sqlx::postgres::PgDatabaseError;

use super::engine::{is_of_connection, reason};
use crate::revocations::LogError;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room for what should be written.
    #[error("the disk is full: `{}` cannot be written; nothing was changed", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
        /// What the engine says.
        source: sqlx::Error,
    },
    /// Another program has locked the database.
    #[error("`{}` is locked by another program; try again", .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// What the engine says.
        source: sqlx::Error,
    },
    /// The file or its file system is for reading only.
    #[error("`{}` cannot be written; nothing was changed", .path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What the engine says.
        source: sqlx::Error,
    },
    /// The file is damaged, or no database.
    #[error("the database is damaged: {0}")]
    Damaged(#[source] sqlx::Error),
    /// What should be unique is there already.
    #[error("it exists already: {0}")]
    Exists(#[source] sqlx::Error),
    /// Too many wait for their turn, or the database is being closed.
    #[error("the database is busy: {0}")]
    Busy(#[source] sqlx::Error),
    /// A value in the database is none that this release wrote.
    #[error("the database holds an unreadable {0}")]
    Unreadable(&'static str),
    /// A right could not be taken away: its line could not be written.
    #[error("nothing was changed: {0}")]
    Log(#[source] LogError),
    /// It could not be written now: only what takes a right away holds.
    #[error("`{}` cannot be written now; what was revoked holds, the rest was not changed", .0.display())]
    NotNow(PathBuf),
    /// The server of the database does not answer.
    #[error("the database `{database}` cannot be reached ({reason}); try again")]
    Away {
        /// The URL without its password.
        database: String,
        /// What is known.
        reason: String,
    },
    /// Another process has the database now.
    #[error("the database `{database}` is no longer this daemon's: {reason}")]
    Superseded {
        /// The URL without its password.
        database: String,
        /// Who has it.
        reason: String,
    },
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(#[source] sqlx::Error),
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).
mod sqlite {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOTADB: i32 = 26;
    /// Extended: the shared memory beside the database found no room.
    pub(super) const IOERR_SHMSIZE: i32 = 4874;
}

impl StoreError {
    /// What the engine's `error` means for the database at `path`.
    pub(super) fn of(error: sqlx::Error, path: &Path) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) {
            return Self::Busy(error);
        }
        let Some(database) = error.as_database_error() else { return Self::Other(error) };
        if database.is_unique_violation() {
            return Self::Exists(error);
        }
        if let Some(postgres) = database.try_downcast_ref::<PgDatabaseError>() {
            let code = postgres.code().to_owned();
            return Self::of_postgres(error, &code, path);
        }
        let code = database.code().and_then(|code| code.parse::<i32>().ok());
        let path = path.to_owned();
        if code == Some(sqlite::IOERR_SHMSIZE) {
            return Self::Full { path, source: error };
        }
        // The low byte of an extended code is the primary one.
        match code.map(|code| code & 0xff) {
            Some(sqlite::FULL) => Self::Full { path, source: error },
            Some(sqlite::BUSY | sqlite::LOCKED) => Self::Locked { path, source: error },
            Some(sqlite::READONLY) => Self::ReadOnly { path, source: error },
            Some(sqlite::CORRUPT | sqlite::NOTADB) => Self::Damaged(error),
            _ => Self::Other(error),
        }
    }

    /// What `code` of PostgreSQL means (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn of_postgres(error: sqlx::Error, code: &str, path: &Path) -> Self {
        let path = path.to_owned();
        match code {
            // disk_full
            "53100" => Self::Full { path, source: error },
            // read_only_sql_transaction
            "25006" => Self::ReadOnly { path, source: error },
            // data_corrupted, index_corrupted
            "XX001" | "XX002" => Self::Damaged(error),
            // serialization_failure, deadlock_detected, lock_not_available, query_canceled, and what the server has none of
            "40001" | "40P01" | "55P03" | "57014" | "53000" | "53200" | "53400" => Self::Busy(error),
            _ => Self::Other(error),
        }
    }

    /// What `error` says where it is one of the connection to `database`.
    pub(super) fn away(database: &str, error: &sqlx::Error) -> Option<Self> {
        is_of_connection(error).then(|| Self::Away { database: database.to_owned(), reason: reason(error) })
    }

    /// What a caller is told of a failure that passes, and after how many seconds to try again.
    pub(crate) fn passing(&self) -> Option<(String, u64)> {
        match self {
            Self::Busy(_) => Some(("the node is busy; try again".to_owned(), 5)),
            Self::Locked { .. } | Self::Away { .. } | Self::Superseded { .. } => Some((self.to_string(), 5)),
            Self::Full { .. } | Self::ReadOnly { .. } | Self::Log(_) | Self::NotNow(_) => Some((self.to_string(), 60)),
            Self::Damaged(_) | Self::Exists(_) | Self::Unreadable(_) | Self::Other(_) => None,
        }
    }
}
