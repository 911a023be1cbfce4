//! `auth.proto`: who is signed in.

use super::daemon::present;
use crate::{
    account::{Authentication, Identity, TokenState},
    wire,
};

/// A word that is none of the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it answered a `{0}` that this release does not know")]
pub struct UnknownWord(&'static str);

impl From<Identity> for wire::Identity {
    fn from(identity: Identity) -> Self {
        let text = Option::unwrap_or_default;
        Self {
            authentication: identity.authentication.as_str().to_owned(),
            base_url: identity.base_url,
            authorization_server: text(identity.authorization_server),
            client_id: text(identity.client_id),
            namespace_id: text(identity.namespace_id),
            subject: text(identity.subject),
            scope: text(identity.scope),
            session_id: text(identity.token_id),
            state: identity.token_state.as_str().to_owned(),
            expires_at: text(identity.expires_at),
            refresh_expires_at: text(identity.refresh_token_expires_at),
            credentials_path: text(identity.credentials_path),
            variable: text(identity.variable),
            own_node: identity.is_own_node,
            own_login: text(identity.own_login),
        }
    }
}

impl TryFrom<wire::Identity> for Identity {
    type Error = UnknownWord;

    fn try_from(message: wire::Identity) -> Result<Self, UnknownWord> {
        Ok(Self {
            authentication: Authentication::parse(&message.authentication).ok_or(UnknownWord("authentication"))?,
            base_url: message.base_url,
            authorization_server: present(message.authorization_server),
            client_id: present(message.client_id),
            namespace_id: present(message.namespace_id),
            subject: present(message.subject),
            scope: present(message.scope),
            token_id: present(message.session_id),
            token_state: TokenState::parse(&message.state).ok_or(UnknownWord("state"))?,
            expires_at: present(message.expires_at),
            refresh_token_expires_at: present(message.refresh_expires_at),
            credentials_path: present(message.credentials_path),
            variable: present(message.variable),
            is_own_node: message.own_node,
            own_login: present(message.own_login),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_signed_in_survives_the_wire() {
        let key = Identity::of_variable("BITROUTER_API_KEY", "https://api.example");
        let session = Identity {
            authentication: Authentication::Oauth,
            authorization_server: Some("https://api.example".to_owned()),
            client_id: Some("c".to_owned()),
            namespace_id: Some("ns_1".to_owned()),
            subject: Some("usr_1".to_owned()),
            scope: Some("a b".to_owned()),
            token_id: Some("tok_1".to_owned()),
            token_state: TokenState::Ended,
            expires_at: Some("t".to_owned()),
            refresh_token_expires_at: Some("u".to_owned()),
            credentials_path: Some("/d".to_owned()),
            variable: None,
            is_own_node: true,
            own_login: Some(" --local".to_owned()),
            ..key.clone()
        };
        for identity in [key, session] {
            assert_eq!(Identity::try_from(wire::Identity::from(identity.clone())), Ok(identity));
        }
        assert!(Identity::try_from(wire::Identity::default()).is_err());
    }
}
