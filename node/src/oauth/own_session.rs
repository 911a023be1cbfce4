//! The sessions that the daemon itself has with its own node: made, refreshed and ended in process, never over a socket.
//! Whoever holds the daemon's control socket is the node's owner, so that no browser is asked.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::account::{GrantId, NamespaceId, PersonId, ScopeSet, oauth_clients::GrantType};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Client, first_pair, refresh, reply::Issued, request, revoke};
use crate::{
    Interrupted, Node,
    people::namespaces::{self, NamespaceError},
    secret::{random_secret, random_ulid},
    store::{Approval, EndReason, StoreError},
};

/// A pair of tokens, given out once.
#[derive(Debug)]
pub struct OwnTokens {
    /// `bra_…`.
    pub access_token: SecretString,
    /// How long it holds.
    pub expires_in: Duration,
    /// `brr_…`.
    pub refresh_token: SecretString,
    /// How long it can be refreshed when nobody uses it.
    pub refresh_token_expires_in: Duration,
    /// What the access token may do.
    pub scope: ScopeSet,
    /// The namespace that it is baked to.
    pub namespace: NamespaceId,
    /// The person behind it.
    pub person: PersonId,
}

/// Why the owner could not be signed in.
#[derive(Debug, thiserror::Error)]
pub enum OwnSignInError {
    /// No client of this id is built in.
    #[error("there is no client `{0}` here")]
    UnknownClient(String),
    /// No namespace of the owner's has this id or name.
    #[error("there is no namespace of yours called `{0}`")]
    UnknownNamespace(String),
    /// A scope that no session may hold.
    #[error("{0}")]
    Scope(String),
    /// The node does not do it now, for instance because its disk is full.
    #[error("{0}")]
    Later(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows whether it was made.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Why the own session was not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum OwnRefreshError {
    /// As `invalid_grant` and `invalid_client`: it has ended for good.
    #[error("{0}")]
    Ended(String),
    /// It may work later.
    #[error("{0}")]
    Later(String),
}

/// Why the own session was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum OwnRevokeError {
    /// The database failed. The tokens are refused all the same until the node is opened again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows whether it was done.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Node {
    /// Signs the node's owner in. `namespace` is an id or a name (`None`: the first one), `scope` the whole set (empty: the
    /// defaults); sensitive scopes are granted where they are asked for.
    ///
    /// # Errors
    /// See [`OwnSignInError`].
    pub async fn sign_in_owner(
        self: &Arc<Self>,
        client_id: &str,
        namespace: Option<&str>,
        scope: ScopeSet,
    ) -> Result<OwnTokens, OwnSignInError> {
        let known = self.clients.find(client_id).filter(|client| client.registration.is_none());
        let client = known.ok_or_else(|| OwnSignInError::UnknownClient(client_id.to_owned()))?;
        request::judge_scopes(scope).map_err(|refused| OwnSignInError::Scope(refused.into_description()))?;
        let scopes = if scope.is_empty() { ScopeSet::DEFAULT } else { scope };
        let (node, namespace) = (Arc::clone(self), namespace.map(str::to_owned));
        self.to_end(async move { sign_in(&node, &client, namespace.as_deref(), scopes).await }).await?
    }

    /// Refreshes, exactly as the token endpoint does. An empty `scope` asks for all that was granted.
    ///
    /// # Errors
    /// See [`OwnRefreshError`].
    pub async fn refresh_own(
        self: &Arc<Self>,
        client_id: &str,
        refresh_token: &SecretString,
        scope: &str,
    ) -> Result<OwnTokens, OwnRefreshError> {
        // One with a secret shows it; the daemon has none.
        let Some(client) = self.clients.find(client_id).filter(|client| !client.is_confidential()) else {
            return Err(OwnRefreshError::Ended(format!("there is no client `{client_id}` here")));
        };
        let (node, token, wanted) = (Arc::clone(self), refresh_token.clone(), request::wanted_scopes(scope));
        if !client.may_use(GrantType::RefreshToken) {
            // As `unauthorized_client`: what was taken from a client can be given back to it.
            return Err(OwnRefreshError::Later(format!("`{client_id}` is not allowed to refresh now")));
        }
        let refreshed = async move { refresh::refresh(&node, &client, token.expose_secret(), wanted).await };
        match self.to_end(refreshed).await {
            Ok(Ok(issued)) => Ok(issued.into()),
            Ok(Err(refused)) if refused.is_final() => Err(OwnRefreshError::Ended(refused.into_description())),
            Ok(Err(refused)) => Err(OwnRefreshError::Later(refused.into_description())),
            Err(interrupted) => Err(OwnRefreshError::Later(interrupted.to_string())),
        }
    }

    /// Ends the session of a token, as `/oauth/revoke` does. A token that is none, or had ended, is no error.
    ///
    /// # Errors
    /// Where the database failed.
    pub async fn revoke_own(self: &Arc<Self>, client_id: &str, token: &SecretString) -> Result<(), OwnRevokeError> {
        let (node, client, token) = (Arc::clone(self), client_id.to_owned(), token.clone());
        let revoked = async move { revoke::revoke(&node, &client, token.expose_secret().as_bytes()).await };
        Ok(self.to_end(revoked).await??)
    }

    /// The session that a token (access or refresh, ended ones too) belongs to, where this node issued it: its id and its
    /// hash stand in the database.
    ///
    /// # Errors
    /// Where the database failed.
    pub async fn issued(&self, token: &SecretString) -> Result<Option<GrantId>, StoreError> {
        revoke::session_of(self, token.expose_secret().as_bytes()).await
    }
}

async fn sign_in(
    node: &Node,
    client: &Client,
    namespace: Option<&str>,
    scopes: ScopeSet,
) -> Result<OwnTokens, OwnSignInError> {
    let person = node.owner();
    loop {
        let mut write = node.store.write().await?;
        let now = node.clock.wall();
        let namespace = match namespace {
            None => node.first_namespace(),
            Some(which) => match namespaces::meant(&mut write, person, which).await {
                Ok(row) if !node.namespace_has_ended(row.id, row.owner) => row.id,
                Err(NamespaceError::Store(error)) => return Err(error.into()),
                Ok(_) | Err(_) => return Err(OwnSignInError::UnknownNamespace(which.to_owned())),
            },
        };
        let approval = Approval { person, namespace, scopes };
        if let Some(longest_idle) = first_pair::gives_way(node, &mut write, &approval, now).await? {
            drop(write);
            node.end_grant(longest_idle, EndReason::Room).await?;
            continue;
        }
        // Nobody presents it ever again: a reply that is lost here has no second one.
        let presented = random_secret();
        let id = GrantId::new(random_ulid(now));
        let made = first_pair::make(node, write, client, id, approval, presented.expose_secret(), now).await;
        return made.map(OwnTokens::from).map_err(|refused| OwnSignInError::Later(refused.into_description()));
    }
}

impl From<Issued> for OwnTokens {
    fn from(issued: Issued) -> Self {
        Self {
            access_token: issued.access.text().clone(),
            expires_in: issued.access_expires_at.since(issued.now),
            refresh_token: issued.refresh.text().clone(),
            refresh_token_expires_in: issued.grant.ends_at().since(issued.now),
            scope: issued.scopes,
            namespace: issued.grant.namespace,
            person: issued.grant.person,
        }
    }
}
