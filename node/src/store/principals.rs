//! What policies are bound to, as the database knows it: whether it is there, and what stands above it.
//!
//! A binding holds as long as a key lives that was minted below what it binds, ended or not. So a chain is read from the rows of
//! keys, which name the session and the client at its head.

use bitrouter_proto::account::{GrantId, KeyId, NamespaceId, PersonId};

use super::{StoreError, engine::Queryable, fetch_all, fetch_optional};
use crate::clock::Moment;

/// A key as chains need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyLink {
    /// Which.
    pub(crate) id: KeyId,
    /// The key that it was minted with.
    pub(crate) parent: Option<KeyId>,
    /// The session at the head of its chain.
    pub(crate) grant: Option<GrantId>,
    /// That session's client.
    pub(crate) client: Option<String>,
    /// The person behind it.
    pub(crate) person: PersonId,
}

/// A session as chains need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrantLink {
    /// Which.
    pub(crate) id: GrantId,
    /// Its client.
    pub(crate) client: String,
    /// The person behind it.
    pub(crate) person: PersonId,
}

type KeyColumns = (String, Option<String>, Option<String>, Option<String>, String);

impl KeyLink {
    /// A key of a namespace, revoked or not.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: KeyId,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<KeyColumns> = fetch_optional!(
            on,
            "SELECT id, parent_key_id, grant_id, client_id, person_id FROM api_keys WHERE id = $1 AND namespace_id = $2",
            id.to_string(),
            namespace.to_string(),
        )?;
        row.map(key).transpose()
    }

    /// Every key of a namespace that may still open something, and those above it.
    pub(crate) async fn all(on: &mut impl Queryable, namespace: NamespaceId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<KeyColumns> = fetch_all!(
            on,
            "SELECT id, parent_key_id, grant_id, client_id, person_id FROM api_keys
             WHERE namespace_id = $1 AND revoked_at IS NULL",
            namespace.to_string(),
        )?;
        rows.into_iter().map(key).collect()
    }

    /// True where it is there and has been neither revoked nor expired.
    pub(crate) async fn is_live(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: KeyId,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            on,
            "SELECT id FROM api_keys WHERE id = $1 AND namespace_id = $2 AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $3)",
            id.to_string(),
            namespace.to_string(),
            now.millis(),
        )?;
        Ok(row.is_some())
    }
}

impl GrantLink {
    /// A session of a namespace, ended or not.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: GrantId,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<(String, String, String)> = fetch_optional!(
            on,
            "SELECT id, client_id, person_id FROM grants WHERE id = $1 AND namespace_id = $2",
            id.to_string(),
            namespace.to_string(),
        )?;
        row.map(grant).transpose()
    }

    /// Every session of a namespace that its database still knows.
    pub(crate) async fn all(on: &mut impl Queryable, namespace: NamespaceId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(String, String, String)> = fetch_all!(
            on,
            "SELECT id, client_id, person_id FROM grants WHERE namespace_id = $1",
            namespace.to_string()
        )?;
        rows.into_iter().map(grant).collect()
    }

    /// True where it has not ended, or a key lives that was minted with it.
    pub(crate) async fn is_live(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: GrantId,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            on,
            "SELECT g.id FROM grants g WHERE g.id = $1 AND g.namespace_id = $2
               AND ((g.ended_at IS NULL AND g.idle_expires_at > $3 AND g.expires_at > $3)
                 OR EXISTS (SELECT 1 FROM api_keys k WHERE k.grant_id = g.id AND k.revoked_at IS NULL
                              AND (k.expires_at IS NULL OR k.expires_at > $3)))",
            id.to_string(),
            namespace.to_string(),
            now.millis(),
        )?;
        Ok(row.is_some())
    }
}

fn key((id, parent, grant, client, person): KeyColumns) -> Result<KeyLink, StoreError> {
    let unreadable = |_| StoreError::Unreadable("key");
    Ok(KeyLink {
        id: id.parse().map_err(unreadable)?,
        parent: parent.map(|id| id.parse()).transpose().map_err(unreadable)?,
        grant: grant.map(|id| id.parse()).transpose().map_err(|_| StoreError::Unreadable("session"))?,
        client,
        person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
    })
}

fn grant((id, client, person): (String, String, String)) -> Result<GrantLink, StoreError> {
    Ok(GrantLink {
        id: id.parse().map_err(|_| StoreError::Unreadable("session"))?,
        client,
        person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
    })
}
