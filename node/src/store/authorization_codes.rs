//! Authorization codes (RFC 6749 §4.1): what a person approved in a browser that goes back to a client. Spending one compares
//! the state and sets it in one statement.

use bitrouter_proto::account::{GrantId, NamespaceId, OauthClientId, PersonId};

use super::{
    Approval, StoreError, Write, columns, device_codes::scopes_of, engine::Queryable, execute, fetch_optional,
};
use crate::{clock::Moment, secret::TokenHash};

/// A code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationCodeRow {
    /// What is kept of it.
    pub(crate) hash: TokenHash,
    /// The client that it is for.
    pub(crate) client_id: String,
    /// Who approved it, into which namespace, with what.
    pub(crate) approval: Approval,
    /// Where the browser was sent with it.
    pub(crate) redirect_uri: String,
    /// True where the client asked for that, and has to name it again.
    pub(crate) names_redirect: bool,
    /// The challenge that its verifier has to meet (RFC 7636).
    pub(crate) challenge: String,
    /// When it was approved.
    pub(crate) created_at: Moment,
    /// When it ends.
    pub(crate) expires_at: Moment,
    /// When it was used.
    pub(crate) spent_at: Option<Moment>,
    /// The session that came of it.
    pub(crate) grant: Option<GrantId>,
    /// When the approval was taken back.
    pub(crate) withdrawn_at: Option<Moment>,
}

columns! {
    /// A row as the database has it.
    Columns {
        hash: String,
        client_id: String,
        person_id: String,
        namespace_id: String,
        scopes: String,
        redirect_uri: String,
        names_redirect: bool,
        challenge: String,
        created_at: i64,
        expires_at: i64,
        spent_at: Option<i64>,
        grant_id: Option<String>,
        withdrawn_at: Option<i64>,
    }
}

impl AuthorizationCodeRow {
    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO authorization_codes (hash, client_id, person_id, namespace_id, scopes, redirect_uri,
                                              names_redirect, challenge, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.hash.to_hex(),
            &self.client_id,
            self.approval.person.to_string(),
            self.approval.namespace.to_string(),
            self.approval.scopes.to_string(),
            &self.redirect_uri,
            self.names_redirect,
            &self.challenge,
            self.created_at.millis(),
            self.expires_at.millis(),
        )?;
        Ok(())
    }

    /// A code, whatever became of it.
    pub(crate) async fn find(on: &mut impl Queryable, hash: TokenHash) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(
            on,
            "SELECT hash, client_id, person_id, namespace_id, scopes, redirect_uri, names_redirect, challenge, created_at,
                    expires_at, spent_at, grant_id, withdrawn_at
             FROM authorization_codes WHERE hash = $1",
            hash.to_hex(),
        )?;
        row.map(read).transpose()
    }

    /// Spends a code on this session, or on none; false where it had been.
    pub(crate) async fn spend(
        write: &mut Write,
        hash: TokenHash,
        grant: Option<GrantId>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let changed = execute!(
            write,
            "UPDATE authorization_codes SET spent_at = $1, grant_id = $2 WHERE hash = $3 AND spent_at IS NULL",
            now.millis(),
            grant.map(|grant| grant.to_string()),
            hash.to_hex(),
        )?;
        Ok(changed > 0)
    }

    /// Takes back what `person` approved into `namespace` and no client has come for.
    pub(crate) async fn withdraw_of_member(
        write: &mut Write,
        namespace: NamespaceId,
        person: PersonId,
        now: Moment,
    ) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE authorization_codes SET withdrawn_at = $1
             WHERE namespace_id = $2 AND person_id = $3 AND spent_at IS NULL AND withdrawn_at IS NULL",
            now.millis(),
            namespace.to_string(),
            person.to_string(),
        )?;
        Ok(())
    }

    /// Takes back what was approved for a client that has not come for it.
    pub(crate) async fn withdraw_of_client(
        write: &mut Write,
        client: OauthClientId,
        now: Moment,
    ) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE authorization_codes SET withdrawn_at = $1
             WHERE client_id = $2 AND spent_at IS NULL AND withdrawn_at IS NULL",
            now.millis(),
            client.to_string(),
        )?;
        Ok(())
    }

    /// Takes back all that no client has come for.
    pub(crate) async fn withdraw_all(write: &mut Write, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE authorization_codes SET withdrawn_at = $1 WHERE spent_at IS NULL AND withdrawn_at IS NULL",
            now.millis(),
        )?;
        Ok(())
    }

    /// Forgets the codes that ended before `before`.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM authorization_codes WHERE expires_at < $1", before.millis())?;
        Ok(())
    }
}

fn read(row: Columns) -> Result<AuthorizationCodeRow, StoreError> {
    let unreadable = || StoreError::Unreadable("authorization code");
    Ok(AuthorizationCodeRow {
        hash: TokenHash::from_hex(&row.hash).ok_or_else(unreadable)?,
        client_id: row.client_id,
        approval: Approval {
            person: row.person_id.parse().map_err(|_| unreadable())?,
            namespace: row.namespace_id.parse().map_err(|_| unreadable())?,
            scopes: scopes_of(&row.scopes)?,
        },
        redirect_uri: row.redirect_uri,
        names_redirect: row.names_redirect,
        challenge: row.challenge,
        created_at: Moment::from_millis(row.created_at),
        expires_at: Moment::from_millis(row.expires_at),
        spent_at: row.spent_at.map(Moment::from_millis),
        grant: row.grant_id.map(|id| id.parse().map_err(|_| unreadable())).transpose()?,
        withdrawn_at: row.withdrawn_at.map(Moment::from_millis),
    })
}
