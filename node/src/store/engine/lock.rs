//! One process a database: an advisory lock on a connection of its own, held for the node's life.
//!
//! Such a lock is the session's: it ends with the connection, and behind a pooler that shares sessions it would be
//! somebody else's. Whoever takes it raises `writer_epoch`, so that what a former holder still sends is refused
//! (<https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS>).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use ring::digest;
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;

use super::{
    super::postgres_url::PostgresUrl,
    link::{Link, LinkState},
    postgres::{CONNECT, Postgres, connect},
};

/// How often the lock is looked at.
const ROUND: Duration = Duration::from_secs(1);
/// How long the server may take to say that it is held.
const ANSWER: Duration = Duration::from_secs(2);
/// So often two connections are compared before they are believed to be two sessions.
const COMPARED: usize = 3;

/// Why the database is not this process's.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It does not answer, or lets nobody in.
    #[error("cannot be reached ({0}); it is tried again by itself")]
    Unreachable(String),
    /// What answers is a pooler that gives each transaction another session.
    #[error(
        "is behind a pooler that shares sessions between transactions, on which no lock holds; name the server itself, or a pool with `pool_mode = session`"
    )]
    Pooled,
    /// Another daemon has it.
    #[error("is held by another daemon{}; the node comes on here when that one ends", .0.as_ref().map(|holder| format!(" ({})", holder.shown)).unwrap_or_default())]
    Held(Option<Holder>),
    /// The server follows another one.
    #[error("is a standby, which cannot be written; name the primary server")]
    Standby,
    /// There is no schema to be in.
    #[error("has no schema in the search path of this user; create one, or name it with `?options[search_path]=NAME`")]
    NoSchema,
}

/// Who has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it calls itself, and from where it is connected.
    pub shown: String,
    /// The server's process behind its connection.
    backend: i32,
    /// The name alone.
    name: String,
}

impl From<sqlx::Error> for TakeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unreachable(reason(&error))
    }
}

/// What an error says, in a few words.
pub(crate) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The lock, as long as its connection lives.
#[derive(Debug)]
struct Lock {
    connection: PgConnection,
    /// The server's process behind it.
    backend: i32,
}

/// Takes the database at `url`, and keeps it.
pub(super) async fn take(url: &PostgresUrl) -> Result<Arc<Postgres>, TakeError> {
    let options = url.options()?;
    let lock = bounded(Lock::take(&options)).await?;
    let server = Arc::new(Postgres::new(options.application_name("bitrouter"), url.shown().to_owned()));
    let (link, ending) = (Arc::clone(&server.link), server.ending.clone());
    server.tasks.spawn("lock of the database", keep(Arc::downgrade(&server), link, ending, lock));
    Ok(server)
}

async fn bounded<T>(taking: impl Future<Output = Result<T, TakeError>>) -> Result<T, TakeError> {
    match tokio::time::timeout(CONNECT + ANSWER, taking).await {
        Ok(taken) => taken,
        Err(_) => Err(TakeError::Unreachable("it does not answer".to_owned())),
    }
}

impl Lock {
    async fn take(options: &PgConnectOptions) -> Result<Self, TakeError> {
        let named = options.clone().application_name(&own_name());
        let mut connection = connect(&named).await?;
        let backend = alone(&mut connection, options).await?;
        let asked = sqlx::raw_sql("SELECT pg_is_in_recovery(), CAST(current_schema() AS TEXT)");
        let row = asked.fetch_one(&mut connection).await?;
        if row.try_get::<bool, _>(0)? {
            return Err(TakeError::Standby);
        }
        let schema: Option<String> = row.try_get(1)?;
        let key = key(&schema.ok_or(TakeError::NoSchema)?);
        let taken: (bool,) =
            sqlx::query_as("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(&mut connection).await?;
        if taken.0 {
            return Ok(Self { connection, backend });
        }
        Err(TakeError::Held(holder(&mut connection, key).await))
    }

    /// True where it is still held, by the session that took it.
    async fn is_held(&mut self) -> bool {
        let asked = sqlx::raw_sql(
            "SELECT pg_backend_pid(), EXISTS (SELECT 1 FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid())",
        );
        let row = tokio::time::timeout(ANSWER, asked.fetch_one(&mut self.connection)).await;
        row.is_ok_and(|row| {
            row.is_ok_and(|row| {
                row.try_get::<i32, _>(0).is_ok_and(|backend| backend == self.backend)
                    && row.try_get::<bool, _>(1).unwrap_or(false)
            })
        })
    }
}

/// The server's process behind `connection`, where that is a session of its own: a second connection, in a transaction, is
/// another process, and stays one. A pooler that gives sessions to transactions gives the second one the first one's, or
/// the first one another than before.
async fn alone(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<i32, TakeError> {
    let first = backend(connection).await?;
    let mut second = connect(&options.clone().application_name("bitrouter")).await?;
    for _ in 0..COMPARED {
        // A pooler that gives sessions to statements refuses it.
        if let Err(error) = sqlx::raw_sql("BEGIN").execute(&mut second).await {
            return Err(if error.as_database_error().is_some() { TakeError::Pooled } else { error.into() });
        }
        if backend(&mut second).await? == first || backend(connection).await? != first {
            return Err(TakeError::Pooled);
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut second).await?;
        if backend(connection).await? != first {
            return Err(TakeError::Pooled);
        }
    }
    // What is not said is noticed.
    let _ = second.close().await;
    Ok(first)
}

async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// The lock's number: a node a schema.
fn key(schema: &str) -> i64 {
    let hash = digest::digest(&digest::SHA256, format!("bitrouter node in {schema}").as_bytes());
    hash.as_ref().iter().take(8).fold(0, |key: i64, byte| (key << 8) | i64::from(*byte))
}

/// What the lock's connection is called: other daemons show it.
fn own_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(32).collect();
    format!("bitrouter on {host}, pid {}", std::process::id())
}

/// Who has the lock, where the server tells.
async fn holder(connection: &mut PgConnection, key: i64) -> Option<Holder> {
    let row: Option<(i32, String, String)> = sqlx::query_as(
        "SELECT a.pid, COALESCE(CAST(a.application_name AS TEXT), ''), COALESCE(host(a.client_addr), '')
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND CAST(CAST(l.classid AS BIGINT) AS BIT(32)) || CAST(CAST(l.objid AS BIGINT) AS BIT(32)) = CAST($1 AS BIT(64))",
    )
    .bind(key)
    .fetch_optional(connection)
    .await
    .ok()?;
    let (backend, name, address) = row?;
    // The name is whatever the other side says.
    let name: String = name.chars().filter(|c| !c.is_control() && *c != '`').take(63).collect();
    let parts: Vec<&str> = [name.as_str(), address.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let shown = if parts.is_empty() { format!("the server's process {backend}") } else { parts.join(", ") };
    Some(Holder { shown, backend, name })
}

/// Looks after the lock until the database is closed: where its connection is lost, nothing is written until it is taken
/// again.
async fn keep(server: Weak<Postgres>, link: Arc<Link>, ending: CancellationToken, lock: Lock) {
    let mut former = lock.backend;
    let mut held = Some(lock);
    let keeping = async {
        loop {
            if let Some(lock) = &mut held {
                if lock.is_held().await {
                    tokio::select! {
                        () = tokio::time::sleep(ROUND) => {}
                        () = link.doubted() => {}
                    }
                    continue;
                }
                link.set(LinkState::Lost("the connection to the server is lost".to_owned()));
                held = None;
            }
            let Some(server) = server.upgrade() else { return };
            server.forget_idle();
            match bounded(again(&server, former)).await {
                Ok(lock) => {
                    former = lock.backend;
                    held = Some(lock);
                    link.set(LinkState::Up);
                }
                Err(error @ TakeError::Held(_)) => return link.set(LinkState::Gone(format!("it {error}"))),
                Err(TakeError::Unreachable(reason)) => link.set(LinkState::Lost(reason)),
                Err(error) => link.set(LinkState::Lost(format!("it {error}"))),
            }
            drop(server);
            if held.is_none() {
                tokio::time::sleep(ROUND).await;
            }
        }
    };
    let _ = ending.run_until_cancelled(Box::pin(keeping)).await;
    if let Some(lock) = held {
        // The next one may take it at once.
        let _ = tokio::time::timeout(ANSWER, lock.connection.close()).await;
    }
}

/// Takes the lock again, where nobody has had the database meanwhile. `former`: the server's process that had it.
async fn again(server: &Postgres, former: i32) -> Result<Lock, TakeError> {
    let mut lock = match Lock::take(&server.options).await {
        // The server has not noticed that our own connection is gone.
        Err(TakeError::Held(Some(holder))) if holder.backend == former && holder.name == own_name() => {
            let mut connection = connect(&server.options).await?;
            sqlx::query("SELECT pg_terminate_backend($1)").bind(former).execute(&mut connection).await?;
            return Err(TakeError::Unreachable("the former connection has not ended".to_owned()));
        }
        taken => taken?,
    };
    let expected = server.epoch();
    if expected == 0 {
        return Ok(lock);
    }
    let found: Option<(i64,)> =
        sqlx::query_as("SELECT writer_epoch FROM node WHERE id = 1").fetch_optional(&mut lock.connection).await?;
    if found.is_some_and(|(found,)| found == expected) { Ok(lock) } else { Err(TakeError::Held(None)) }
}
