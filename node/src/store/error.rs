//! Why the database did not do what was asked.

use crate::revocations::LogError;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room for what should be written.
    #[error("the disk is full: {0}")]
    Full(#[source] sqlx::Error),
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
    #[error("the database cannot be written now; what was revoked holds, the rest was not changed")]
    NotNow,
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(#[source] sqlx::Error),
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).
mod sqlite {
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOTADB: i32 = 26;
    /// Extended: the shared memory beside the database found no room.
    pub(super) const IOERR_SHMSIZE: i32 = 4874;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) {
            return Self::Busy(error);
        }
        let Some(database) = error.as_database_error() else { return Self::Other(error) };
        if database.is_unique_violation() {
            return Self::Exists(error);
        }
        let code = database.code().and_then(|code| code.parse::<i32>().ok());
        if code == Some(sqlite::IOERR_SHMSIZE) {
            return Self::Full(error);
        }
        // The low byte of an extended code is the primary one.
        match code.map(|code| code & 0xff) {
            Some(sqlite::FULL) => Self::Full(error),
            Some(sqlite::CORRUPT | sqlite::NOTADB) => Self::Damaged(error),
            _ => Self::Other(error),
        }
    }
}
