//! What a file is that should be the node's database: asked before anything is written to it.

use super::{StoreError, Write, engine::Queryable, fetch_all, fetch_optional, migrate};

/// The first release of SQLite whose write-ahead log is not damaged by two connections (<https://sqlite.org/wal.html>).
const SAFE_SQLITE: [u32; 3] = [3, 51, 3];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing: an empty database.
    Empty,
    /// A node's, and not newer than this release.
    Node(Option<Identity>),
    /// SQLite is too old to open it.
    OldSqlite(String),
    /// Another program's.
    Foreign,
    /// A newer release wrote it: the number of its newest migration.
    Newer(i64),
}

/// What must fit before a database is touched. `None` where the first start did not come so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) node_id: String,
    pub(crate) canary: String,
    pub(crate) generation: i64,
}

/// Looks at the database.
pub(crate) async fn condition(write: &mut Write) -> Result<Condition, StoreError> {
    let tables: Vec<(String,)> = if write.is_postgres() {
        // Those of the schema in which tables would be made.
        fetch_all!(
            write,
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()"
        )?
    } else {
        let version: Option<(String,)> = fetch_optional!(write, "SELECT sqlite_version()")?;
        let version = version.map(|row| row.0).unwrap_or_default();
        if !is_safe(&version) {
            return Ok(Condition::OldSqlite(version));
        }
        fetch_all!(write, "SELECT name FROM sqlite_schema WHERE type = 'table'")?
    };
    let has = |name: &str| tables.iter().any(|table| table.0 == name);
    if tables.is_empty() {
        return Ok(Condition::Empty);
    }
    if !has("migrations") || !has("node") {
        return Ok(Condition::Foreign);
    }
    let found = migrate::newest(write).await?;
    if found > migrate::NEWEST {
        return Ok(Condition::Newer(found));
    }
    Ok(Condition::Node(identity(write).await?))
}

/// Reads the whole database, and says what in it contradicts itself (<https://sqlite.org/pragma.html#pragma_quick_check>).
pub(crate) async fn damage(write: &mut Write) -> Result<Option<String>, StoreError> {
    if write.is_postgres() {
        // Its server looks after that.
        return Ok(None);
    }
    let said: Vec<(String,)> = fetch_all!(write, "PRAGMA quick_check(1)")?;
    Ok(said.into_iter().map(|row| row.0).find(|what| what != "ok"))
}

/// These columns are there from the first migration on.
async fn identity(on: &mut impl Queryable) -> Result<Option<Identity>, StoreError> {
    let row: Option<(String, String, i64)> =
        fetch_optional!(on, "SELECT node_id, canary, generation FROM node WHERE id = 1")?;
    Ok(row.map(|(node_id, canary, generation)| Identity { node_id, canary, generation }))
}

fn is_safe(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let parts = [(); 3].map(|()| parts.next().unwrap_or(0));
    parts >= SAFE_SQLITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for safe in ["3.51.3", "3.51.10", "3.52.0", "4.0.0", "3.51.3.1"] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_one in ["3.51.2", "3.9.9", "3.51", "2.99.99", ""] {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
    }
}
