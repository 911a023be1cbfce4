//! What an authorization server says of itself (RFC 8414): asked at sign-in and at the first use, then kept in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bitrouter_proto::codes::Reason;
use http::Method;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{
    AccountError,
    http::{Call, CallError, Http, LocalUid},
    issuer::{endpoint, metadata_url, same_issuer},
};

/// How many servers are remembered: people have one or two.
const MOST: usize = 16;

/// What is used of the metadata.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) token: Url,
    pub(super) device_authorization: Option<Url>,
    pub(super) revocation: Option<Url>,
    /// True where the server lists its scopes.
    pub(super) lists_scopes: bool,
    /// Which node it is, where it says.
    pub(super) node_id: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    scopes_supported: Option<serde_json::Value>,
    node_id: Option<String>,
}

/// The metadata that was fetched.
#[derive(Debug, Default)]
pub(super) struct KnownServers {
    known: Mutex<HashMap<String, Arc<Metadata>>>,
}

impl KnownServers {
    /// What `server` said, once it was asked.
    ///
    /// # Errors
    /// Where it cannot be asked now, or says what cannot be used.
    pub(super) async fn of(
        &self,
        http: &Http,
        server: &str,
        uid: LocalUid,
        within: Duration,
    ) -> Result<Arc<Metadata>, AccountError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        match known {
            Some(known) => Ok(known),
            None => self.ask(http, server, uid, within).await,
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
        within: Duration,
    ) -> Result<Arc<Metadata>, AccountError> {
        let url = Url::parse(server)
            .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{server}` is no URL")))?;
        let url = metadata_url(&url);
        let call = Call { method: Method::GET, url: &url, body: None, once: None, bearer: None, within };
        let reply = http.call(call, uid).await.map_err(|error| unreachable(&error))?;
        let status = reply.status;
        let failed = |what: &str| AccountError {
            status: Some(status),
            ..AccountError::new(Reason::ServerFailed, format!("`{url}` {what}"))
        };
        if !(200..300).contains(&status) {
            let reason = if (400..500).contains(&status) { Reason::ServerRefused } else { Reason::ServerFailed };
            return Err(AccountError { reason, ..failed(&format!("answered {status}")) });
        }
        let document = serde_json::from_slice(reply.body.expose_secret())
            .map_err(|_| failed("answered with what is no metadata of an authorization server"))?;
        let read = Arc::new(read(server, document).map_err(|error| AccountError { status: Some(status), ..error })?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(server.to_owned(), Arc::clone(&read));
        Ok(read)
    }

    /// Forgets what `server` said: an endpoint of it is not where it was.
    pub(super) fn forget(&self, server: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

fn read(server: &str, document: Document) -> Result<Metadata, AccountError> {
    let failed = |message: String| AccountError::new(Reason::ServerFailed, message);
    if let Some(issuer) = &document.issuer
        && !same_issuer(issuer, server)
    {
        return Err(failed(format!("`{server}` says that it is the issuer `{issuer}`: no credential is sent there")));
    }
    let optional = |member, text: Option<String>| text.map(|text| endpoint(server, member, &text)).transpose();
    let Some(token) = optional("token_endpoint", document.token_endpoint)? else {
        return Err(failed(format!("the metadata of `{server}` names no `token_endpoint`")));
    };
    Ok(Metadata {
        token,
        device_authorization: optional("device_authorization_endpoint", document.device_authorization_endpoint)?,
        revocation: optional("revocation_endpoint", document.revocation_endpoint)?,
        lists_scopes: document.scopes_supported.is_some_and(|scopes| scopes.is_array()),
        node_id: document.node_id.filter(|id| !id.is_empty()),
    })
}

/// A server that gave no reply, as the control API says it.
pub(super) fn unreachable(error: &CallError) -> AccountError {
    let reason = match error {
        CallError::Refused(_) => Reason::ServerRefused,
        CallError::Unreachable(_) | CallError::Lost(_) => Reason::ServerUnreachable,
    };
    AccountError::new(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(server: &str, text: &str) -> Result<Metadata, String> {
        read(server, serde_json::from_str(text).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn an_issuer_that_is_another_is_refused_by_both_names() {
        let of = |issuer: &str| format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://a.example/token"}}"#);
        assert!(metadata("https://a.example", &of("https://a.example/")).is_ok());
        assert!(metadata("https://a.example", r#"{"token_endpoint":"https://a.example/token"}"#).is_ok());
        let error = metadata("https://a.example", &of("https://b.example")).unwrap_err();
        assert!(error.contains("https://a.example") && error.contains("https://b.example"), "{error}");
        let local = r#"{"issuer":"http://localhost:9","token_endpoint":"http://127.0.0.1:9/token"}"#;
        assert!(metadata("http://127.0.0.1:9", local).is_ok());
    }

    #[test]
    fn endpoints_are_safe_or_the_server_is_not_used() {
        for (text, expected) in [
            (r#"{"token_endpoint":"http://a.example/token"}"#, "token_endpoint"),
            (
                r#"{"token_endpoint":"https://a.example/t","revocation_endpoint":"http://b.example/r"}"#,
                "revocation_endpoint",
            ),
            ("{}", "names no `token_endpoint`"),
        ] {
            let error = metadata("https://a.example", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let full = r#"{"token_endpoint":"https://a.example/t","scopes_supported":[],"node_id":"n","later":1}"#;
        let read = metadata("https://a.example", full).unwrap();
        assert!(read.lists_scopes && read.node_id.as_deref() == Some("n") && read.revocation.is_none());
    }
}
