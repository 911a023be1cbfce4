//! Refresh tokens: one row for each that was ever valid, so that one that comes again is known.

use bitrouter_proto::account::GrantId;

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::{clock::Moment, secret::TokenHash};

/// A refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefreshTokenRow {
    /// What is kept of it.
    pub hash: TokenHash,
    /// Its session.
    pub grant: GrantId,
    /// Which of its session's it is, from 1.
    pub generation: i64,
    /// When it was made.
    pub created_at: Moment,
    /// When its successor was made.
    pub spent_at: Option<Moment>,
    /// When an access token of its generation was first used.
    pub first_used_at: Option<Moment>,
    /// How often it was given out again.
    pub replays: i64,
    /// When it was last given out again.
    pub replayed_at: Option<Moment>,
}

type Row = (String, String, i64, i64, Option<i64>, Option<i64>, i64, Option<i64>);

impl RefreshTokenRow {
    /// A token that was just made.
    pub(crate) fn new(hash: TokenHash, grant: GrantId, generation: i64, created_at: Moment) -> Self {
        let (spent_at, first_used_at, replayed_at) = (None, None, None);
        Self { hash, grant, generation, created_at, spent_at, first_used_at, replays: 0, replayed_at }
    }

    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO refresh_tokens (hash, grant_id, generation, created_at, replays) VALUES ($1, $2, $3, $4, 0)",
            self.hash.to_hex(),
            self.grant.to_string(),
            self.generation,
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// The token with this hash.
    pub(crate) async fn find(on: &mut impl Queryable, hash: TokenHash) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT hash, grant_id, generation, created_at, spent_at, first_used_at, replays, replayed_at
             FROM refresh_tokens WHERE hash = $1",
            hash.to_hex(),
        )?;
        row.as_ref().map(Self::of_row).transpose()
    }

    /// The token of a session's generation.
    pub(crate) async fn of_generation(
        on: &mut impl Queryable,
        grant: GrantId,
        generation: i64,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT hash, grant_id, generation, created_at, spent_at, first_used_at, replays, replayed_at
             FROM refresh_tokens WHERE grant_id = $1 AND generation = $2",
            grant.to_string(),
            generation,
        )?;
        row.as_ref().map(Self::of_row).transpose()
    }

    fn of_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            hash: TokenHash::from_hex(&row.0).ok_or(StoreError::Unreadable("hash"))?,
            grant: row.1.parse().map_err(|_| StoreError::Unreadable("session"))?,
            generation: row.2,
            created_at: Moment::from_millis(row.3),
            spent_at: row.4.map(Moment::from_millis),
            first_used_at: row.5.map(Moment::from_millis),
            replays: row.6,
            replayed_at: row.7.map(Moment::from_millis),
        })
    }

    /// Spends a token; false where it was spent.
    pub(crate) async fn spend(write: &mut Write, hash: TokenHash, now: Moment) -> Result<bool, StoreError> {
        let changed = execute!(
            write,
            "UPDATE refresh_tokens SET spent_at = $1 WHERE hash = $2 AND spent_at IS NULL",
            now.millis(),
            hash.to_hex(),
        )?;
        Ok(changed > 0)
    }

    /// Counts that it was given out again.
    pub(crate) async fn count_replay(write: &mut Write, hash: TokenHash, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE refresh_tokens SET replays = replays + 1, replayed_at = $1 WHERE hash = $2",
            now.millis(),
            hash.to_hex(),
        )?;
        Ok(())
    }

    /// Writes when an access token of a generation was first used, unless that is known.
    pub(crate) async fn note_first_use(
        write: &mut Write,
        grant: GrantId,
        generation: i64,
        at: Moment,
    ) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE refresh_tokens SET first_used_at = $1
             WHERE grant_id = $2 AND generation = $3 AND first_used_at IS NULL",
            at.millis(),
            grant.to_string(),
            generation,
        )?;
        Ok(())
    }
}
