//! Calls of the account's REST, with the credential in force or with a key that the caller brings.
//!
//! What makes something carries an `Idempotency-Key`, the same at each try: where the reply is lost, or the token has to be
//! renewed first, it is sent once more and makes nothing more. Nothing else that changes is ever sent twice but behind a 401.

use std::{sync::Arc, time::Duration};

use bitrouter_gateway::{
    http::Principal,
    ports::{AccountCredential, AccountRefused, AccountToken},
};
use bitrouter_node::Node;
use bitrouter_proto::{account::credential::Credential, clock, codes::Reason};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use reqwest::Url;
use secrecy::SecretString;

use super::{
    AccountError, Credentials, Inner,
    exchange::local_uid,
    http::{Body, Call, LocalUid, Reply, encode},
    issuer::server_url,
    metadata::unreachable,
    own::collected,
    reply::json_reply,
    shown::login_command,
};

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(30);

/// How long it may take with a second try.
const IN_ALL: Duration = Duration::from_secs(50);

const JSON: &str = "application/json";

/// See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What stands for the namespace of a credential that does not say which one it is: every server knows what is meant.
const OWN_NAMESPACE: &str = "me";

/// What is asked of the account's REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestPath {
    /// Below the namespace of the credential, or below nothing.
    is_in_namespace: bool,
    below: String,
    query: String,
}

impl RestPath {
    /// What stands at `path`.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { is_in_namespace: false, below: path.into(), query: String::new() }
    }

    /// What stands at `below`, below the namespace of the credential.
    pub(crate) fn in_namespace(below: impl Into<String>) -> Self {
        Self { is_in_namespace: true, ..Self::new(below) }
    }

    /// The same with a parameter, where there is a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            let mark = if self.query.is_empty() { '?' } else { '&' };
            self.query.push(mark);
            self.query.push_str(name);
            self.query.push('=');
            encode(&value.to_string(), &mut self.query);
        }
        self
    }

    /// The path for `namespace`.
    pub(crate) fn at(&self, namespace: &str) -> String {
        let Self { is_in_namespace, below, query } = self;
        if *is_in_namespace { format!("/v1/namespaces/{namespace}{below}{query}") } else { format!("{below}{query}") }
    }
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestCall {
    method: Method,
    path: RestPath,
    /// JSON.
    body: Option<String>,
    once: Option<HeaderValue>,
    is_at_once: bool,
}

impl RestCall {
    fn new(method: Method, path: RestPath) -> Self {
        Self { method, path, body: None, once: None, is_at_once: false }
    }

    /// Reads what stands at `path`.
    pub(crate) fn get(path: RestPath) -> Self {
        Self::new(Method::GET, path)
    }

    /// Does what is done there, which may be done again.
    pub(crate) fn post(path: RestPath) -> Self {
        Self::new(Method::POST, path)
    }

    /// Changes what stands there.
    pub(crate) fn put(path: RestPath) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Takes it away.
    pub(crate) fn delete(path: RestPath) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// The same with a JSON body.
    pub(crate) fn with_body(self, body: String) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The same, as a call that makes something once for each `key`.
    pub(crate) fn once(self, key: HeaderValue) -> Self {
        Self { once: Some(key), ..self }
    }

    /// The same for somebody who does not wait: no token is renewed for it.
    pub(crate) fn at_once(self) -> Self {
        Self { is_at_once: true, ..self }
    }

    /// As the own node takes it at `path`.
    fn request(&self, path: &str) -> Result<Request<Bytes>, AccountError> {
        let mut request = Request::builder().method(self.method.clone()).uri(path);
        if self.body.is_some() {
            request = request.header(header::CONTENT_TYPE, JSON);
        }
        if let Some(key) = &self.once {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let body = self.body.clone().map(Bytes::from).unwrap_or_default();
        let no_path = |_| AccountError::new(Reason::InvalidArgument, format!("`{path}` is no path"));
        request.body(body).map_err(no_path)
    }
}

/// What the own node answers its owner, for `namespace`: JSON, as any client sees it.
///
/// # Errors
/// Where the node says no.
pub(crate) async fn own_node_json(node: &Arc<Node>, namespace: &str, call: &RestCall) -> Result<String, AccountError> {
    let response = Arc::clone(node).answer_owner(call.request(&call.path.at(namespace))?).await;
    let reply = collected(response).await.map_err(|reason| AccountError::new(Reason::Internal, reason))?;
    json_reply(&reply, OWN_NODE)
}

const OWN_NODE: &str = "the own node";

impl Credentials {
    /// What the account's server answers, exactly as it came: JSON. A 401 has the token renewed once. The own node answers in
    /// process.
    ///
    /// # Errors
    /// Where nobody is signed in, the server cannot be reached, or says no.
    pub(crate) async fn json(&self, call: &RestCall) -> Result<String, AccountError> {
        let keeper = &self.0;
        let credential = if call.is_at_once { keeper.at_hand().await } else { keeper.credential().await };
        let token = match credential {
            Ok(AccountCredential::Token(token)) => token,
            Ok(AccountCredential::OwnNode(principal)) => {
                return self.of_own_node(principal, call).await;
            }
            Err(refused) => return Err(self.refused(refused)),
        };
        let path = &call.path.at(&self.namespace(&call.path)?);
        let reply = keeper.send(&token, call, path).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && !call.is_at_once
            && let Some(newer) = keeper.renewed(&token).await
        {
            let reply = keeper.send(&newer, call, path).await?;
            return json_reply(&reply, &newer.issuer);
        }
        json_reply(&reply, &token.issuer).map_err(|error| match keeper.held().ended.clone() {
            Some(reason) => self.refused(AccountRefused::Ended(reason)),
            None => error,
        })
    }

    async fn of_own_node(&self, principal: Principal, call: &RestCall) -> Result<String, AccountError> {
        let request = call.request(&call.path.at(&principal.namespace.to_string()))?;
        let answered = self.0.own.answer(principal, request).await;
        let reply = answered.map_err(|reason| self.refused(AccountRefused::Unavailable(reason)))?;
        json_reply(&reply, OWN_NODE)
    }

    /// The same with a key that is not the stored one. One of the own node's goes over no socket, whatever `server` is.
    ///
    /// # Errors
    /// Where the server cannot be reached, or says no.
    pub(crate) async fn json_with_key(
        &self,
        server: &str,
        api_key: &SecretString,
        call: &RestCall,
    ) -> Result<String, AccountError> {
        if self.0.own.minted(api_key).await {
            return match self.0.own_key(api_key).await {
                Ok(principal) => self.of_own_node(principal, call).await,
                // It goes to no server, also where it opens nothing here any more.
                Err(AccountRefused::Ended(why)) => {
                    Err(AccountError { status: Some(401), ..AccountError::new(Reason::ServerRefused, why) })
                }
                Err(refused) => Err(self.refused(refused)),
            };
        }
        let server = server_url(server)?;
        let token = AccountToken { token: api_key.clone(), issuer: server.into() };
        let reply = self.0.send(&token, call, &call.path.at(OWN_NAMESPACE)).await?;
        json_reply(&reply, &token.issuer)
    }

    /// What stands in `path` for the namespace of the credential that is held: the one that it is baked to.
    fn namespace(&self, path: &RestPath) -> Result<String, AccountError> {
        let named = match self.0.held().credential.as_deref() {
            Some(Credential::Oauth(tokens)) => tokens.namespace_id.clone(),
            _ => Some(OWN_NAMESPACE.to_owned()),
        };
        // A server chose it, and it becomes part of a URL.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        match named {
            _ if !path.is_in_namespace => Ok(String::new()),
            Some(id) if !id.is_empty() && id.bytes().all(plain) => Ok(id),
            _ => {
                let message = "the credential does not say which namespace it is bound to; sign in again";
                let command = login_command(&self.session(), &self.0.default_server.load());
                Err(AccountError::new(Reason::InvalidArgument, message).with_command(command))
            }
        }
    }

    /// A refusal as the control API says it.
    pub(crate) fn refused(&self, refused: AccountRefused) -> AccountError {
        match refused {
            AccountRefused::SignedOut => AccountError::not_signed_in(),
            AccountRefused::Ended(reason) => {
                let command = login_command(&self.session(), &self.0.default_server.load());
                AccountError::new(Reason::SessionEnded, format!("the session has ended: {reason}"))
                    .with_command(command)
            }
            AccountRefused::OutOfReach(reason) => {
                let held = self.0.held();
                let status = held.status.filter(|_| held.trouble.as_ref() == Some(&reason));
                let kind = if status.is_some() { Reason::ServerFailed } else { Reason::ServerUnreachable };
                AccountError { status, ..AccountError::new(kind, reason) }
            }
            AccountRefused::Unavailable(reason) => AccountError::new(Reason::NodeOff, reason),
        }
    }
}

impl Inner {
    /// Sends a call to the server of `token`, and a second time where the reply is lost and that makes nothing twice.
    async fn send(self: &Arc<Self>, token: &AccountToken, call: &RestCall, path: &str) -> Result<Reply, AccountError> {
        let url = Url::parse(&format!("{}{path}", token.issuer))
            .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{}` is no URL", token.issuer)))?;
        let deadline = clock::after(IN_ALL);
        let mut was_sent = false;
        loop {
            let left = deadline.saturating_duration_since(clock::monotonic_now());
            let sent = Call {
                method: call.method.clone(),
                url: &url,
                body: call.body.clone().map(|json| Body::Json(json.into())),
                once: call.once.as_ref(),
                bearer: Some(&token.token),
                within: WITHIN.min(left),
            };
            match self.http.call(sent, self.uid_of(token)).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.is_lost() && call.once.is_some() && !was_sent => was_sent = true,
                Err(error) => {
                    let is_unknown = call.method != Method::GET && (was_sent || error.is_lost());
                    let error = unreachable(&error);
                    let said = if is_unknown { "; whether it was done is not known" } else { "" };
                    return Err(AccountError { message: format!("{}{said}", error.message), ..error });
                }
            }
        }
    }

    /// Whose listener the server of `token` must be, where it is on this machine.
    pub(super) fn uid_of(&self, token: &AccountToken) -> LocalUid {
        let held = self.held();
        match held.credential.as_deref() {
            Some(Credential::Oauth(oauth)) if *oauth.server() == *token.issuer => local_uid(oauth),
            Some(Credential::ApiKey(key)) if *key.base_url == *token.issuer => {
                key.issuer_uid.map_or(LocalUid::Own, LocalUid::Only)
            }
            _ => LocalUid::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_namespace_where_it_has_one() {
        let usage =
            RestPath::in_namespace("/usage").with("from", Some("2026-05-01T00:00:00+02:00")).with("to", None::<&str>);
        assert_eq!(usage.at("ns_1"), "/v1/namespaces/ns_1/usage?from=2026-05-01T00%3A00%3A00%2B02%3A00");
        let rows = RestPath::new("/v1/billing/transactions").with("limit", Some(5)).with("offset", Some(0));
        assert_eq!(rows.at("ns_1"), "/v1/billing/transactions?limit=5&offset=0");
    }
}
