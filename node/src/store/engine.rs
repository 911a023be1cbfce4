//! The seam between queries and the engine that runs them.
//!
//! A query is one text for every engine, with `$1`-style arguments and rows read as tuples. The macros pick the engine; a
//! further one is a variant here, and no second copy of any query.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Sqlite, SqliteConnection,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    StoreError,
    place::Place,
    revocations::{self, Pending},
};

/// How long somebody waits for a turn to write.
const TURN: Duration = Duration::from_secs(10);

/// The database. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    pending: Arc<Pending>,
    place: Arc<Place>,
}

#[derive(Clone, Debug)]
enum Engine {
    /// One connection writes; another one reads, and is closed when nobody does.
    Sqlite { write: SqlitePool, read: SqlitePool },
}

/// A transaction that may write. Dropped without [`Write::commit`], it never was.
#[derive(Debug)]
pub struct Write {
    engine: WriteEngine,
    pending: Arc<Pending>,
    /// The last pending revocation that this transaction did.
    caught_up: i64,
    /// What was pending found no room: this transaction can be looked into, and not committed.
    refused: Option<StoreError>,
    place: Arc<Place>,
}

#[derive(Debug)]
enum WriteEngine {
    /// Transactions are begun and ended here: after a COMMIT that failed, sqlx's own would leave a connection that can begin
    /// no other, and SQLite leaves the transaction open or not as it comes.
    Sqlite(PoolConnection<Sqlite>),
}

/// A connection for reading.
#[derive(Debug)]
pub struct Read(ReadEngine, Arc<Place>);

#[derive(Debug)]
enum ReadEngine {
    Sqlite(PoolConnection<Sqlite>),
}

/// The engine's own connection, as the macros use it.
pub(crate) enum Connection<'c> {
    /// SQLite's.
    Sqlite(&'c mut SqliteConnection),
}

impl Store {
    /// Opens the SQLite database at `path`, which must exist (an empty file is an empty database).
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        let place = Arc::new(Place::new(path));
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
            .connect_with(options.clone());
        let write = write.await.map_err(|error| place.failed(error))?;
        let read = SqlitePoolOptions::new()
            .max_connections(2)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(10))
            .acquire_timeout(TURN)
            .connect_lazy_with(options.read_only(true));
        Ok(Self { engine: Engine::Sqlite { write, read }, pending: Arc::default(), place })
    }

    /// Has the database keep a write-ahead log: whoever reads waits for nobody who writes. It remembers that.
    ///
    /// # Errors
    /// Where it cannot.
    pub(crate) async fn use_write_ahead_log(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite { write, .. } => {
                let done = sqlx::query("PRAGMA journal_mode = WAL").execute(write).await;
                done.map_err(|error| self.place.failed(error))?;
            }
        }
        Ok(())
    }

    /// Where it lies, and whether it can be written.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The database's file, where it is SQLite's.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.engine {
            Engine::Sqlite { .. } => Some(self.place.path().to_owned()),
        }
    }

    /// What the database has to take before anything else.
    pub(crate) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Begins a transaction that may write. Others wait for its end.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let mut write = self.begin().await?;
        match write.catch_up().await {
            // Who takes a right away looks first whether there is one: on a full disk too.
            Err(error @ StoreError::Full { .. }) => {
                drop(write);
                let mut write = self.begin().await?;
                write.refused = Some(error);
                Ok(write)
            }
            done => done.map(|()| write),
        }
    }

    async fn begin(&self) -> Result<Write, StoreError> {
        let failed = |error| self.place.failed(error);
        let engine = match &self.engine {
            // IMMEDIATE: a transaction that reads first and then finds that it may not write fails at once, whatever the
            // busy timeout says.
            Engine::Sqlite { write, .. } => {
                let mut connection = write.acquire().await.map_err(failed)?;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed)?;
                WriteEngine::Sqlite(connection)
            }
        };
        let (pending, place) = (Arc::clone(&self.pending), Arc::clone(&self.place));
        Ok(Write { engine, pending, caught_up: 0, refused: None, place })
    }

    /// A connection for reading what is committed.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn read(&self) -> Result<Read, StoreError> {
        match &self.engine {
            Engine::Sqlite { read, .. } => {
                let connection = read.acquire().await.map_err(|error| self.place.failed(error))?;
                Ok(Read(ReadEngine::Sqlite(connection), Arc::clone(&self.place)))
            }
        }
    }

    /// Closes all connections; what waits for one is refused.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

impl Write {
    /// Makes all of it durable.
    ///
    /// # Errors
    /// Where it is not: nothing of it happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.commit_then(|| {}).await
    }

    /// The same; `then` is done before anybody else has the turn to write, so that what memory says follows in the order of
    /// the database.
    ///
    /// # Errors
    /// Where it is not durable: nothing of it happened, and `then` was not done.
    pub(crate) async fn commit_then(self, then: impl FnOnce()) -> Result<(), StoreError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        match self.engine {
            WriteEngine::Sqlite(mut connection) => {
                let done = sqlx::query("COMMIT").execute(&mut *connection).await;
                done.map_err(|error| self.place.failed(error))?;
                then();
            }
        }
        self.pending.done(self.caught_up);
        Ok(())
    }

    /// Does what stands in `revoked.log` and not yet in the database.
    pub(crate) async fn catch_up(&mut self) -> Result<(), StoreError> {
        for line in self.pending.lines() {
            if line.seq > self.caught_up {
                revocations::apply(self, &line).await?;
                self.caught_up = line.seq;
            }
        }
        Ok(())
    }
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

/// Whatever a query can run on: a transaction, or a connection for reading.
pub trait Queryable: Send {
    /// The engine's connection.
    #[doc(hidden)]
    fn engine(&mut self) -> EngineRef<'_>;
}

/// The engine's connection behind a name that only the macros look into.
#[doc(hidden)]
pub struct EngineRef<'c>(pub(crate) Connection<'c>, pub(crate) &'c Place);

impl Queryable for Write {
    fn engine(&mut self) -> EngineRef<'_> {
        match &mut self.engine {
            WriteEngine::Sqlite(connection) => EngineRef(Connection::Sqlite(connection), &self.place),
        }
    }
}

impl Queryable for Read {
    fn engine(&mut self) -> EngineRef<'_> {
        match &mut self.0 {
            ReadEngine::Sqlite(connection) => EngineRef(Connection::Sqlite(connection), &self.1),
        }
    }
}

/// Every row of `$sql` as a tuple.
macro_rules! fetch_all {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_all(connection).await.map_err(|error| place.failed(error))
            }
        }
    };
}

/// The row of `$sql` as a tuple, where there is one.
macro_rules! fetch_optional {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_optional(connection).await.map_err(|error| place.failed(error))
            }
        }
    };
}

/// Runs `$sql`; the number of rows that it changed.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query($sql)$(.bind($bind))*
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(|error| place.failed(error))
            }
        }
    };
}

/// Runs `$sql` with what `$bound` binds to `$query`; the number of rows that it changed.
macro_rules! execute_bound {
    ($on:expr, $sql:expr, $query:ident => $bound:expr) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                let $query = sqlx::query($sql);
                let done = $bound.execute(connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| place.failed(error))
            }
        }
    };
}

/// Every row of `$sql`, with what `$bound` binds to `$query`, as a tuple.
macro_rules! fetch_all_bound {
    ($on:expr, $sql:expr, $query:ident => $bound:expr) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                let $query = sqlx::query_as($sql);
                $bound.fetch_all(connection).await.map_err(|error| place.failed(error))
            }
        }
    };
}

/// A row with more columns than a tuple has, each read by its name.
macro_rules! columns {
    ($(#[$meta:meta])* $name:ident { $($column:ident: $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        struct $name {
            $($column: $kind),*
        }

        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $name {
            fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),* })
            }
        }
    };
}

pub(crate) use {columns, execute, execute_bound, fetch_all, fetch_all_bound, fetch_optional};
