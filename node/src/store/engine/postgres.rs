//! PostgreSQL: few connections, one of which writes at a time, all of them bounded in time.
//!
//! A connection goes back to the others only when nothing is open on it: a transaction that was dropped is rolled back
//! first, and one on which a statement was under way is closed.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bitrouter_proto::{clock::monotonic_now, tasks::Tasks};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgDatabaseError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    super::{StoreError, place::Place},
    TURN,
    bounds::Bounds,
    link::{Link, LinkState},
};

/// How long until a connection stands.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
/// How long the end of a transaction that was dropped may take.
const ROLLBACK: Duration = Duration::from_secs(3);
/// How long a connection that nobody uses is trusted: whatever is in between forgets it without a word.
const IDLE: Duration = Duration::from_secs(30);
/// So many read at the same time.
const READERS: usize = 4;

/// What the server itself bounds: what this process can no longer end, in milliseconds. A transaction of a process that
/// stands still is ended, so that another one can have the database.
const SESSION: &str =
    "SET statement_timeout = 15000; SET lock_timeout = 5000; SET idle_in_transaction_session_timeout = 15000";

/// A database of a PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(super) options: PgConnectOptions,
    /// The URL without its password.
    pub(super) shown: String,
    /// Each with the moment since when.
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    writer: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    pub(super) link: Arc<Link>,
    pub(super) tasks: Tasks,
    pub(super) ending: CancellationToken,
    /// What `writer_epoch` must be; 0 as long as nobody raised it.
    epoch: AtomicI64,
}

impl Postgres {
    pub(super) fn new(options: PgConnectOptions, shown: String) -> Self {
        Self {
            options,
            shown,
            idle: Mutex::default(),
            writer: Arc::new(Semaphore::new(1)),
            readers: Arc::new(Semaphore::new(READERS)),
            link: Arc::default(),
            tasks: Tasks::new(),
            ending: CancellationToken::new(),
            epoch: AtomicI64::new(0),
        }
    }

    /// From now on a transaction that may write finds this number, or fails.
    pub(super) fn set_epoch(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    pub(super) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A connection that nobody uses, or a new one.
    async fn connection(&self) -> Result<(PgConnection, bool), sqlx::Error> {
        let idle = self.idle().pop();
        match idle {
            Some((connection, since)) if monotonic_now().saturating_duration_since(since) < IDLE => {
                Ok((connection, true))
            }
            // What was used before that one is older still.
            _ => {
                self.forget_idle();
                Ok((self.connect().await?, false))
            }
        }
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut connection = connect(&self.options).await?;
            sqlx::raw_sql(SESSION).execute(&mut connection).await?;
            Ok(connection)
        };
        tokio::select! {
            biased;
            done = connecting => done,
            () = self.link.cut() => Err(failed(io::ErrorKind::ConnectionAborted, "the connection to the server is lost")),
            () = tokio::time::sleep(CONNECT) => Err(failed(io::ErrorKind::TimedOut, "the server does not answer")),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what may be dead.
    pub(super) fn forget_idle(&self) {
        let dead = std::mem::take(&mut *self.idle());
        drop(dead);
    }

    async fn turn(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
        self.link.check(&self.shown)?;
        let turn = Arc::clone(of).acquire_owned();
        tokio::select! {
            biased;
            turn = turn => turn.map_err(|_| StoreError::Busy(sqlx::Error::PoolClosed)),
            () = self.link.cut() => {
                self.link.check(&self.shown)?;
                Err(StoreError::Busy(sqlx::Error::PoolTimedOut))
            }
            () = tokio::time::sleep(TURN) => Err(StoreError::Busy(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Begins a transaction that may write, as soon as nobody else does.
    pub(super) async fn begin(self: &Arc<Self>, place: &Place) -> Result<Held, StoreError> {
        let turn = self.turn(&self.writer).await?;
        let mut held = self.held(turn, place).await?;
        let begun = held.run("BEGIN").await;
        // It may have been closed since it was last used.
        if held.was_idle && begun.as_ref().is_err_and(is_of_connection) {
            let Some(turn) = held.turn.take() else { return Err(StoreError::Busy(sqlx::Error::PoolClosed)) };
            drop(held);
            self.forget_idle();
            held = self.held(turn, place).await?;
            let begun = held.run("BEGIN").await;
            held.done(place, begun)?;
        } else {
            held.done(place, begun)?;
        }
        held.in_transaction = true;
        held.has_epoch(place).await?;
        Ok(held)
    }

    /// A connection for reading what is committed.
    pub(super) async fn read(self: &Arc<Self>, place: &Place) -> Result<Held, StoreError> {
        let turn = self.turn(&self.readers).await?;
        self.held(turn, place).await
    }

    async fn held(self: &Arc<Self>, turn: OwnedSemaphorePermit, place: &Place) -> Result<Held, StoreError> {
        let server = Arc::clone(self);
        match self.connection().await {
            Ok((connection, was_idle)) => Ok(Held {
                connection: Some(connection),
                server,
                turn: Some(turn),
                was_idle,
                in_transaction: false,
                is_unfit: false,
                is_aborted: false,
                is_patient: false,
            }),
            Err(error) => {
                self.link.doubt();
                Err(StoreError::away(&self.shown, &error).unwrap_or_else(|| place.failed(error)))
            }
        }
    }

    /// Closes all connections, within a bound.
    pub(super) async fn close(&self) {
        self.writer.close();
        self.readers.close();
        self.ending.cancel();
        let idle = std::mem::take(&mut *self.idle());
        let closing = async {
            for (connection, _) in idle {
                // The server notices what is not said.
                let _ = connection.close().await;
            }
            self.tasks.wait().await;
        };
        let _ = tokio::time::timeout(ROLLBACK, closing).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Who looks after the lock lets it go.
        self.ending.cancel();
    }
}

/// Opens one connection.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    options.connect().await
}

pub(super) fn failed(kind: io::ErrorKind, text: &str) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(kind, text))
}

/// True where `error` is one of the connection, and not of what was asked.
pub(crate) fn is_of_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| {
            let code = error.code();
            // https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exceptions; the server is shut down,
            // restarted or full; who may not come in; a transaction or session that stood still was ended.
            code.starts_with("08")
                || code.starts_with("28")
                || code.starts_with("57P")
                || matches!(code, "53300" | "3D000" | "25P03")
        }),
        _ => false,
    }
}

/// A connection that is in use.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Option<PgConnection>,
    server: Arc<Postgres>,
    turn: Option<OwnedSemaphorePermit>,
    /// It was used before.
    was_idle: bool,
    in_transaction: bool,
    /// A statement is under way, or was when whoever waited for it left, or the connection has failed.
    is_unfit: bool,
    /// A statement of the transaction has failed: PostgreSQL rolls it back whatever is said at its end.
    is_aborted: bool,
    /// Its statements take as long as they take.
    is_patient: bool,
}

impl Held {
    /// The connection for one statement, of which [`Self::done`] must hear.
    pub(crate) fn statement(&mut self) -> Result<(&mut PgConnection, Bounds<'_>), StoreError> {
        self.is_unfit = true;
        match &mut self.connection {
            Some(connection) => Ok((connection, Bounds { link: &self.server.link, is_patient: self.is_patient })),
            None => Err(StoreError::Busy(sqlx::Error::PoolClosed)),
        }
    }

    /// From now on the statements of the open transaction take as long as they take.
    pub(super) async fn be_patient(&mut self, place: &Place) -> Result<(), StoreError> {
        let done = self.run("SET LOCAL statement_timeout = 0").await;
        self.done(place, done)?;
        self.is_patient = true;
        Ok(())
    }

    /// What became of a statement.
    pub(crate) fn done<T>(&mut self, place: &Place, done: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        match done {
            Ok(done) => {
                self.is_unfit = false;
                Ok(done)
            }
            Err(error) => {
                self.is_aborted = true;
                self.is_unfit = is_of_connection(&error);
                if self.is_unfit {
                    self.server.link.doubt();
                }
                // Where it is known that another process has the database, that is said.
                if let Err(known @ StoreError::Superseded { .. }) = self.server.link.check(&self.server.shown) {
                    return Err(known);
                }
                Err(StoreError::away(&self.server.shown, &error).unwrap_or_else(|| place.failed(error)))
            }
        }
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let Ok((connection, bounds)) = self.statement() else { return Err(sqlx::Error::PoolClosed) };
        bounds.bounded(async { sqlx::raw_sql(statement).execute(connection).await.map(drop) }).await
    }

    /// The database is still this process's: its row is locked, so that nobody takes it before the end of the transaction.
    async fn has_epoch(&mut self, place: &Place) -> Result<(), StoreError> {
        let expected = self.server.epoch();
        if expected == 0 {
            return Ok(());
        }
        let (connection, bounds) = self.statement()?;
        let asked = sqlx::query_as("SELECT writer_epoch FROM node WHERE id = 1 FOR UPDATE").fetch_optional(connection);
        let found = bounds.bounded(asked).await;
        let found: Option<(i64,)> = self.done(place, found)?;
        if found.is_some_and(|(found,)| found == expected) {
            return Ok(());
        }
        let reason = "another daemon has taken it since".to_owned();
        self.server.link.set(LinkState::Gone(reason.clone()));
        Err(StoreError::Superseded { database: self.server.shown.clone(), reason })
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(&mut self, place: &Place) -> Result<(), StoreError> {
        if self.is_aborted {
            let text = "a statement of the transaction had failed".to_owned();
            return Err(StoreError::Other(sqlx::Error::Protocol(text)));
        }
        let done = self.run("COMMIT").await;
        self.done(place, done)?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_unfit || self.server.ending.is_cancelled() {
            // Closed without a word: the server rolls back what was open.
            return;
        }
        if !self.in_transaction {
            self.server.idle().push((connection, monotonic_now()));
            return;
        }
        // Without a runtime there is nobody who could wait.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (server, turn) = (Arc::clone(&self.server), self.turn.take());
        self.server.tasks.spawn("rollback", async move {
            let rollback = async { sqlx::raw_sql("ROLLBACK").execute(&mut connection).await };
            if matches!(tokio::time::timeout(ROLLBACK, rollback).await, Ok(Ok(_))) && !server.ending.is_cancelled() {
                server.idle().push((connection, monotonic_now()));
            }
            drop(turn);
        });
    }
}
