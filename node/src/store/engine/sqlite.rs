//! SQLite: one connection writes; another one reads, and is closed when nobody does.

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqliteConnection,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

use super::TURN;

/// The pools of a database file. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    write: SqlitePool,
    read: SqlitePool,
}

impl Pools {
    /// Opens the database at `path`, which must exist.
    pub(super) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(TURN)
            // KiB, each connection. The database of one machine is small, and an idle daemon should be.
            .pragma("cache_size", "-512")
            .pragma("journal_size_limit", "4194304");
        // The one that writes is never closed in between: the last one that is closed writes the whole log back.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(TURN)
            // What was dropped half-way, or failed, ends before the next one has its turn; a connection on which it does not
            // end is closed, and the next one has its own.
            .after_release(|connection, _| Box::pin(async move { Ok(nothing_is_open(connection).await) }))
            .connect_with(options.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(2)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(10))
            .acquire_timeout(TURN)
            .connect_lazy_with(options.read_only(true));
        Ok(Self { write, read })
    }

    /// Has the database keep a write-ahead log. It remembers that.
    pub(super) async fn use_write_ahead_log(&self) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA journal_mode = WAL").execute(&self.write).await.map(drop)
    }

    /// Begins a transaction. Transactions are begun and ended here: after a COMMIT that failed, sqlx's own would leave a
    /// connection that can begin no other, and SQLite leaves the transaction open or not as it comes.
    pub(super) async fn begin(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        let mut connection = self.write.acquire().await?;
        // IMMEDIATE: a transaction that reads first and then finds that it may not write fails at once, whatever the busy
        // timeout says.
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        Ok(connection)
    }

    /// A connection for reading.
    pub(super) async fn read(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        self.read.acquire().await
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Makes a transaction durable.
pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("COMMIT").execute(connection).await.map(drop)
}

/// Ends what is open on `connection`; true where nothing is. SQLite ends some transactions by itself when a statement fails.
async fn nothing_is_open(connection: &mut SqliteConnection) -> bool {
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => true,
        Err(error) => {
            error.as_database_error().is_some_and(|error| error.message().contains("no transaction is active"))
        }
    }
}
