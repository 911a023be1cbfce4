//! The sessions that the daemon itself has with its own node: made, refreshed and ended in process, never over a socket.
//! Whoever holds the daemon's control socket is the node's owner, so that no browser is asked.

use std::time::Duration;

use bitrouter_proto::account::{GrantId, NamespaceId, PersonId, ScopeSet};
use secrecy::SecretString;

use crate::{Node, store::StoreError};

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
    /// No namespace of the owner's has this id or name.
    #[error("there is no namespace of yours called `{0}`")]
    UnknownNamespace(String),
    /// A scope that no session may hold.
    #[error("{0}")]
    Scope(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the own session was not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum OwnRefreshError {
    /// As `invalid_grant`: it has ended for good.
    #[error("{0}")]
    Ended(String),
    /// It may work later.
    #[error("{0}")]
    Later(String),
}

impl Node {
    /// Signs the node's owner in. `namespace` is an id or a name (`None`: the first one), `scope` the whole set; sensitive
    /// scopes are granted where they are asked for.
    ///
    /// # Errors
    /// See [`OwnSignInError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn sign_in_owner(
        &self,
        client_id: &str,
        namespace: Option<&str>,
        scope: ScopeSet,
    ) -> Result<OwnTokens, OwnSignInError> {
        let _ = (client_id, scope);
        Err(OwnSignInError::UnknownNamespace(namespace.unwrap_or_default().to_owned()))
    }

    /// Refreshes, exactly as the token endpoint does.
    ///
    /// # Errors
    /// See [`OwnRefreshError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn refresh_own(
        &self,
        client_id: &str,
        refresh_token: &SecretString,
        scope: &str,
    ) -> Result<OwnTokens, OwnRefreshError> {
        let _ = (client_id, refresh_token, scope);
        Err(OwnRefreshError::Later("not built".to_owned()))
    }

    /// Ends the session of a token, as `/oauth/revoke` does. A token that is none, or had ended, is no error.
    ///
    /// # Errors
    /// Where the database failed.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn revoke_own(&self, client_id: &str, token: &SecretString) -> Result<(), StoreError> {
        let _ = (client_id, token);
        Ok(())
    }

    /// The session that a token (access or refresh, ended ones too) belongs to, where this node issued it: its id and its
    /// hash stand in the database.
    ///
    /// # Errors
    /// Where the database failed.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn issued(&self, token: &SecretString) -> Result<Option<GrantId>, StoreError> {
        let _ = token;
        Ok(None)
    }
}
