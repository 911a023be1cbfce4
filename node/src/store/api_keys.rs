//! API keys: each one's row, with the keys and the session that it comes from. Calls are judged in memory, never here.

use bitrouter_proto::account::{CredentialId, GrantId, KeyId, NamespaceId, OauthClientId, PersonId, ScopeSet};

use super::{
    StoreError, Write, columns, device_codes::scopes_of, engine::Queryable, execute, execute_bound, fetch_all,
    fetch_optional, ledger::Many,
};
use crate::{clock::Moment, secret::TokenHash};

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKeyRow {
    /// Which.
    pub(crate) id: KeyId,
    /// What is kept of its secret.
    pub(crate) hash: TokenHash,
    /// The namespace that it reaches; none for a reading key of the operator's.
    pub(crate) namespace: Option<NamespaceId>,
    /// The person behind it.
    pub(crate) person: PersonId,
    /// What it is called.
    pub(crate) name: String,
    /// What it was given.
    pub(crate) scopes: ScopeSet,
    /// The credential that it was minted with; none where a person did.
    pub(crate) parent: Option<CredentialId>,
    /// The session at the head of its chain, where one is.
    pub(crate) grant: Option<GrantId>,
    /// The client of that session.
    pub(crate) client_id: Option<String>,
    /// How many keys stand above it.
    pub(crate) depth: i64,
    /// When it was minted.
    pub(crate) created_at: Moment,
    /// When it ends, if ever.
    pub(crate) expires_at: Option<Moment>,
    /// When it was last used, as far as it was written.
    pub(crate) last_used_at: Option<Moment>,
    /// Since when nobody knows whether it still holds.
    pub(crate) suspended_at: Option<Moment>,
    /// When it was revoked.
    pub(crate) revoked_at: Option<Moment>,
}

columns! {
    /// A row as the database has it.
    Columns {
        id: String,
        hash: String,
        namespace_id: Option<String>,
        person_id: String,
        name: String,
        scopes: String,
        parent_key_id: Option<String>,
        parent_grant_id: Option<String>,
        grant_id: Option<String>,
        client_id: Option<String>,
        depth: i64,
        created_at: i64,
        expires_at: Option<i64>,
        last_used_at: Option<i64>,
        suspended_at: Option<i64>,
        revoked_at: Option<i64>,
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, hash, namespace_id, person_id, name, scopes, parent_key_id, parent_grant_id, grant_id, client_id,
                    depth, created_at, expires_at, last_used_at, suspended_at, revoked_at
             FROM api_keys ",
            $rest
        )
    };
}

static USED: Many = Many::new(
    "UPDATE api_keys SET last_used_at = used.column2 FROM (VALUES ",
    2,
    ") AS used WHERE api_keys.id = used.column1
       AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.column2)",
);

impl ApiKeyRow {
    /// Whether it opens something, whoever is behind it.
    pub(crate) fn is_live(&self, now: Moment) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        let (parent_key, parent_grant) = match self.parent {
            Some(CredentialId::Key(key)) => (Some(key.to_string()), None),
            Some(CredentialId::Grant(grant)) => (None, Some(grant.to_string())),
            None => (None, None),
        };
        execute!(
            write,
            "INSERT INTO api_keys (id, hash, namespace_id, person_id, name, scopes, parent_key_id, parent_grant_id,
                                   grant_id, client_id, depth, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            self.id.to_string(),
            self.hash.to_hex(),
            self.namespace.map(|id| id.to_string()),
            self.person.to_string(),
            &self.name,
            self.scopes.to_string(),
            parent_key,
            parent_grant,
            self.grant.map(|id| id.to_string()),
            self.client_id.as_deref(),
            self.depth,
            self.created_at.millis(),
            self.expires_at.map(Moment::millis),
        )?;
        Ok(())
    }

    /// A key, whatever became of it.
    pub(crate) async fn find(on: &mut impl Queryable, id: KeyId) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(on, select!("WHERE id = $1"), id.to_string())?;
        row.map(read).transpose()
    }

    /// The keys of a namespace, the newest first, those that ended after `since` too.
    pub(crate) async fn of_namespace(
        on: &mut impl Queryable,
        id: NamespaceId,
        since: Moment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(
            on,
            select!(
                "WHERE namespace_id = $1 AND (revoked_at IS NULL OR revoked_at >= $2)
                   AND (expires_at IS NULL OR expires_at >= $2) ORDER BY created_at DESC, id DESC"
            ),
            id.to_string(),
            since.millis(),
        )?;
        rows.into_iter().map(read).collect()
    }

    /// The operator's reading keys, the newest first, those that ended too.
    pub(crate) async fn of_operator(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> =
            fetch_all!(on, select!("WHERE namespace_id IS NULL ORDER BY created_at DESC, id DESC"))?;
        rows.into_iter().map(read).collect()
    }

    /// Every key that has not ended.
    pub(crate) async fn all_live(on: &mut impl Queryable, now: Moment) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(
            on,
            select!("WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"),
            now.millis(),
        )?;
        rows.into_iter().map(read).collect()
    }

    /// Takes the secret of a key away: nothing has this hash.
    pub(crate) async fn clear_hash(write: &mut Write, former: TokenHash) -> Result<(), StoreError> {
        execute!(write, "UPDATE api_keys SET hash = $1 WHERE hash = $2", "0".repeat(64), former.to_hex())?;
        Ok(())
    }

    /// Gives a key another secret: the one before opens nothing.
    pub(crate) async fn set_hash(write: &mut Write, id: KeyId, hash: TokenHash) -> Result<(), StoreError> {
        execute!(write, "UPDATE api_keys SET hash = $1 WHERE id = $2", hash.to_hex(), id.to_string())?;
        Ok(())
    }

    /// Revokes a key and all that were minted with it, and with those.
    pub(crate) async fn revoke(write: &mut Write, id: KeyId, at: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "WITH RECURSIVE below (id) AS (
               SELECT id FROM api_keys WHERE id = $1
               UNION SELECT k.id FROM api_keys k JOIN below b ON k.parent_key_id = b.id
             )
             UPDATE api_keys SET revoked_at = $2 WHERE revoked_at IS NULL AND id IN (SELECT id FROM below)",
            id.to_string(),
            at.millis(),
        )
    }

    /// Revokes all keys that come from a session.
    pub(crate) async fn revoke_of_grant(write: &mut Write, id: GrantId, at: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL AND grant_id = $2",
            at.millis(),
            id.to_string(),
        )
    }

    /// Revokes all keys that come from sessions of a client.
    pub(crate) async fn revoke_of_client(write: &mut Write, id: OauthClientId, at: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL AND client_id = $2",
            at.millis(),
            id.to_string(),
        )
    }

    /// Revokes all keys of a namespace.
    pub(crate) async fn revoke_of_namespace(write: &mut Write, id: NamespaceId, at: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL AND namespace_id = $2",
            at.millis(),
            id.to_string(),
        )
    }

    /// Revokes all keys of a person in a namespace.
    pub(crate) async fn revoke_of_member(
        write: &mut Write,
        namespace: NamespaceId,
        person: PersonId,
        at: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL AND namespace_id = $2 AND person_id = $3",
            at.millis(),
            namespace.to_string(),
            person.to_string(),
        )
    }

    /// Revokes all keys of a person, and those in the person's namespaces.
    pub(crate) async fn revoke_of_person(write: &mut Write, id: PersonId, at: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL
               AND (person_id = $2 OR namespace_id IN (SELECT id FROM namespaces WHERE owner_id = $2))",
            at.millis(),
            id.to_string(),
        )
    }

    /// Disables every key that was minted until `until`: nobody knows which of them hold.
    pub(crate) async fn suspend_all(write: &mut Write, until: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET suspended_at = $1
             WHERE suspended_at IS NULL AND revoked_at IS NULL AND created_at <= $1",
            until.millis(),
        )
    }

    /// Somebody says that suspended keys hold: this one, or all.
    pub(crate) async fn confirm(write: &mut Write, id: Option<KeyId>) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE api_keys SET suspended_at = NULL
             WHERE suspended_at IS NOT NULL AND revoked_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR id = $1)",
            id.map(|id| id.to_string()),
        )
    }

    /// Writes when keys were last used, unless something later stands there.
    pub(crate) async fn note_uses(write: &mut Write, used: &[(KeyId, Moment)]) -> Result<(), StoreError> {
        for (text, these) in USED.of(used) {
            execute_bound!(write, text, query => these.iter().fold(query, |query, (id, at)| {
                query.bind(id.to_string()).bind(at.millis())
            }))?;
        }
        Ok(())
    }

    /// True where a call was admitted with this key since `since`, which is when it was minted.
    pub(crate) async fn has_called(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: KeyId,
        since: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(
            on,
            "SELECT CAST(1 AS BIGINT) FROM requests WHERE namespace_id = $1 AND created_at >= $2 AND credential_id = $3 LIMIT 1",
            namespace.to_string(),
            since.millis(),
            id.to_string(),
        )?;
        Ok(row.is_some())
    }

    /// The keys that hold though the session that they come from was ended for a replay, the oldest first.
    pub(crate) async fn of_replayed(on: &mut impl Queryable, now: Moment) -> Result<Vec<(GrantId, KeyId)>, StoreError> {
        let rows: Vec<(String, String)> = fetch_all!(
            on,
            "SELECT g.id, k.id FROM api_keys k JOIN grants g ON g.id = k.grant_id
             WHERE g.end_reason = 'replay' AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $1)
             ORDER BY k.created_at, k.id",
            now.millis(),
        )?;
        let read = |(grant, key): (String, String)| {
            let grant = grant.parse().map_err(|_| StoreError::Unreadable("session"))?;
            Ok((grant, key.parse().map_err(|_| StoreError::Unreadable("key"))?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Forgets the keys that were revoked or expired before `before`. One that calls were made with keeps its row, and so do
    /// those above it: they tell whose the calls were.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "DELETE FROM api_keys WHERE (revoked_at < $1 OR expires_at < $1)
               AND NOT EXISTS (SELECT 1 FROM usage_hours u WHERE u.credential_id = api_keys.id)
               AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.parent_key_id = api_keys.id)",
            before.millis(),
        )
    }
}

fn read(row: Columns) -> Result<ApiKeyRow, StoreError> {
    let unreadable = |_| StoreError::Unreadable("key");
    let parent = match (row.parent_key_id, row.parent_grant_id) {
        (Some(key), None) => Some(CredentialId::Key(key.parse().map_err(unreadable)?)),
        (None, Some(grant)) => Some(CredentialId::Grant(grant.parse().map_err(unreadable)?)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(StoreError::Unreadable("key")),
    };
    Ok(ApiKeyRow {
        id: row.id.parse().map_err(unreadable)?,
        hash: TokenHash::from_hex(&row.hash).ok_or(StoreError::Unreadable("hash"))?,
        namespace: row.namespace_id.map(|id| id.parse().map_err(unreadable)).transpose()?,
        person: row.person_id.parse().map_err(unreadable)?,
        name: row.name,
        scopes: scopes_of(&row.scopes)?,
        parent,
        grant: row.grant_id.map(|id| id.parse().map_err(unreadable)).transpose()?,
        client_id: row.client_id,
        depth: row.depth,
        created_at: Moment::from_millis(row.created_at),
        expires_at: row.expires_at.map(Moment::from_millis),
        last_used_at: row.last_used_at.map(Moment::from_millis),
        suspended_at: row.suspended_at.map(Moment::from_millis),
        revoked_at: row.revoked_at.map(Moment::from_millis),
    })
}
