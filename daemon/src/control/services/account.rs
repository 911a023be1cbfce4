//! What the calls about the account share: which credential counts, who is signed in, and how a refusal is told.

use std::sync::Arc;

use bitrouter_proto::{
    account::{Identity, Scope, WIDER_KEY, credential::Credential, sign_in_command},
    clock,
    codes::Reason,
    env::BITROUTER_API_KEY,
};
use secrecy::SecretString;
use tonic::Status;

use super::error;
use crate::{
    account_provider::AccountProvider,
    config::server_url,
    credentials::{AccountError, Credentials, RestCall, Session, SessionState, login_command, same_issuer},
    reload::Reloader,
};

/// What the calls about the account ask.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) credentials: Credentials,
    reloader: Reloader,
    provider: AccountProvider,
}

/// A key that beats what is stored.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) key: SecretString,
    /// The server that it is for, without a slash at its end.
    pub(super) server: String,
}

/// What a sign-in falls back on.
pub(super) struct Defaults {
    /// The authorization server.
    pub(super) oauth_as: String,
    /// The OAuth client.
    pub(super) client_id: String,
    /// The scopes, where anybody says any.
    pub(super) scope: Option<String>,
}

impl Account {
    pub(super) fn new(provider: AccountProvider) -> Self {
        Self { credentials: provider.credentials.clone(), reloader: provider.reloader.clone(), provider }
    }

    /// Has later calls of the account go as the session is now: whoever signs in may call at once.
    pub(super) async fn take_effect(&self) {
        self.provider.show().await;
    }

    pub(super) fn defaults(&self) -> Defaults {
        let in_force = self.reloader.in_force();
        let account = &in_force.account;
        Defaults {
            oauth_as: account.oauth_as.clone(),
            client_id: account.client_id.clone(),
            scope: account.scope.clone(),
        }
    }

    /// The key that calls are made with, where one beats the stored credential: the caller's own, which is on the wire as
    /// `key` for the server `url`, else the daemon's.
    ///
    /// # Errors
    /// Where `url` is no server's.
    pub(super) fn key(&self, key: String, url: &str) -> Result<Option<Key>, Status> {
        if key.is_empty() {
            let in_force = self.reloader.in_force();
            return Ok(in_force.account_key().map(|(key, server)| Key { key: key.clone(), server: server.to_owned() }));
        }
        let key = SecretString::from(key);
        let server = if url.is_empty() {
            self.defaults().oauth_as
        } else {
            server_url(url).map_err(|reason| {
                let message = format!("`{url}` {reason}");
                error::status(Reason::InvalidArgument, message, None)
            })?
        };
        Ok(Some(Key { key, server }))
    }

    /// Says whether what calls would be made with without another word, `key` or the stored credential, is for the server at `url`.
    ///
    /// # Errors
    /// Where it is for another one, or `url` is none.
    pub(super) async fn is_for(&self, key: Option<&Key>, url: &str) -> Result<(), Status> {
        let other = match key {
            Some(key) => {
                let url = server_url(url)
                    .map_err(|reason| error::status(Reason::InvalidArgument, format!("`{url}` {reason}"), None))?;
                (!same_issuer(&key.server, &url)).then(|| key.server.clone())
            }
            None => self.credentials.other_server(url).await.map_err(|error| self.refused(error, false))?,
        };
        let Some(other) = other else { return Ok(()) };
        let what = if key.is_some() { format!("the key in `{BITROUTER_API_KEY}`") } else { "the session".to_owned() };
        let message = format!("{what} is for `{other}`, and `{url}` is another server: nothing was sent there");
        let command = sign_in_command(None, Some(url));
        Err(error::status(Reason::Conflict, message, Some(&command)))
    }

    /// What the account's server answers, as it came: with `key`, else with what is stored.
    pub(super) async fn call(&self, key: Option<&Key>, call: &RestCall) -> Result<String, Status> {
        let answered = match key {
            Some(key) => self.credentials.json_with_key(&key.server, &key.key, call).await,
            None => self.credentials.json(call).await,
        };
        answered.map_err(|error| self.refused(error, key.is_some()))
    }

    /// Who is signed in; `None` where nobody is.
    pub(super) fn identity(&self, session: &Session) -> Option<Identity> {
        let has_ended = matches!(session.state, SessionState::Ended(_));
        let stored =
            Identity::stored(session.credential.as_deref()?, has_ended, self.credentials.path(), clock::wall_now());
        Some(Identity { is_own_node: session.is_own_node, own_login: session.own_login.clone(), ..stored })
    }

    /// What is known of who holds `key`: of one that the own node minted all that a session knows.
    pub(super) async fn known(&self, identity: Identity, key: &SecretString) -> Identity {
        let Some(holder) = self.credentials.holder_of(key).await else { return identity };
        Identity {
            base_url: self.credentials.own_issuer(),
            namespace_id: Some(holder.namespace.to_string()),
            subject: Some(holder.person.to_string()),
            scope: Some(holder.scopes.to_string()),
            is_own_node: true,
            ..identity
        }
    }

    /// Says no as the control API does. `with_key`: the call was made with a key that beats what is stored.
    pub(super) fn refused(&self, mut error: AccountError, with_key: bool) -> Status {
        let session = self.credentials.session();
        if with_key && error.status == Some(401) {
            error.message = format!("{} (the key in `{BITROUTER_API_KEY}`)", error.message);
        }
        if let (Reason::NotSignedIn, Some(problem)) = (error.reason, &session.problem) {
            error.message = format!("the stored credential is not used: {problem}");
        }
        told(with_scope_hint(error, (!with_key).then_some(&session), &self.defaults().oauth_as))
    }
}

/// An error as the control API says it.
pub(super) fn told(error: AccountError) -> Status {
    let mut facts = Vec::new();
    let more: serde_json::Map<_, _> =
        error.more.into_iter().filter_map(|(name, value)| Some((name, serde_json::from_str(&value).ok()?))).collect();
    if !more.is_empty() {
        facts.push(("more", serde_json::Value::Object(more).to_string()));
    }
    facts.extend(error.command.map(|command| ("command", command)));
    facts.extend(error.code.map(|code| ("code", code.into_string())));
    facts.extend(error.status.map(|status| ("status", status.to_string())));
    facts.extend(error.field.map(|field| ("field", field.into_string())));
    facts.extend(error.request_id.map(|id| ("request_id", id.into_string())));
    error::status_with(error.reason, error.message, facts)
}

/// The words with which a server says which scope a credential lacks.
const MISSING_SCOPE: &str = "missing required scope: ";

/// The same of a scope that a new key would have had.
const WIDER_THAN_CALLER: &str = "scope exceeds the caller's: ";

/// A server that says which scope is missing (403) is answered by the command that signs in with it too; a key gets no wider.
/// `session` is `None` where a key beats what is stored.
fn with_scope_hint(mut error: AccountError, session: Option<&Arc<Session>>, default_server: &str) -> AccountError {
    let Some(scope) = missing_scope(&error) else { return error };
    if let Some(by_key) = no_key_holds(&scope, session) {
        error.message = format!("{}, which no API key can hold", error.message);
        error.command = Some(by_key);
        return error;
    }
    match session.and_then(|session| Some((session, session.credential.as_deref()?))) {
        Some((session, Credential::Oauth(tokens))) => {
            let login = login_command(session, default_server);
            let (verb, rest) = login.split_at(LOGIN.len().min(login.len()));
            let words = tokens.scope.split_whitespace().filter(|word| is_scope(word));
            let scopes: Vec<&str> = words.filter(|word| *word != scope).chain([scope.as_str()]).collect();
            error.command = Some(format!("{verb} --scope \"{}\"{rest}", scopes.join(" ")));
        }
        // A key gets no wider.
        Some((_, Credential::ApiKey(_))) => error.command = Some(format!("{WIDER_KEY}: {MINT} --scope \"{scope}\"")),
        None => {
            let command = format!("{WIDER_KEY} and set {BITROUTER_API_KEY} to it: {MINT} --scope \"{scope}\"");
            error.command = Some(command);
        }
    }
    error
}

/// What helps whoever has an API key where none can do it: provider keys are a person's own, stored by a person who is signed in.
fn no_key_holds(scope: &str, session: Option<&Arc<Session>>) -> Option<String> {
    if Scope::parse(scope) != Some(Scope::ByokWrite) {
        return None;
    }
    match session.and_then(|session| session.credential.as_deref()) {
        Some(Credential::Oauth(_)) => None,
        Some(Credential::ApiKey(_)) => Some(LOGIN.to_owned()),
        None => Some(format!("{LOGIN}  (with {BITROUTER_API_KEY} unset: a key there comes first)")),
    }
}

const LOGIN: &str = "bitrouter auth login";
const MINT: &str = "bitrouter cloud keys mint --name NAME";

fn missing_scope(error: &AccountError) -> Option<String> {
    let said = error.message.trim();
    let scope = [MISSING_SCOPE, WIDER_THAN_CALLER].iter().find_map(|words| said.strip_prefix(words))?.trim();
    (error.status == Some(403) && is_scope(scope)).then(|| scope.to_owned())
}

/// What may stand between quotes in a command: a server chose it.
fn is_scope(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_.*-/".contains(&byte);
    !word.is_empty() && word.len() <= 128 && word.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bitrouter_proto::account::credential::{ApiKeyCredential, OauthCredential};

    use super::*;

    const DEFAULT: &str = "https://api.bitrouter.ai";

    fn signed_in(server: &str, scope: &str, own_login: Option<&str>) -> Arc<Session> {
        let mut tokens = OauthCredential::new("bra_a".into(), SystemTime::UNIX_EPOCH, "bitrouter-cli", server);
        scope.clone_into(&mut tokens.scope);
        let credential = Some(Arc::new(Credential::Oauth(tokens)));
        let own_login = own_login.map(str::to_owned);
        Arc::new(Session {
            credential,
            state: SessionState::Active,
            is_own_node: own_login.is_some(),
            own_login,
            problem: None,
        })
    }

    fn missing(scope: &str) -> AccountError {
        let error = AccountError::new(Reason::ServerRefused, format!("missing required scope: {scope}"));
        AccountError { status: Some(403), ..error }
    }

    fn hint(scope: &str, session: &Arc<Session>) -> Option<String> {
        with_scope_hint(missing(scope), Some(session), DEFAULT).command
    }

    #[test]
    fn a_missing_scope_is_answered_by_the_command_that_asks_for_it_too() {
        let at_default = signed_in(DEFAULT, "usage:read keys:read", None);
        let expected = "bitrouter auth login --scope \"usage:read keys:read clients:read\"";
        assert_eq!(hint("clients:read", &at_default).as_deref(), Some(expected));
        let elsewhere = signed_in("https://node.example", "usage:read", None);
        let expected = "bitrouter auth login --scope \"usage:read clients:read\" --oauth-as https://node.example";
        assert_eq!(hint("clients:read", &elsewhere).as_deref(), Some(expected));
        let own = signed_in("http://127.0.0.1:4356", "", Some(" --local"));
        let expected = "bitrouter auth login --scope \"clients:read\" --local";
        assert_eq!(hint("clients:read", &own).as_deref(), Some(expected));
        let another = signed_in("http://127.0.0.1:4356", "", Some(" --local --namespace ns_2"));
        let expected = "bitrouter auth login --scope \"clients:read\" --local --namespace ns_2";
        assert_eq!(hint("clients:read", &another).as_deref(), Some(expected));
    }

    #[test]
    fn what_a_server_chose_becomes_no_command() {
        let session = signed_in(DEFAULT, "usage:read $(id) \"; `x`", None);
        let expected = "bitrouter auth login --scope \"usage:read keys:read\"";
        assert_eq!(hint("keys:read", &session).as_deref(), Some(expected));
        for scope in ["$(id)", "a\" b", "a b", "", "a;b"] {
            assert_eq!(hint(scope, &session), None, "{scope}");
        }
        // What a key would have had, and whoever makes it has not.
        let wider = AccountError { message: format!("{WIDER_THAN_CALLER}inference:invoke"), ..missing("") };
        let expected = "bitrouter auth login --scope \"usage:read inference:invoke\"";
        assert_eq!(with_scope_hint(wider, Some(&session), DEFAULT).command.as_deref(), Some(expected));
        let other = AccountError { status: Some(401), ..missing("keys:read") };
        assert_eq!(with_scope_hint(other, Some(&session), DEFAULT).command, None);
    }

    #[test]
    fn a_key_gets_no_wider_and_no_hint_to_sign_in() {
        let key = Some(Arc::new(Credential::ApiKey(ApiKeyCredential::new("brk_k".into(), DEFAULT))));
        let session = Arc::new(Session { credential: key, ..Session::default() });
        let mint = "bitrouter cloud keys mint --name NAME --scope \"keys:read\"";
        for (session, first) in
            [(Some(&session), "mint a wider key: "), (None, "mint a wider key and set BITROUTER_API_KEY to it: ")]
        {
            let error = with_scope_hint(missing("keys:read"), session, DEFAULT);
            assert_eq!(error.command, Some(format!("{first}{mint}")));
            assert_eq!(error.message, "missing required scope: keys:read");
        }
    }

    #[test]
    fn what_no_key_can_hold_takes_signing_in() {
        let key = Some(Arc::new(Credential::ApiKey(ApiKeyCredential::new("brk_k".into(), DEFAULT))));
        let session = Arc::new(Session { credential: key, ..Session::default() });
        for session in [Some(&session), None] {
            let error = with_scope_hint(missing("byok:write"), session, DEFAULT);
            let command = error.command.unwrap();
            assert!(command.starts_with("bitrouter auth login") && !command.contains("mint"), "{command}");
            assert_eq!(error.message, "missing required scope: byok:write, which no API key can hold");
        }
        // A session gets it by its next sign-in.
        let signed_in = signed_in("https://far", "usage:read", None);
        let error = with_scope_hint(missing("byok:write"), Some(&signed_in), DEFAULT);
        assert!(error.command.unwrap().contains("--scope \"usage:read byok:write\""));
    }
}
