//! Migrations: numbered, and frozen once released. A database that a newer release has migrated is left alone.

use super::{Store, StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::clock::Moment;

/// Why a database is not brought to this release.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer release wrote it.
    #[error("the database is of a newer release (migration {found}; this one knows {NEWEST})")]
    Newer {
        /// The newest migration that it has.
        found: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Each migration, the oldest first; its number is its place, from 1. What stands here is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
];

/// The number of the newest migration.
#[expect(clippy::cast_possible_wrap, reason = "there are a few")]
pub const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Brings the database to this release, whole or not at all.
pub(crate) async fn migrate(store: &Store, now: Moment) -> Result<(), MigrateError> {
    let mut write = store.write().await?;
    // Of many rows it may be long.
    write.be_patient().await?;
    execute!(
        &mut write,
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)"
    )?;
    let found = newest(&mut write).await?;
    if found > NEWEST {
        return Err(MigrateError::Newer { found });
    }
    let missing = MIGRATIONS.iter().zip(1_i64..).filter(|(_, number)| *number > found);
    for (text, number) in missing {
        apply(&mut write, text).await?;
        execute!(&mut write, "INSERT INTO migrations (number, applied_at) VALUES ($1, $2)", number, now.millis())?;
    }
    Ok(write.commit().await?)
}

/// The number of the newest migration that the database has; 0 where it has none.
pub(super) async fn newest(on: &mut impl Queryable) -> Result<i64, StoreError> {
    let newest: Option<(Option<i64>,)> = fetch_optional!(on, "SELECT MAX(number) FROM migrations")?;
    Ok(newest.and_then(|row| row.0).unwrap_or(0))
}

/// Runs each statement of a migration.
async fn apply(write: &mut Write, text: &'static str) -> Result<(), StoreError> {
    for statement in statements(text) {
        if write.is_postgres() {
            execute!(write, sqlx::AssertSqlSafe(in_bytes(statement)))?;
        } else {
            execute!(write, statement)?;
        }
    }
    Ok(())
}

/// The same for PostgreSQL, which otherwise sorts and compares texts as the database's language does: pages and ranges go by
/// the order of ids, which is that of their bytes.
fn in_bytes(statement: &str) -> String {
    statement.replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// The statements of a migration: no `;` stands within one.
fn statements(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(';')
        .map(str::trim)
        .filter(|statement| statement.lines().any(|line| !line.trim_start().starts_with("--")))
}
