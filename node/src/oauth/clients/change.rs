//! Changing and deleting a client.

use std::sync::Arc;

use bitrouter_proto::account::{OauthClientId, PersonId, ScopeSet, oauth_clients::GrantType};

use super::{
    Client, ClientError, Registrar, name, redirect,
    register::{each_once, judge_lists, judge_scopes},
};
use crate::{
    Node,
    revocations::{Revocation, Revoked},
    store::{OauthClientRow, StoreError},
};

/// What is to become of a client; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// What people are to read.
    pub(crate) name: Option<String>,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Option<Vec<String>>,
    /// The most that its tokens can do.
    pub(crate) scopes: Option<ScopeSet>,
    /// How it comes to them.
    pub(crate) grants: Option<Vec<GrantType>>,
}

/// What became of the keys that were minted through a client that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeletedClient {
    /// So many ended with it.
    WithKeys(usize),
    /// So many hold.
    WithoutKeys(usize),
}

/// The members that a change has changed, as they are called in REST.
fn changed(before: &OauthClientRow, after: &OauthClientRow) -> Vec<&'static str> {
    let members = [
        ("client_name", before.name != after.name),
        ("redirect_uris", before.redirect_uris != after.redirect_uris),
        ("allowed_scopes", before.scopes != after.scopes),
        ("allowed_grant_types", before.grants != after.grants),
    ];
    members.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
}

impl Node {
    /// Changes a client of the registrar's namespace. Whoever gives it more than it had, or sends what it is given elsewhere, must
    /// be able to do all that it can.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn change_client(
        &self,
        registrar: &Registrar,
        id: OauthClientId,
        change: Change,
    ) -> Result<Arc<Client>, ClientError> {
        let mut write = self.store.write().await?;
        let known = self.clients.registered(id).filter(|client| client.asks_in(registrar.namespace));
        let before = OauthClientRow::find(&mut write, id).await?.filter(|_| known.is_some());
        let before = before.ok_or(ClientError::Absent)?;
        let mut row = before.clone();
        if let Some(text) = change.name {
            let wanted = name::parse(&text)?;
            row.folded_name = name::looks(wanted.as_str());
            row.name = wanted.as_str().to_owned();
            name::judge(&self.clients, &mut write, &row.folded_name, Some(id)).await?;
        }
        if let Some(uris) = change.redirect_uris {
            row.redirect_uris = redirect::judged(uris)?;
        }
        row.scopes = change.scopes.unwrap_or(row.scopes);
        if let Some(grants) = change.grants {
            row.grants = each_once(&grants);
        }
        judge_lists(row.scopes, &row.grants, &row.redirect_uris)?;
        let is_less = before.scopes.is_superset(row.scopes)
            && row.redirect_uris.iter().all(|uri| before.redirect_uris.contains(uri))
            && row.grants.iter().all(|grant| before.grants.contains(grant));
        if !is_less {
            let role = self.roles.of(registrar.person, registrar.namespace).ok_or(ClientError::Absent)?;
            judge_scopes(row.scopes, registrar.scopes.intersection(role.scopes()))?;
        }
        if row.name != before.name || row.redirect_uris != before.redirect_uris {
            row.changed_by = Some(registrar.person).filter(|person| *person != row.person);
        }
        row.update(&mut write).await?;
        let changed = changed(&before, &row).join(" ");
        let widens = !is_less;
        self.commit_client(write, row).await?;
        let Registrar { person, namespace, .. } = *registrar;
        tracing::info!(client = %id, %namespace, %person, changed, widens, "an OAuth client was changed");
        self.clients.registered(id).ok_or(ClientError::Absent)
    }

    /// Deletes a client: its tokens are refused from the next request on, and so are the keys that were minted through it unless
    /// they are to be kept.
    ///
    /// # Errors
    /// Where it could not be written.
    pub(crate) async fn delete_client(
        self: &Arc<Self>,
        id: OauthClientId,
        person: PersonId,
        keeps_keys: bool,
    ) -> Result<DeletedClient, StoreError> {
        let write = self.store.write().await?;
        // Under the turn to write no key is minted.
        let keys = self.keys.count_of_client(id);
        let what = if keeps_keys { Revocation::Client(id) } else { Revocation::ClientWithKeys(id) };
        // A database that is full follows later: the client is gone either way.
        let (Revoked::Whole | Revoked::Later) = self.revoke(write, what).await?;
        tracing::info!(client = %id, %person, keys, keeps_keys, "an OAuth client was deleted");
        self.note_keys_of_replayed_sessions().await;
        // What was bound to it binds nothing any more, unless keys hold.
        self.look_at_policies().await;
        Ok(if keeps_keys { DeletedClient::WithoutKeys(keys) } else { DeletedClient::WithKeys(keys) })
    }
}
