//! Who is signed in, as `auth whoami` and `cloud whoami` tell it: the same whether the daemon is asked or the file is read.

use std::{path::Path, time::SystemTime};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{GrantId, credential::Credential};
use crate::{clock, shell};

/// How calls of the account are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// With the tokens of a session.
    Oauth,
    /// With an API key.
    ApiKey,
}

/// Whether the access token opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// As far as anybody knows.
    Valid,
    /// Its time is over, and the next call renews it.
    Expired,
    /// The server said that the session is over.
    Ended,
}

/// Who is signed in. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How calls are made.
    pub authentication: Authentication,
    /// The server that commands of the account are sent to.
    pub base_url: String,
    /// The server that issued the tokens.
    pub authorization_server: Option<String>,
    /// The OAuth client that they were issued to.
    pub client_id: Option<String>,
    /// The namespace that they are baked to.
    pub namespace_id: Option<String>,
    /// The person behind them.
    pub subject: Option<String>,
    /// What they may do, separated by spaces.
    pub scope: Option<String>,
    /// The id that the access token shows. It is no secret.
    pub token_id: Option<String>,
    /// Whether the access token opens anything.
    pub token_state: TokenState,
    /// RFC 3339, UTC.
    pub expires_at: Option<String>,
    /// RFC 3339, UTC.
    pub refresh_token_expires_at: Option<String>,
    /// The file that holds them.
    pub credentials_path: Option<String>,
    /// The variable that holds the API key in force.
    pub variable: Option<String>,
    /// True where the own node issued them.
    pub is_own_node: bool,
    /// What `bitrouter auth login` takes to sign in to it again as the same person, where that is its owner.
    pub own_login: Option<String>,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $text:literal,)* }) => {
        impl $name {
            /// The word on the wire and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The member with this word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! { Authentication { Oauth = "oauth", ApiKey = "api_key", } }
words! { TokenState { Valid = "valid", Expired = "expired", Ended = "ended", } }

/// The command that signs in: with the flags `own_login` to the own node, else to `other_server`, where it is not the one that
/// is meant without a word.
pub fn sign_in_command(own_login: Option<&str>, other_server: Option<&str>) -> String {
    match (own_login, other_server) {
        (Some(flags), _) => format!("bitrouter auth login{flags}"),
        (None, Some(server)) => format!("bitrouter auth login --oauth-as {}", shell::quoted(server)),
        (None, None) => "bitrouter auth login".to_owned(),
    }
}

impl Identity {
    /// What the stored `credential` says at `now`; `has_ended` is what its server said of it.
    pub fn stored(credential: &Credential, has_ended: bool, path: &Path, now: SystemTime) -> Self {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let credentials_path = Some(path.display().to_string());
        match credential {
            Credential::ApiKey(key) => {
                let token_state = if has_ended { TokenState::Ended } else { TokenState::Valid };
                Self { token_state, credentials_path, ..Self::with_key(&key.base_url) }
            }
            Credential::Oauth(tokens) => Self {
                authentication: Authentication::Oauth,
                base_url: tokens.server().to_owned(),
                authorization_server: Some(tokens.authorization_server.clone()),
                client_id: known(&tokens.client_id),
                namespace_id: tokens.namespace_id.clone(),
                subject: tokens.subject.clone(),
                scope: known(&tokens.scope),
                token_id: token_id(tokens.access_token.expose_secret()),
                token_state: match tokens.expires_at <= now {
                    _ if has_ended => TokenState::Ended,
                    true => TokenState::Expired,
                    false => TokenState::Valid,
                },
                expires_at: Some(clock::rfc3339(tokens.expires_at)),
                refresh_token_expires_at: tokens.refresh_token_expires_at.map(clock::rfc3339),
                credentials_path,
                variable: None,
                is_own_node: false,
                own_login: None,
            },
        }
    }

    /// What a key in `variable`, for the server at `base_url`, says.
    pub fn of_variable(variable: &str, base_url: &str) -> Self {
        Self { variable: Some(variable.to_owned()), ..Self::with_key(base_url) }
    }

    fn with_key(base_url: &str) -> Self {
        Self {
            authentication: Authentication::ApiKey,
            base_url: base_url.trim_end_matches('/').to_owned(),
            authorization_server: None,
            client_id: None,
            namespace_id: None,
            subject: None,
            scope: None,
            token_id: None,
            token_state: TokenState::Valid,
            expires_at: None,
            refresh_token_expires_at: None,
            credentials_path: None,
            variable: None,
            is_own_node: false,
            own_login: None,
        }
    }

    /// The document of `auth whoami --json`.
    pub fn session_json(&self) -> Value {
        json!({
            "signed_in": true,
            "authentication": self.authentication.as_str(),
            "authorization_server": self.authorization_server,
            "client_id": self.client_id,
            "namespace_id": self.namespace_id,
            "subject": self.subject,
            "scope": self.scope,
            "token_id": self.token_id,
            "token_state": self.token_state.as_str(),
            "expires_at": self.expires_at,
            "refresh_token_expires_at": self.refresh_token_expires_at,
            "credentials_path": self.credentials_path,
        })
    }

    /// The document of `cloud whoami --json`.
    pub fn account_json(&self) -> Value {
        json!({
            "signed_in": true,
            "authentication": self.authentication.as_str(),
            "base_url": self.base_url,
            "namespace_id": self.namespace_id,
            "scope": self.scope,
            "subject": self.subject,
            "credentials_path": self.credentials_path,
        })
    }
}

/// The id of the session in an access token of a node: `tok_…` for `bra_….`, as sessions are listed. Other servers show none.
fn token_id(token: &str) -> Option<String> {
    let (id, _) = token.strip_prefix("bra_")?.split_once('.')?;
    let id: GrantId = format!("{}{id}", GrantId::PREFIX).parse().ok()?;
    Some(id.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn file(text: &str) -> Credential {
        Credential::parse(text.as_bytes()).unwrap()
    }

    fn session(access_token: &str) -> Credential {
        file(&format!(
            r#"{{"access_token":"{access_token}","expires_at":"2026-06-01T00:00:00Z","client_id":"bitrouter-cli",
                "authorization_server":"https://api.example/","scope":"usage:read","namespace_id":"ns_1"}}"#
        ))
    }

    fn at(text: &str) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond().unsigned_abs())
    }

    #[test]
    fn a_session_shows_all_its_members_and_nulls_for_what_is_not_known() {
        let token = "bra_00000000010000000000000002.secret";
        let (path, before) = (Path::new("/d/account-credentials.json"), at("2026-05-31T23:59:59Z"));
        let identity = Identity::stored(&session(token), false, path, before);
        assert_eq!(
            identity.session_json().to_string(),
            r#"{"authentication":"oauth","authorization_server":"https://api.example","client_id":"bitrouter-cli","#
                .to_owned()
                + r#""credentials_path":"/d/account-credentials.json","expires_at":"2026-06-01T00:00:00.000Z","#
                + r#""namespace_id":"ns_1","refresh_token_expires_at":null,"scope":"usage:read","signed_in":true,"#
                + r#""subject":null,"token_id":"tok_00000000010000000000000002","token_state":"valid"}"#
        );
        assert_eq!(
            identity.account_json().to_string(),
            r#"{"authentication":"oauth","base_url":"https://api.example","credentials_path":"/d/account-credentials.json","#
                .to_owned()
                + r#""namespace_id":"ns_1","scope":"usage:read","signed_in":true,"subject":null}"#
        );
        let state = |has_ended, now| Identity::stored(&session(token), has_ended, path, now).token_state;
        assert_eq!(state(false, at("2026-06-01T00:00:00Z")), TokenState::Expired);
        assert_eq!(state(true, before), TokenState::Ended);
        for opaque in ["secret", "bra_secret", "bra_x.secret", "eyJ.a.b"] {
            assert_eq!(Identity::stored(&session(opaque), false, path, before).token_id, None, "{opaque}");
        }
    }

    #[test]
    fn a_key_says_where_it_comes_from() {
        let path = Path::new("/d/f");
        let stored = file(r#"{"kind":"api_key","api_key":"brk_k","base_url":"https://api.example"}"#);
        let stored = Identity::stored(&stored, false, path, UNIX_EPOCH);
        assert_eq!(
            (stored.base_url.as_str(), stored.credentials_path.as_deref()),
            ("https://api.example", Some("/d/f"))
        );
        let exported = Identity::of_variable("BITROUTER_API_KEY", "https://api.example/");
        assert_eq!(exported.session_json()["credentials_path"], Value::Null);
        assert_eq!(exported.account_json()["base_url"], "https://api.example");
        assert_eq!((exported.authentication, stored.variable), (Authentication::ApiKey, None));
    }
}
