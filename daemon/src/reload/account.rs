//! The account as snapshots show it: who is signed in and what its server lists. It changes without a reload.

use std::sync::Arc;

use bitrouter_gateway::{
    AccountModels,
    account::{Account, AccountState},
    registry::{Catalog, ProviderId},
};
use bitrouter_proto::account::credential::Credential;

use crate::{
    config::AccountDefaults,
    credentials::{Session, SessionState},
    environment::KeyRing,
};

/// The account at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountNow {
    state: AccountState,
    /// The stored credential's server, without a slash at its end.
    server: Option<String>,
    /// The namespace that it is baked to.
    namespace: Option<String>,
    /// The command that signs in again.
    sign_in: Option<String>,
    /// What the account's server listed last.
    models: Option<Arc<AccountModels>>,
}

impl AccountNow {
    /// What a session and a list make of it.
    pub(crate) fn of(session: &Session, sign_in: String, models: Option<Arc<AccountModels>>) -> Self {
        let credential = session.credential.as_deref();
        let state = match (&session.state, credential) {
            (SessionState::Ended(why), Some(_)) => AccountState::Ended(why.clone()),
            (SessionState::Active, Some(_)) if session.is_own_node => AccountState::OwnNode,
            (SessionState::Active, Some(_)) => AccountState::SignedIn,
            (SessionState::None, _) | (_, None) => AccountState::SignedOut,
        };
        let namespace = match credential {
            Some(Credential::Oauth(oauth)) => oauth.namespace_id.clone(),
            Some(Credential::ApiKey(_)) | None => None,
        };
        let server = credential.map(|credential| credential.server().trim_end_matches('/').to_owned());
        Self { state, server, namespace, sign_in: Some(sign_in), models }
    }

    /// True where calls can be made with the stored credential.
    pub(crate) fn is_signed_in(&self) -> bool {
        matches!(self.state, AccountState::SignedIn | AccountState::OwnNode)
    }

    /// True where the own node serves its calls.
    pub(crate) fn is_own_node(&self) -> bool {
        self.state == AccountState::OwnNode
    }

    /// The namespace that the stored credential is baked to.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Why the session has ended, where it has.
    pub(crate) fn ended(&self) -> Option<&str> {
        match &self.state {
            AccountState::Ended(why) => Some(why),
            AccountState::SignedOut | AccountState::SignedIn | AccountState::OwnNode => None,
        }
    }

    /// The catalog with the account's provider where its calls go now, and how they are made. A key of the environment goes
    /// to its own server, the stored credential to the one that issued it.
    pub(super) fn shown(&self, catalog: &Catalog, keys: &KeyRing, defaults: &AccountDefaults) -> (Catalog, Account) {
        let stored = self.server.as_deref().filter(|_| self.state != AccountState::SignedOut);
        let by_key = keys.secret(ProviderId::ACCOUNT).is_some();
        let server = if by_key { keys.account_server() } else { stored };
        let server = server.unwrap_or(&defaults.oauth_as);
        let listed = |models: &&Arc<AccountModels>| models.server == server && (by_key || !self.is_own_node());
        let models = self.models.as_ref().filter(listed);
        let models = models.map(|models| models.models.clone()).unwrap_or_default();
        match catalog.with_account(server, models) {
            Ok(catalog) => (catalog, Account { state: self.state.clone(), sign_in: self.sign_in.clone() }),
            Err(error) => {
                // Somebody else wrote the file: whoever signs in here is told before anything is stored.
                tracing::warn!(%error, "the stored credential names a server that nothing is sent to");
                (catalog.clone(), Account::default())
            }
        }
    }
}
