//! Web sessions: who is signed in with which browser. A row is gone when its session has ended.

use bitrouter_proto::account::PersonId;

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, secret::TokenHash};

/// Where a session was made, and alone is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Under a loopback name.
    Loopback,
    /// Under `[node] public_url`.
    Public,
}

/// How a session was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// With a one-time link of `bitrouter console`.
    Console,
    /// With the password.
    Password,
}

/// A web session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSessionRow {
    /// SHA-256 of what the cookie holds.
    pub hash: TokenHash,
    /// Who is signed in.
    pub person: PersonId,
    /// Where it is good.
    pub door: Door,
    /// Whose browser it is; `None` where the kernel did not say.
    pub uid: Option<u32>,
    /// How it was made.
    pub made_by: MadeBy,
    /// When.
    pub created_at: Moment,
    /// When it was last used, to the minute.
    pub last_used_at: Moment,
    /// When it ends, however often it is used.
    pub expires_at: Moment,
}

type Row = (String, String, String, Option<i64>, String, i64, i64, i64);

fn read(row: &Row) -> Result<WebSessionRow, StoreError> {
    let unreadable = || StoreError::Unreadable("web session");
    Ok(WebSessionRow {
        hash: TokenHash::from_hex(&row.0).ok_or_else(unreadable)?,
        person: row.1.parse().map_err(|_| unreadable())?,
        door: match row.2.as_str() {
            "loopback" => Door::Loopback,
            "public" => Door::Public,
            _ => return Err(unreadable()),
        },
        uid: row.3.map(u32::try_from).transpose().map_err(|_| unreadable())?,
        made_by: match row.4.as_str() {
            "console" => MadeBy::Console,
            "password" => MadeBy::Password,
            _ => return Err(unreadable()),
        },
        created_at: Moment::from_millis(row.5),
        last_used_at: Moment::from_millis(row.6),
        expires_at: Moment::from_millis(row.7),
    })
}

impl WebSessionRow {
    /// Writes a new session.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO web_sessions
             (hash, person_id, entrance, uid, made_by, created_at, last_used_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self.hash.to_hex(),
            self.person.to_string(),
            match self.door {
                Door::Loopback => "loopback",
                Door::Public => "public",
            },
            self.uid.map(i64::from),
            match self.made_by {
                MadeBy::Console => "console",
                MadeBy::Password => "password",
            },
            self.created_at.millis(),
            self.last_used_at.millis(),
            self.expires_at.millis(),
        )?;
        Ok(())
    }

    /// The session whose cookie hashes to `hash`.
    pub(crate) async fn find(on: &mut impl Queryable, hash: TokenHash) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT hash, person_id, entrance, uid, made_by, created_at, last_used_at, expires_at
             FROM web_sessions WHERE hash = $1",
            hash.to_hex(),
        )?;
        row.as_ref().map(read).transpose()
    }

    /// The sessions of `person`, the one used last first.
    pub(crate) async fn of_person(on: &mut impl Queryable, person: PersonId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Row> = fetch_all!(
            on,
            "SELECT hash, person_id, entrance, uid, made_by, created_at, last_used_at, expires_at
             FROM web_sessions WHERE person_id = $1 ORDER BY last_used_at DESC, created_at DESC, hash",
            person.to_string(),
        )?;
        rows.iter().map(read).collect()
    }

    /// Notes that the session was used.
    pub(crate) async fn touch(write: &mut Write, hash: TokenHash, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE web_sessions SET last_used_at = $2 WHERE hash = $1 AND last_used_at < $2",
            hash.to_hex(),
            now.millis(),
        )?;
        Ok(())
    }

    /// Ends a session.
    pub(crate) async fn delete(write: &mut Write, hash: TokenHash) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM web_sessions WHERE hash = $1", hash.to_hex())?;
        Ok(())
    }

    /// Ends every session of `person`.
    pub(crate) async fn delete_of(write: &mut Write, person: PersonId) -> Result<u64, StoreError> {
        execute!(write, "DELETE FROM web_sessions WHERE person_id = $1", person.to_string())
    }

    /// Ends the sessions, of `person` or of everybody, that were made until `until`.
    pub(crate) async fn delete_until(
        write: &mut Write,
        person: Option<PersonId>,
        until: Moment,
    ) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM web_sessions WHERE created_at <= $1 AND ($2 IS NULL OR person_id = $2)",
            until.millis(),
            person.map(|person| person.to_string()),
        )?;
        Ok(())
    }

    /// Ends the sessions of `person` that were idle the longest, so that `left` stay.
    pub(crate) async fn make_room(write: &mut Write, person: PersonId, left: i64) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM web_sessions WHERE person_id = $1 AND hash NOT IN
             (SELECT hash FROM web_sessions WHERE person_id = $1
              ORDER BY last_used_at DESC, created_at DESC, hash LIMIT $2)",
            person.to_string(),
            left,
        )?;
        Ok(())
    }
}
