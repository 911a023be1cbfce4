//! Calls of the account's REST, with the credential in force or with a key that the caller brings.

use std::{sync::Arc, time::Duration};

use bitrouter_gateway::ports::{AccountCredential, AccountRefused, AccountToken};
use bitrouter_node::Node;
use bitrouter_proto::{account::credential::Credential, codes::Reason};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use reqwest::Url;
use secrecy::SecretString;

use super::{
    AccountError, Credentials, Inner,
    exchange::local_uid,
    http::{Call, LocalUid, Reply, encode},
    issuer::server_url,
    metadata::unreachable,
    own::collected,
    reply::json_reply,
    shown::login_command,
};

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(30);

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

/// What the own node answers to `GET <path>` of its owner: JSON, as any client sees it.
///
/// # Errors
/// Where the node says no.
pub(crate) async fn own_node_json(node: &Arc<Node>, path: &str) -> Result<String, AccountError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() =
        path.parse().map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{path}` is no path")))?;
    let response = Arc::clone(node).answer_owner(request).await;
    let reply = collected(response).await.map_err(|reason| AccountError::new(Reason::Internal, reason))?;
    json_reply(&reply, OWN_NODE)
}

const OWN_NODE: &str = "the own node";

impl Credentials {
    /// What the account's server answers to `GET <server><path>`, exactly as it came: JSON. A 401 has the token renewed
    /// once. The own node answers in process.
    ///
    /// # Errors
    /// Where nobody is signed in, the server cannot be reached, or says no.
    pub(crate) async fn get_json(&self, path: &RestPath) -> Result<String, AccountError> {
        let keeper = &self.0;
        let token = match keeper.credential().await {
            Ok(AccountCredential::Token(token)) => token,
            Ok(AccountCredential::OwnNode(principal)) => {
                let path = path.at(&principal.namespace.to_string());
                let answered = keeper.own.get(principal, &path).await;
                let reply = answered.map_err(|reason| self.refused(AccountRefused::Unavailable(reason)))?;
                return json_reply(&reply, OWN_NODE);
            }
            Err(refused) => return Err(self.refused(refused)),
        };
        let path = &path.at(&self.namespace(path)?);
        let reply = keeper.get(&token, path).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(newer) = keeper.renewed(&token).await
        {
            let reply = keeper.get(&newer, path).await?;
            return json_reply(&reply, &newer.issuer);
        }
        json_reply(&reply, &token.issuer).map_err(|error| match keeper.held().ended.clone() {
            Some(reason) => self.refused(AccountRefused::Ended(reason)),
            None => error,
        })
    }

    /// The same with a key that is not the stored one.
    ///
    /// # Errors
    /// Where the server cannot be reached, or says no.
    pub(crate) async fn get_json_with_key(
        &self,
        server: &str,
        api_key: &SecretString,
        path: &RestPath,
    ) -> Result<String, AccountError> {
        let server = server_url(server)?;
        let token = AccountToken { token: api_key.clone(), issuer: server.into() };
        let reply = self.0.get(&token, &path.at(OWN_NAMESPACE)).await?;
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
    async fn get(self: &Arc<Self>, token: &AccountToken, path: &str) -> Result<Reply, AccountError> {
        let url = Url::parse(&format!("{}{path}", token.issuer))
            .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{}` is no URL", token.issuer)))?;
        let call = Call { method: Method::GET, url: &url, form: None, bearer: Some(&token.token), within: WITHIN };
        let reply = self.http.call(call, self.uid_of(token)).await;
        reply.map_err(|error| unreachable(&error))
    }

    /// Whose listener the server of `token` must be, where it is on this machine.
    fn uid_of(&self, token: &AccountToken) -> LocalUid {
        let held = self.held();
        match held.credential.as_deref() {
            Some(Credential::Oauth(oauth)) if *oauth.authorization_server == *token.issuer => local_uid(oauth),
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
