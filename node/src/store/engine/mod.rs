//! The seam between queries and the engine that runs them.
//!
//! A query is one text for every engine, with `$1`-style arguments and rows read as tuples. The macros pick the engine; a
//! further one is a variant here, and no second copy of any query.
//!
//! * `macros`: how a query is written. `sqlite`, `postgres`: their connections.
//! * `bounds`: what ends a statement there. `link`: whether PostgreSQL's server can be reached. `lock`: one process a database there.

mod bounds;
mod link;
mod lock;
mod macros;
mod postgres;
mod sqlite;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::sync::watch;

pub use self::lock::{Holder, TakeError};
pub(crate) use self::{
    link::LinkState,
    lock::reason,
    macros::{columns, execute, execute_bound, fetch_all, fetch_all_bound, fetch_optional},
    postgres::is_of_connection,
};
use self::{
    postgres::{Held, Postgres},
    sqlite::Pools,
};
use super::{
    StoreError,
    place::Place,
    postgres_url::PostgresUrl,
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
    /// A file.
    Sqlite(Pools),
    /// A database of a server.
    Postgres(Arc<Postgres>),
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
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Held),
}

/// A connection for reading.
#[derive(Debug)]
pub struct Read(ReadEngine, Arc<Place>);

#[derive(Debug)]
enum ReadEngine {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Held),
}

/// The engine's own connection, as the macros use it.
pub(crate) enum Connection<'c> {
    /// SQLite's.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL's.
    Postgres(&'c mut Held),
}

impl Store {
    /// Opens the SQLite database at `path`, which must exist (an empty file is an empty database).
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        let place = Arc::new(Place::new(path));
        let pools = Pools::open(path).await.map_err(|error| place.failed(error))?;
        Ok(Self { engine: Engine::Sqlite(pools), pending: Arc::default(), place })
    }

    /// Takes the PostgreSQL database at `url` for this process.
    ///
    /// # Errors
    /// Where it is not there, or another process has it.
    pub async fn postgres(url: &PostgresUrl) -> Result<Self, TakeError> {
        let server = lock::take(url).await?;
        let place = Arc::new(Place::new(Path::new(url.shown())));
        Ok(Self { engine: Engine::Postgres(server), pending: Arc::default(), place })
    }

    /// True where another machine may have the database.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// From now on a transaction that may write finds this number as `writer_epoch`, or fails: another process has the
    /// database. A file is this process's as long as the lock beside it is.
    pub(crate) fn set_epoch(&self, epoch: i64) {
        match &self.engine {
            Engine::Sqlite(_) => {}
            Engine::Postgres(server) => server.set_epoch(epoch),
        }
    }

    /// Follows whether the database can be reached; a file always can.
    pub(crate) fn link(&self) -> Option<watch::Receiver<LinkState>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(server) => Some(server.link.subscribe()),
        }
    }

    /// Has the database keep a write-ahead log: whoever reads waits for nobody who writes. It remembers that.
    ///
    /// # Errors
    /// Where it cannot.
    pub(crate) async fn use_write_ahead_log(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(pools) => pools.use_write_ahead_log().await.map_err(|error| self.place.failed(error)),
            // It always does.
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// Where it lies, and whether it can be written.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The database's file, where it is SQLite's.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.engine {
            Engine::Sqlite(_) => Some(self.place.path().to_owned()),
            Engine::Postgres(_) => None,
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
        let engine = match &self.engine {
            Engine::Sqlite(pools) => {
                WriteEngine::Sqlite(pools.begin().await.map_err(|error| self.place.failed(error))?)
            }
            Engine::Postgres(server) => WriteEngine::Postgres(server.begin(&self.place).await?),
        };
        let (pending, place) = (Arc::clone(&self.pending), Arc::clone(&self.place));
        Ok(Write { engine, pending, caught_up: 0, refused: None, place })
    }

    /// A connection for reading what is committed.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn read(&self) -> Result<Read, StoreError> {
        let engine = match &self.engine {
            Engine::Sqlite(pools) => ReadEngine::Sqlite(pools.read().await.map_err(|error| self.place.failed(error))?),
            Engine::Postgres(server) => ReadEngine::Postgres(server.read(&self.place).await?),
        };
        Ok(Read(engine, Arc::clone(&self.place)))
    }

    /// Closes all connections; what waits for one is refused.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(pools) => pools.close().await,
            Engine::Postgres(server) => server.close().await,
        }
    }
}

impl Write {
    /// True where it is PostgreSQL's.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.engine, WriteEngine::Postgres(_))
    }

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
                sqlite::commit(&mut connection).await.map_err(|error| self.place.failed(error))?;
                then();
            }
            WriteEngine::Postgres(mut held) => {
                held.commit(&self.place).await?;
                then();
            }
        }
        self.pending.done(self.caught_up);
        Ok(())
    }

    /// Lets the statements of this transaction take as long as they take: nobody waits for it, and half of it is nothing. A file's always
    /// do.
    pub(crate) async fn be_patient(&mut self) -> Result<(), StoreError> {
        match &mut self.engine {
            WriteEngine::Sqlite(_) => Ok(()),
            WriteEngine::Postgres(held) => held.be_patient(&self.place).await,
        }
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
            WriteEngine::Postgres(held) => EngineRef(Connection::Postgres(held), &self.place),
        }
    }
}

impl Queryable for Read {
    fn engine(&mut self) -> EngineRef<'_> {
        match &mut self.0 {
            ReadEngine::Sqlite(connection) => EngineRef(Connection::Sqlite(connection), &self.1),
            ReadEngine::Postgres(held) => EngineRef(Connection::Postgres(held), &self.1),
        }
    }
}
