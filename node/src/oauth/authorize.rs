//! What a client asks of a person by a browser that comes back to it (RFC 6749 §4.1.1), with PKCE (RFC 7636), which every client
//! must use (OAuth 2.1 §4.1.1).
//!
//! Until it is known that the client and the redirect URI are right, nobody is sent there, not even with an error (§4.1.2.1).

use std::{fmt::Write as _, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_proto::account::{PersonId, ScopeSet, oauth_clients::GrantType};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Client,
    approval::{CodeRefused, Decision},
    error::{OAuthError, described},
    request::{judge_resource_of, wanted_scopes},
};
use crate::{
    Node,
    http::body::Form,
    secret::{TokenHash, random_secret},
    store::AuthorizationCodeRow,
};

/// How long a code lives.
const LIFETIME: Duration = Duration::from_mins(1);

/// Why a browser is sent nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untrusted {
    /// It cannot be read.
    #[error("the address cannot be read")]
    Unreadable,
    /// What says where to is there twice.
    #[error("`{0}` stands twice in the address")]
    Repeated(&'static str),
    /// No client is named, or none that there is.
    #[error("there is no program of the id that the address names; it may have been deleted")]
    NoClient,
    /// The client may not ask so.
    #[error("this program does not sign in by coming back from the browser")]
    NotAllowed,
    /// None is named, and the client has several.
    #[error("the address does not say where to go back to")]
    NoRedirect,
    /// It is none of the client's.
    #[error("the address that the program wants you to be sent back to is none that was registered for it")]
    ForeignRedirect,
}

/// Where a browser goes back to.
#[derive(Clone, Debug)]
pub(crate) struct Return {
    /// The client that waits there.
    pub(crate) client: Arc<Client>,
    /// The redirect URI, exactly as it was registered.
    pub(crate) uri: String,
    /// True where the client named it.
    names_redirect: bool,
    state: Option<String>,
    issuer: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What the client would like to be allowed.
    pub(crate) scopes: ScopeSet,
    challenge: String,
}

impl Return {
    /// Whose request `form` is, and where it goes back to.
    ///
    /// # Errors
    /// Where nobody can be sent there.
    pub(crate) fn read(node: &Node, form: &Form) -> Result<Self, Untrusted> {
        for name in ["client_id", "redirect_uri"] {
            if form.all(name).len() > 1 {
                return Err(Untrusted::Repeated(name));
            }
        }
        let client = form.one("client_id").and_then(|id| node.clients.find(id)).ok_or(Untrusted::NoClient)?;
        let known = client.registration.as_ref().map(|known| known.redirect_uris.as_slice()).unwrap_or_default();
        if !client.may_use(GrantType::AuthorizationCode) || known.is_empty() {
            return Err(Untrusted::NotAllowed);
        }
        let named = form.one("redirect_uri");
        let uri = match (named, known) {
            (Some(named), _) => known.iter().find(|uri| *uri == named).ok_or(Untrusted::ForeignRedirect)?,
            (None, [only]) => only,
            (None, _) => return Err(Untrusted::NoRedirect),
        };
        Ok(Self {
            uri: uri.clone(),
            names_redirect: named.is_some(),
            state: form.one("state").map(str::to_owned),
            issuer: node.settings.load().issuer.clone(),
            client,
        })
    }

    /// What is asked for.
    ///
    /// # Errors
    /// What is wrong with it, which the client is told.
    fn asked(&self, form: &Form) -> Result<Asked, OAuthError> {
        if let Some(name) = form.repeated_but(&[]) {
            return Err(OAuthError::invalid_request(format!("`{name}` was sent more than once")));
        }
        match form.one("response_type") {
            Some("code") => {}
            None => return Err(OAuthError::invalid_request("`response_type` is missing")),
            Some(_) => return Err(OAuthError::unsupported_response_type("`response_type` must be `code`")),
        }
        if form.one("response_mode").is_some_and(|mode| mode != "query") {
            return Err(OAuthError::invalid_request("`response_mode` must be `query`"));
        }
        judge_resource_of(form, &self.issuer)?;
        let challenge = form.one("code_challenge");
        let challenge = challenge.ok_or_else(|| OAuthError::invalid_request("`code_challenge` is missing (PKCE)"))?;
        if form.one("code_challenge_method") != Some("S256") {
            return Err(OAuthError::invalid_request("`code_challenge_method` must be `S256`"));
        }
        if challenge.len() != 43 || URL_SAFE_NO_PAD.decode(challenge).is_err() {
            return Err(OAuthError::invalid_request("`code_challenge` is no SHA-256 in base64url"));
        }
        let scopes = match form.one("scope") {
            Some(text) => wanted_scopes(text)?,
            None => None,
        };
        let scopes = scopes.unwrap_or(ScopeSet::DEFAULT).intersection(self.client.allowed);
        if scopes.is_empty() {
            return Err(OAuthError::invalid_scope("the client is allowed none of these scopes"));
        }
        Ok(Asked { scopes, challenge: challenge.to_owned() })
    }

    /// Where the browser goes with what was asked for, or with what is wrong with it.
    pub(crate) fn judged(&self, form: &Form) -> Result<Asked, String> {
        self.asked(form).map_err(|error| {
            let code = error.code();
            self.address(&[("error", code), ("error_description", &described(&error.into_description()))])
        })
    }

    /// Where the browser goes with a code.
    pub(crate) fn with_code(&self, code: &SecretString) -> String {
        self.address(&[("code", code.expose_secret())])
    }

    /// Where the browser goes when the person said no.
    pub(crate) fn denied(&self) -> String {
        self.address(&[("error", "access_denied"), ("error_description", "it was denied")])
    }

    /// The redirect URI with these parameters, the state, and who answers (RFC 9207).
    fn address(&self, parameters: &[(&str, &str)]) -> String {
        let mut address = self.uri.clone();
        let mut join = match (address.contains('?'), address.ends_with(['?', '&'])) {
            (false, _) => "?",
            (true, false) => "&",
            (true, true) => "",
        };
        let state = self.state.as_deref().map(|state| ("state", state));
        let all = parameters.iter().copied().chain(state).chain([("iss", self.issuer.as_str())]);
        for (name, value) in all {
            // Writing to a text does not fail.
            let _ = write!(address, "{join}{name}={}", encoded(value));
            join = "&";
        }
        address
    }
}

/// A text within a query (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

impl Node {
    /// Gives what a person approved to a client that waits at the redirect URI: a code, which lives a minute.
    ///
    /// # Errors
    /// Why nothing is given.
    pub(crate) async fn approve_request(
        &self,
        to: &Return,
        asked: &Asked,
        person: PersonId,
        decision: Decision,
    ) -> Result<SecretString, CodeRefused> {
        let mut write = self.store.write().await?;
        // As things are under the turn to write.
        let client = self.clients.of(to.client.id).ok_or(CodeRefused::Expired)?;
        let approval = self.approval(&client, person, asked.scopes, decision)?;
        let (code, now) = (random_secret(), self.clock.wall());
        let row = AuthorizationCodeRow {
            hash: TokenHash::of(code.expose_secret().as_bytes()),
            client_id: client.id.to_string(),
            approval,
            redirect_uri: to.uri.clone(),
            names_redirect: to.names_redirect,
            challenge: asked.challenge.clone(),
            created_at: now,
            expires_at: now.after(LIFETIME),
            spent_at: None,
            grant: None,
            withdrawn_at: None,
        };
        row.insert(&mut write).await?;
        write.commit().await?;
        Ok(code)
    }
}
