//! OAuth clients that people have registered. Requests are judged in memory; here is what a start reads.

use bitrouter_proto::account::{
    NamespaceId, OauthClientId, PersonId, ScopeSet,
    oauth_clients::{ClientType, GrantType},
};

use super::{
    StoreError, Write, columns, device_codes::scopes_of, engine::Queryable, execute, fetch_all, fetch_optional,
};
use crate::{clock::Moment, secret::TokenHash};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthClientRow {
    /// Which.
    pub(crate) id: OauthClientId,
    /// The namespace whose people it asks.
    pub(crate) namespace: NamespaceId,
    /// Who registered it.
    pub(crate) person: PersonId,
    /// What people read.
    pub(crate) name: String,
    /// What tells its name from others.
    pub(crate) folded_name: String,
    /// Whether it has a secret.
    pub(crate) kind: ClientType,
    /// What is kept of that; none where it was taken away.
    pub(crate) secret: Option<TokenHash>,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
    /// The most that its tokens can do.
    pub(crate) scopes: ScopeSet,
    /// How it comes to them.
    pub(crate) grants: Vec<GrantType>,
    /// When it was registered.
    pub(crate) created_at: Moment,
    /// When it first showed its secret.
    pub(crate) used_at: Option<Moment>,
    /// Who last changed its name or redirect URIs, where that is somebody else.
    pub(crate) changed_by: Option<PersonId>,
}

columns! {
    /// A row as the database has it.
    Columns {
        id: String,
        namespace_id: String,
        person_id: String,
        name: String,
        folded_name: String,
        client_type: String,
        secret_hash: Option<String>,
        redirect_uris: String,
        scopes: String,
        grant_types: String,
        created_at: i64,
        used_at: Option<i64>,
        changed_by: Option<String>,
    }
}

impl OauthClientRow {
    /// Writes a new one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where another one has the name.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO oauth_clients (id, namespace_id, person_id, name, folded_name, client_type, secret_hash,
                                        redirect_uris, scopes, grant_types, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            self.id.to_string(),
            self.namespace.to_string(),
            self.person.to_string(),
            &self.name,
            &self.folded_name,
            self.kind.as_str(),
            self.secret.map(TokenHash::to_hex),
            uris_text(&self.redirect_uris),
            self.scopes.to_string(),
            grants_text(&self.grants),
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// Writes what can change in one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where another one has the name.
    pub(crate) async fn update(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE oauth_clients SET name = $1, folded_name = $2, redirect_uris = $3, scopes = $4, grant_types = $5,
                    changed_by = $6
             WHERE id = $7",
            &self.name,
            &self.folded_name,
            uris_text(&self.redirect_uris),
            self.scopes.to_string(),
            grants_text(&self.grants),
            self.changed_by.map(|person| person.to_string()),
            self.id.to_string(),
        )?;
        Ok(())
    }

    /// One that was not deleted.
    pub(crate) async fn find(on: &mut impl Queryable, id: OauthClientId) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(
            on,
            "SELECT id, namespace_id, person_id, name, folded_name, client_type, secret_hash, redirect_uris, scopes,
                    grant_types, created_at, used_at, changed_by
             FROM oauth_clients WHERE id = $1 AND deleted_at IS NULL",
            id.to_string(),
        )?;
        row.map(read).transpose()
    }

    /// Every one that was not deleted, the oldest first.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(
            on,
            "SELECT id, namespace_id, person_id, name, folded_name, client_type, secret_hash, redirect_uris, scopes,
                    grant_types, created_at, used_at, changed_by
             FROM oauth_clients WHERE deleted_at IS NULL ORDER BY created_at, id"
        )?;
        rows.into_iter().map(read).collect()
    }

    /// True where one is called so that was not deleted and is not `but`, whoever's it is.
    pub(crate) async fn is_called(
        on: &mut impl Queryable,
        folded_name: &str,
        but: Option<OauthClientId>,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            on,
            "SELECT id FROM oauth_clients WHERE folded_name = $1 AND deleted_at IS NULL AND id <> $2 LIMIT 1",
            folded_name,
            but.map(|id| id.to_string()).unwrap_or_default(),
        )?;
        Ok(row.is_some())
    }

    /// True where it is one of `namespace` and was not deleted, or a key lives that was minted through it.
    pub(crate) async fn is_live(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: OauthClientId,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            on,
            "SELECT c.id FROM oauth_clients c WHERE c.id = $1 AND c.namespace_id = $2
               AND (c.deleted_at IS NULL
                 OR EXISTS (SELECT 1 FROM api_keys k WHERE k.client_id = c.id AND k.revoked_at IS NULL
                              AND (k.expires_at IS NULL OR k.expires_at > $3)))",
            id.to_string(),
            namespace.to_string(),
            now.millis(),
        )?;
        Ok(row.is_some())
    }

    /// Notes that it has shown its secret, unless it had before.
    pub(crate) async fn note_use(write: &mut Write, id: OauthClientId, at: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE oauth_clients SET used_at = $1 WHERE id = $2 AND used_at IS NULL",
            at.millis(),
            id.to_string(),
        )?;
        Ok(())
    }

    /// Takes a secret away: nothing has this hash.
    pub(crate) async fn clear_secret(write: &mut Write, former: TokenHash) -> Result<(), StoreError> {
        execute!(write, "UPDATE oauth_clients SET secret_hash = NULL WHERE secret_hash = $1", former.to_hex())?;
        Ok(())
    }

    /// Gives one another secret.
    pub(crate) async fn set_secret(write: &mut Write, id: OauthClientId, hash: TokenHash) -> Result<(), StoreError> {
        execute!(write, "UPDATE oauth_clients SET secret_hash = $1 WHERE id = $2", hash.to_hex(), id.to_string())?;
        Ok(())
    }

    /// Deletes one. Its row stays, so that what names it can still be read.
    pub(crate) async fn delete(write: &mut Write, id: OauthClientId, at: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE oauth_clients SET deleted_at = $1, secret_hash = NULL WHERE id = $2 AND deleted_at IS NULL",
            at.millis(),
            id.to_string(),
        )?;
        Ok(())
    }

    /// Deletes those of a namespace.
    pub(crate) async fn delete_of_namespace(write: &mut Write, id: NamespaceId, at: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE oauth_clients SET deleted_at = $1, secret_hash = NULL
             WHERE namespace_id = $2 AND deleted_at IS NULL",
            at.millis(),
            id.to_string(),
        )?;
        Ok(())
    }

    /// Forgets those that were deleted before `before` and that no session and no key names any more.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM oauth_clients WHERE deleted_at < $1
               AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = oauth_clients.id)
               AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.client_id = oauth_clients.id)",
            before.millis(),
        )?;
        Ok(())
    }
}

fn uris_text(uris: &[String]) -> String {
    serde_json::Value::from(uris).to_string()
}

fn grants_text(grants: &[GrantType]) -> String {
    grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" ")
}

fn read(row: Columns) -> Result<OauthClientRow, StoreError> {
    let unreadable = || StoreError::Unreadable("client");
    let grant = |text: &str| GrantType::parse(text).ok_or_else(unreadable);
    Ok(OauthClientRow {
        id: row.id.parse().map_err(|_| unreadable())?,
        namespace: row.namespace_id.parse().map_err(|_| unreadable())?,
        person: row.person_id.parse().map_err(|_| unreadable())?,
        name: row.name,
        folded_name: row.folded_name,
        kind: ClientType::parse(&row.client_type).ok_or_else(unreadable)?,
        secret: row.secret_hash.map(|hash| TokenHash::from_hex(&hash).ok_or_else(unreadable)).transpose()?,
        redirect_uris: serde_json::from_str(&row.redirect_uris).map_err(|_| unreadable())?,
        scopes: scopes_of(&row.scopes)?,
        grants: row.grant_types.split_whitespace().map(grant).collect::<Result<_, _>>()?,
        created_at: Moment::from_millis(row.created_at),
        used_at: row.used_at.map(Moment::from_millis),
        changed_by: row.changed_by.map(|id| id.parse().map_err(|_| unreadable())).transpose()?,
    })
}
