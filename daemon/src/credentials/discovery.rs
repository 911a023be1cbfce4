//! What a server says of how to sign in to it, in `/api/v1/auth/discovery`
//! (<https://docs.tokenroute.io/docs/api-reference>). A server that says it speaks `/api/v1` too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bitrouter_proto::{
    account::{
        credential::{OauthCredential, same_server},
        everyday::DISCOVERY_PATH,
    },
    clock,
    codes::Reason,
};
use http::Method;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{
    AccountError, Inner,
    exchange::METADATA,
    http::{Call, Http, LocalUid, shown},
    issuer::{endpoint, same_issuer},
    metadata::{Metadata, unreachable},
    reply::json_reply,
};

/// How long the question may take.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// How long an answer is kept: a server changes its mind with a release.
const KEPT: Duration = Duration::from_mins(5);
/// How many servers are remembered: people have one or two.
const MOST: usize = 16;

/// How to sign in to a server.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// What tokens are asked for (RFC 8707).
    pub(super) resource: String,
    /// Separated by spaces.
    pub(super) scopes: String,
    pub(super) metadata: Arc<Metadata>,
}

impl Discovered {
    /// Says whether the tokens are for `server`, whose document this is: one that names another server would be handed tokens that
    /// open that one.
    ///
    /// # Errors
    /// Where they are not. Then nobody may sign in.
    pub(super) fn judge_resource(&self, server: &str) -> Result<(), AccountError> {
        if same_server(&self.resource, server) {
            return Ok(());
        }
        let message = format!(
            "`{server}` says that tokens for it are for `{}` (`resource`), which is another server: nobody is signed in there, \
             and nothing was sent",
            shown_text(&self.resource)
        );
        Err(AccountError::new(Reason::Conflict, message))
    }
}

/// A server's text as it may be shown.
fn shown_text(text: &str) -> String {
    text.chars().filter(|c| !bitrouter_proto::account::is_hidden(*c)).take(300).collect()
}

/// What was answered, and when; `None` where there is no such document.
#[derive(Clone, Debug)]
struct Answered {
    at: Instant,
    discovered: Option<Arc<Discovered>>,
}

/// The answers that are kept.
#[derive(Debug, Default)]
pub(super) struct KnownDiscoveries(Mutex<HashMap<String, Answered>>);

impl KnownDiscoveries {
    /// What `server` says; `None` where it has no such document.
    ///
    /// # Errors
    /// Where it cannot be asked now, or says what cannot be used.
    pub(super) async fn of(
        &self,
        http: &Http,
        server: &str,
        uid: LocalUid,
    ) -> Result<Option<Arc<Discovered>>, AccountError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        match known {
            Some(known) if clock::monotonic_now().saturating_duration_since(known.at) < KEPT => Ok(known.discovered),
            _ => self.ask(http, server, uid).await,
        }
    }

    /// Asks `server`, whatever is known.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(super) async fn ask(
        &self,
        http: &Http,
        server: &str,
        uid: LocalUid,
    ) -> Result<Option<Arc<Discovered>>, AccountError> {
        let url = Url::parse(&format!("{server}{DISCOVERY_PATH}"))
            .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{server}` is no URL")))?;
        let call = Call { method: Method::GET, url: &url, body: None, once: None, bearer: None, within: WITHIN };
        let reply = http.call(call, uid).await.map_err(|error| unreachable(&error))?;
        let status = reply.status;
        // Trouble is no answer to whether there is such a document.
        if status >= 500 || matches!(status, 408 | 429) {
            let said = json_reply(&reply, &shown(&url)).err();
            return Err(said.unwrap_or_else(|| {
                let message = format!("`{url}` answered {status}");
                AccountError { status: Some(status), ..AccountError::new(Reason::ServerFailed, message) }
            }));
        }
        let found = match serde_json::from_slice::<Value>(reply.body.expose_secret()) {
            Ok(document) if (200..300).contains(&status) => read(server, &document)?,
            _ => None,
        };
        let discovered = found.map(Arc::new);
        let answered = Answered { at: clock::monotonic_now(), discovered: discovered.clone() };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(server.to_owned(), answered);
        Ok(discovered)
    }

    /// Forgets what `server` said: an endpoint of it is not where it was.
    pub(super) fn forget(&self, server: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

const MEMBERS: [&str; 6] =
    ["issuer", "client_id", "resource", "scopes", "device_authorization_endpoint", "token_endpoint"];

/// Reads the document of `server`; `None` where it is another one.
fn read(server: &str, document: &Value) -> Result<Option<Discovered>, AccountError> {
    if !MEMBERS.iter().any(|member| document.get(member).is_some()) {
        return Ok(None);
    }
    let missing = |member: &str| {
        let message = format!("the document at `{server}{DISCOVERY_PATH}` has no `{member}` that can be used");
        AccountError::new(Reason::ServerFailed, message)
    };
    let text = |member: &str| {
        let text = document.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| missing(member))
    };
    // RFC 6749 §3.3, without what would be two of them.
    let is_scope =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let scopes = document.get("scopes").and_then(Value::as_array).ok_or_else(|| missing("scopes"))?;
    let scopes: Option<Vec<&str>> = scopes.iter().map(|scope| scope.as_str().filter(|word| is_scope(word))).collect();
    let issuer = text("issuer")?;
    endpoint(server, "issuer", &issuer)?;
    let of = |member: &str| endpoint(server, member, &text(member)?);
    Ok(Some(Discovered {
        issuer: issuer.trim_end_matches('/').to_owned(),
        client_id: text("client_id")?,
        resource: text("resource")?,
        scopes: scopes.ok_or_else(|| missing("scopes"))?.join(" "),
        metadata: Arc::new(Metadata {
            token: of("token_endpoint")?,
            device_authorization: Some(of("device_authorization_endpoint")?),
            revocation: None,
            lists_scopes: true,
            node_id: None,
        }),
    }))
}

/// Where tokens were when somebody signed in.
fn stored(api_url: &str, credential: &OauthCredential) -> Option<Arc<Metadata>> {
    let token = endpoint(api_url, "token_endpoint", credential.token_endpoint.as_deref()?).ok()?;
    Some(Arc::new(Metadata { token, device_authorization: None, revocation: None, lists_scopes: true, node_id: None }))
}

impl Inner {
    /// What the server that renews `credential` says of itself.
    ///
    /// # Errors
    /// Where it cannot be asked now, or is another one than issued it.
    pub(super) async fn renewing(
        &self,
        credential: &OauthCredential,
        uid: LocalUid,
    ) -> Result<Arc<Metadata>, AccountError> {
        let issuer = &credential.authorization_server;
        if let Some(api_url) = &credential.api_url
            && let Some(found) = match self.discoveries.of(&self.http, api_url, uid).await {
                Ok(found) => found,
                // Whoever is signed in goes on, also where nobody else can sign in now.
                Err(error) => return stored(api_url, credential).ok_or(error),
            }
        {
            if same_issuer(&found.issuer, issuer) {
                return Ok(Arc::clone(&found.metadata));
            }
            let message = format!(
                "`{api_url}` says that its issuer is `{}`, and the session is of `{issuer}`: no credential is sent there",
                found.issuer
            );
            return Err(AccountError::new(Reason::ServerFailed, message));
        }
        self.servers.of(&self.http, issuer, uid, METADATA).await
    }

    /// Forgets where tokens of `credential` are renewed.
    pub(super) fn forget_renewing(&self, credential: &OauthCredential) {
        self.servers.forget(&credential.authorization_server);
        if let Some(api_url) = &credential.api_url {
            self.discoveries.forget(api_url);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "issuer": "https://auth.example/oidc/", "client_id": "cli", "resource": "https://api.example",
            "scopes": ["openid", "offline_access"], "later": 1,
            "device_authorization_endpoint": "https://auth.example/oidc/device",
            "token_endpoint": "https://auth.example/oidc/token",
        })
    }

    #[test]
    fn all_six_members_have_to_be_there_and_be_safe() {
        let found = read("https://api.example", &document()).unwrap().unwrap();
        assert_eq!(
            (found.issuer.as_str(), found.scopes.as_str()),
            ("https://auth.example/oidc", "openid offline_access")
        );
        assert_eq!(found.metadata.token.as_str(), "https://auth.example/oidc/token");
        for member in MEMBERS {
            for wrong in [Value::Null, json!(7), json!("")] {
                let mut document = document();
                document[member] = wrong;
                let error = read("https://api.example", &document).unwrap_err();
                assert!(error.message.contains(&format!("`{member}`")), "{}", error.message);
                assert_eq!(error.reason, Reason::ServerFailed);
            }
        }
        for (member, wrong) in [
            ("token_endpoint", "http://auth.example/token"),
            ("token_endpoint", "http://127.0.0.1:1/token"),
            ("device_authorization_endpoint", "ftp://auth.example"),
            ("issuer", "http://auth.example"),
        ] {
            let mut document = document();
            document[member] = wrong.into();
            let error = read("https://api.example", &document).unwrap_err();
            assert!(error.message.contains(member) && error.message.contains(wrong), "{}", error.message);
        }
        let mut two = document();
        two["scopes"] = json!(["a b"]);
        assert!(read("https://api.example", &two).is_err());
    }

    #[test]
    fn another_document_is_none() {
        for other in [json!({}), json!([]), json!({"data": []}), json!("issuer"), json!({"error": {"message": "x"}})] {
            assert!(read("https://api.example", &other).unwrap().is_none(), "{other}");
        }
    }
}
