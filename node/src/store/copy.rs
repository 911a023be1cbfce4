//! A copy of an SQLite database: made while the database is used, and looked through before anybody relies on it.

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::StoreError;

/// Copies the database at `from` into the empty file at `to` (<https://sqlite.org/lang_vacuum.html#vacuuminto>): what was
/// committed when it began.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let into = to.to_str().ok_or(StoreError::Unreadable("name of the file to copy to"))?;
    let mut connection = open(from).await?;
    // Whatever fails is most often the new file: there is as much to write as there was in the first.
    let done = sqlx::query("VACUUM INTO $1").bind(into).execute(&mut connection).await;
    let closed = connection.close().await;
    done.and(closed.map(|()| sqlx::sqlite::SqliteQueryResult::default())).map_err(|error| StoreError::of(error, to))?;
    Ok(())
}

/// What contradicts itself in the database at `path` (<https://sqlite.org/pragma.html#pragma_integrity_check>); all of it is
/// read.
pub(crate) async fn contradiction(path: &Path) -> Result<Option<String>, StoreError> {
    let mut connection = open(path).await?;
    let said = sqlx::query_as::<_, (String,)>("PRAGMA integrity_check(1)").fetch_all(&mut connection).await;
    let closed = connection.close().await;
    let said = said.map_err(|error| StoreError::of(error, path))?;
    closed.map_err(|error| StoreError::of(error, path))?;
    Ok(said.into_iter().map(|row| row.0).find(|what| what != "ok"))
}

/// How many lines of the log of revocations the database at `path` has taken; none where it cannot be read.
pub(crate) async fn revoked_seq(path: &Path) -> Option<i64> {
    let mut connection = open(path).await.ok()?;
    let row = sqlx::query_as::<_, (i64,)>("SELECT revoked_seq FROM node WHERE id = 1").fetch_optional(&mut connection);
    let row = row.await.ok().flatten();
    // What was read is known.
    let _ = connection.close().await;
    row.map(|row| row.0)
}

/// Writes what stands in the log beside the database at `path` into the database itself, so that it is whole in its one file.
/// Nothing is done to what cannot be opened.
pub(crate) async fn fold_log(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    if let Ok(mut connection) = options.connect().await {
        // Where it fails, the log stays beside the database, and is kept with it.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
        let _ = connection.close().await;
    }
}

async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.map_err(|error| StoreError::of(error, path))
}
