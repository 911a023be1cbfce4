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
    credentials::{OwnKey, Session, SessionState},
    environment::{KeyRing, same},
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
    /// The key of the environment, where the own node minted it.
    own_key: Option<OwnKey>,
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
        Self { state, server, namespace, sign_in: Some(sign_in), models, own_key: None }
    }

    /// The same with a key of the environment that the own node minted.
    pub(crate) fn with_own_key(self, own_key: Option<OwnKey>) -> Self {
        Self { own_key, ..self }
    }

    /// The key of the environment, where it is in force and the own node minted it: calls are routed here.
    pub(crate) fn own_key(&self, keys: &KeyRing) -> Option<&OwnKey> {
        let in_force = keys.secret(ProviderId::ACCOUNT)?;
        self.own_key.as_ref().filter(|own| same(&own.key, in_force))
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
    /// to its own server, the stored credential to the one that issued it; one that the own node minted to none.
    pub(super) fn shown(&self, catalog: &Catalog, keys: &KeyRing, defaults: &AccountDefaults) -> (Catalog, Account) {
        let is_withheld = keys.withholds_account_key();
        let is_own_key = self.own_key(keys).is_some();
        let has_stored = self.state != AccountState::SignedOut && !is_withheld && !is_own_key;
        let stored = self.server.as_deref().filter(|_| has_stored);
        let by_key = keys.secret(ProviderId::ACCOUNT).is_some() && !is_own_key;
        let server = if by_key { keys.account_server() } else { stored };
        let server = server.unwrap_or(&defaults.oauth_as);
        let listed =
            |models: &&Arc<AccountModels>| models.server == server && (by_key || !(is_own_key || self.is_own_node()));
        let models = self.models.as_ref().filter(listed);
        let models = models.map(|models| models.models.clone()).unwrap_or_default();
        match catalog.with_account(server, models) {
            Ok(catalog) if is_withheld => (catalog, Account::default()),
            Ok(catalog) if is_own_key => {
                let sign_in = Some("bitrouter reload".to_owned());
                (catalog, Account { state: AccountState::OwnNode, sign_in })
            }
            Ok(catalog) => (catalog, Account { state: self.state.clone(), sign_in: self.sign_in.clone() }),
            Err(error) => {
                // Somebody else wrote the file: whoever signs in here is told before anything is stored.
                tracing::warn!(%error, "the stored credential names a server that nothing is sent to");
                (catalog.clone(), Account::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::SystemTime};

    use bitrouter_gateway::registry::Model;
    use bitrouter_proto::{account::credential::OauthCredential, env::Environment};

    use super::*;
    use crate::environment::{KeyNames, Layers, Pushed};

    const STORED: &str = "https://stored.example";

    fn keys(own: &[(&str, &str)]) -> KeyRing {
        let process: Environment = own.iter().copied().collect();
        let pushed = Pushed::default();
        let layers = Layers { pushed: &pushed, env_files: &[], process: &process, parent: None };
        KeyRing::build(&[KeyNames::new("bitrouter", Vec::<String>::new())], &layers)
    }

    fn session(state: SessionState, server: &str, is_own_node: bool) -> Session {
        let oauth = OauthCredential::new("bra_a".into(), SystemTime::UNIX_EPOCH, "c", server);
        let credential = Some(Arc::new(Credential::Oauth(oauth)));
        Session { credential, state, is_own_node, own_login: None, problem: None }
    }

    /// Where calls go, how many models are listed, and how they are made.
    fn shown(session: &Session, keys: &KeyRing, listed_at: &str) -> (String, usize, AccountState) {
        let models = AccountModels { server: listed_at.to_owned(), models: vec![Model::default()] };
        let now = AccountNow::of(session, "bitrouter auth login".to_owned(), Some(Arc::new(models)));
        let catalog = Catalog::build(Vec::new(), Vec::new(), BTreeMap::new(), false).unwrap();
        let (catalog, account) = now.shown(&catalog, keys, &AccountDefaults::default());
        let provider = catalog.account().unwrap();
        (provider.account_server().unwrap().to_owned(), provider.models().len(), account.state)
    }

    #[test]
    fn p04_a_stored_credential_goes_to_its_own_server_and_a_key_to_its() {
        let (none, default) = (keys(&[]), AccountDefaults::default().oauth_as);
        let active = session(SessionState::Active, STORED, false);
        assert_eq!(shown(&active, &none, STORED), (STORED.to_owned(), 1, AccountState::SignedIn));
        // Another server's list says nothing of this one.
        assert_eq!(shown(&active, &none, &default), (STORED.to_owned(), 0, AccountState::SignedIn));
        let own = session(SessionState::Active, STORED, true);
        assert_eq!(shown(&own, &none, STORED), (STORED.to_owned(), 0, AccountState::OwnNode));
        let over = AccountState::Ended("over".to_owned());
        let ended = session(SessionState::Ended("over".to_owned()), STORED, false);
        assert_eq!(shown(&ended, &none, STORED), (STORED.to_owned(), 1, over));
        assert_eq!(shown(&Session::default(), &none, &default), (default.clone(), 1, AccountState::SignedOut));

        // A key of the environment: never to the server of the session.
        let key = keys(&[("BITROUTER_API_KEY", "brk_1")]);
        assert_eq!(shown(&active, &key, &default), (default, 1, AccountState::SignedIn));
        let key = keys(&[("BITROUTER_API_KEY", "brk_1"), ("BITROUTER_API_URL", "https://key.example/")]);
        let at_key = "https://key.example";
        assert_eq!(shown(&own, &key, at_key), (at_key.to_owned(), 1, AccountState::OwnNode));
    }

    #[test]
    fn a_key_that_the_own_node_minted_goes_to_no_server() {
        let keys = keys(&[("BITROUTER_API_KEY", "brk_1"), ("BITROUTER_API_URL", "https://key.example")]);
        let own = |key: &str| Some(OwnKey { key: key.into(), namespace: None });
        let catalog = Catalog::build(Vec::new(), Vec::new(), BTreeMap::new(), false).unwrap();
        let (stored, default) = (session(SessionState::Active, STORED, false), AccountDefaults::default());
        for (own, state, server) in [
            (own("brk_1"), AccountState::OwnNode, default.oauth_as.as_str()),
            // Another one is in force by now.
            (own("brk_2"), AccountState::SignedIn, "https://key.example"),
            (None, AccountState::SignedIn, "https://key.example"),
        ] {
            let now = AccountNow::of(&stored, String::new(), None).with_own_key(own);
            let (catalog, account) = now.shown(&catalog, &keys, &default);
            assert_eq!((account.state, catalog.account().unwrap().account_server()), (state, Some(server)));
        }
    }

    #[test]
    fn a_server_that_nothing_is_sent_to_is_nobodys() {
        let (none, default) = (keys(&[]), AccountDefaults::default().oauth_as);
        let stored = session(SessionState::Active, "http://evil.example", false);
        assert_eq!(shown(&stored, &none, ""), (default, 0, AccountState::SignedOut));
    }

    #[test]
    fn a_key_that_is_for_no_server_is_not_replaced_by_what_is_stored() {
        let keys = keys(&[("BITROUTER_API_KEY", "brk_a.b"), ("BITROUTER_API_URL", "http://far.example")]);
        assert!(keys.withholds_account_key() && keys.secret("bitrouter").is_none());
        let default = AccountDefaults::default().oauth_as;
        let active = session(SessionState::Active, STORED, false);
        assert_eq!(shown(&active, &keys, STORED), (default, 0, AccountState::SignedOut));
    }
}
