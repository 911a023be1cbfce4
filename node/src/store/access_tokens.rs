//! Access tokens: what is read into memory at a start. Requests are judged there, never here.

use bitrouter_proto::account::{GrantId, ScopeSet};

use super::{StoreError, Write, device_codes::scopes_of, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, oauth::live::NewLive, secret::TokenHash};

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenRow {
    /// What is kept of it.
    pub hash: TokenHash,
    /// Its session.
    pub grant: GrantId,
    /// The generation of the refresh token that came with it.
    pub generation: i64,
    /// What it may do.
    pub scopes: ScopeSet,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends.
    pub expires_at: Moment,
}

type LiveRow = (String, String, String, String, String, i64, i64, Option<i64>, String);

impl AccessTokenRow {
    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO access_tokens (hash, grant_id, generation, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            self.hash.to_hex(),
            self.grant.to_string(),
            self.generation,
            self.scopes.to_string(),
            self.created_at.millis(),
            self.expires_at.millis(),
        )?;
        Ok(())
    }

    /// The session of a token, however old it is.
    pub(crate) async fn grant_of(on: &mut impl Queryable, hash: TokenHash) -> Result<Option<GrantId>, StoreError> {
        let row: Option<(String,)> =
            fetch_optional!(on, "SELECT grant_id FROM access_tokens WHERE hash = $1", hash.to_hex())?;
        row.map(|(id,)| id.parse().map_err(|_| StoreError::Unreadable("session"))).transpose()
    }

    /// Every token that is valid now, each with the first use of its generation.
    pub(crate) async fn all_live(
        on: &mut impl Queryable,
        now: Moment,
    ) -> Result<Vec<(NewLive, Option<Moment>)>, StoreError> {
        let rows: Vec<LiveRow> = fetch_all!(
            on,
            "SELECT a.hash, a.grant_id, g.person_id, g.namespace_id, a.scopes, a.generation, a.expires_at, r.first_used_at,
                    g.client_id
             FROM access_tokens a JOIN grants g ON g.id = a.grant_id
             JOIN persons p ON p.id = g.person_id JOIN namespaces n ON n.id = g.namespace_id
             LEFT JOIN refresh_tokens r ON r.grant_id = a.grant_id AND r.generation = a.generation
             WHERE a.expires_at > $1 AND g.ended_at IS NULL AND p.removed_at IS NULL AND n.archived_at IS NULL
               AND (n.owner_id = g.person_id OR EXISTS
                 (SELECT 1 FROM members m WHERE m.namespace_id = n.id AND m.person_id = p.id))",
            now.millis(),
        )?;
        let read = |row: LiveRow| {
            let live = NewLive {
                hash: TokenHash::from_hex(&row.0).ok_or(StoreError::Unreadable("hash"))?,
                grant: row.1.parse().map_err(|_| StoreError::Unreadable("session"))?,
                person: row.2.parse().map_err(|_| StoreError::Unreadable("person"))?,
                namespace: row.3.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
                scopes: scopes_of(&row.4)?,
                generation: row.5,
                expires_at: Moment::from_millis(row.6),
                client: row.8.into(),
            };
            Ok((live, row.7.map(Moment::from_millis)))
        };
        rows.into_iter().map(read).collect()
    }
}
