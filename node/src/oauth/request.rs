//! What a client sends to an OAuth endpoint: a form (RFC 6749 §3.2), and who the client is (§2.3).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_gateway::http::percent_decoded;
use bitrouter_proto::account::{Scope, ScopeSet, oauth_clients::GrantType};
use http::{HeaderMap, Uri, header};

use super::{Client, error::OAuthError};
use crate::{
    Node,
    http::{
        Call,
        body::{self, Form},
    },
    secret::TokenHash,
    store::OauthClientRow,
};

/// What is never read from a query: it would stand in logs and histories.
const NEVER_IN_A_QUERY: &[&str] =
    &["client_id", "client_secret", "code", "code_verifier", "device_code", "refresh_token", "access_token", "token"];

/// A request of a known client.
#[derive(Debug)]
pub(super) struct ClientRequest {
    pub(super) form: Form,
    pub(super) client: Arc<Client>,
}

impl ClientRequest {
    /// Reads the form, and finds the client that it is of: a confidential one has to show its secret.
    pub(super) async fn read(call: &Call) -> Result<Self, OAuthError> {
        // A body that is none needs no type: the client may stand in `Authorization`.
        let has_none = call.body.is_empty() && !call.head.headers.contains_key(header::CONTENT_TYPE);
        if !has_none && body::media_type(&call.head.headers).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(OAuthError::unsupported_media_type());
        }
        refuse_secrets_in_query(&call.head.uri)?;
        let form = Form::parse(&call.body).ok_or_else(|| OAuthError::invalid_request("the form is not UTF-8"))?;
        if let Some(name) = form.repeated_but(&[]) {
            return Err(OAuthError::invalid_request(format!("`{name}` was sent more than once")));
        }
        let client = client_of(&call.node, &call.head.headers, &form)?;
        note_secret(&call.node, &client).await;
        Ok(Self { form, client })
    }

    /// Whether the client may come to tokens so.
    pub(super) fn judge_grant(&self, grant: GrantType) -> Result<(), OAuthError> {
        if self.client.may_use(grant) {
            return Ok(());
        }
        Err(OAuthError::unauthorized_client(format!("the client is not allowed the grant type `{grant}`")))
    }

    /// See [`judge_resource_of`].
    pub(super) fn judge_resource(&self, issuer: &str) -> Result<(), OAuthError> {
        judge_resource_of(&self.form, issuer)
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.form.one(name).ok_or_else(|| OAuthError::invalid_request(format!("`{name}` is missing")))
    }

    /// The scopes that are asked for; `None` where nothing is said of them.
    pub(super) fn scopes(&self) -> Result<Option<ScopeSet>, OAuthError> {
        self.form.one("scope").map_or(Ok(None), wanted_scopes)
    }
}

/// The issuer is the only resource that a token can be for (RFC 8707 §2).
pub(super) fn judge_resource_of(form: &Form, issuer: &str) -> Result<(), OAuthError> {
    match form.one("resource") {
        Some(resource) if !is_same_issuer(resource, issuer) => {
            Err(OAuthError::invalid_target(format!("`resource` may only be {issuer}")))
        }
        _ => Ok(()),
    }
}

/// The scopes of a list; `None` where it is empty.
pub(super) fn wanted_scopes(text: &str) -> Result<Option<ScopeSet>, OAuthError> {
    let scopes = ScopeSet::parse(text).map_err(|error| OAuthError::invalid_scope(error.to_string()))?;
    judge_scopes(scopes)?;
    Ok((!scopes.is_empty()).then_some(scopes))
}

/// What no token is given, whoever asks for it.
pub(super) fn judge_scopes(wanted: ScopeSet) -> Result<(), OAuthError> {
    if wanted.contains(Scope::NamespaceWrite) {
        return Err(OAuthError::invalid_scope(
            "`namespace:write` is never given to a token: namespaces are made and \
             deleted on the console, or by `bitrouter node namespace`",
        ));
    }
    Ok(())
}

fn refuse_secrets_in_query(uri: &Uri) -> Result<(), OAuthError> {
    let Some(query) = Form::parse(uri.query().unwrap_or_default().as_bytes()) else {
        return Err(OAuthError::invalid_request("the query is not UTF-8"));
    };
    match NEVER_IN_A_QUERY.iter().find(|name| !query.all(name).is_empty()) {
        Some(name) => Err(OAuthError::invalid_request(format!("`{name}` belongs into the body, never into the query"))),
        None => Ok(()),
    }
}

/// The client: by `client_id` in the body, or by HTTP Basic. One that has a secret shows it in one of both (RFC 6749 §2.3.1); one
/// that has none may send an empty password, as some libraries do.
fn client_of(node: &Node, headers: &HeaderMap, form: &Form) -> Result<Arc<Client>, OAuthError> {
    let basic = basic_credentials(headers)?;
    if basic.is_some() && headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(OAuthError::invalid_request("`Authorization` was sent more than once"));
    }
    let id = match (&basic, form.one("client_id")) {
        (Some((id, _)), Some(named)) if id != named => {
            return Err(OAuthError::invalid_request("`client_id` names another client than `Authorization`"));
        }
        (Some((id, _)), _) => id,
        (None, Some(named)) => named,
        (None, None) => return Err(OAuthError::invalid_request("`client_id` is missing")),
    };
    let client =
        node.clients.find(id).ok_or_else(|| OAuthError::invalid_client(format!("there is no client `{id}` here")))?;
    let by_basic = basic.as_ref().map(|(_, secret)| secret.as_str()).filter(|secret| !secret.is_empty());
    let shown = match (by_basic, form.one("client_secret")) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request("the secret was sent in `Authorization` and in the body"));
        }
        (by_basic, by_post) => by_basic.or(by_post),
    };
    match (client.is_confidential(), shown) {
        (false, None) => Ok(client),
        (false, Some(_)) => {
            Err(OAuthError::invalid_client(format!("`{}` is a public client and has no secret", client.id)))
        }
        (true, None) => Err(OAuthError::invalid_client(format!("`{}` has to show its secret", client.id))),
        (true, Some(shown)) => {
            let kept = client.registration.as_ref().and_then(|known| known.secret);
            // Hashes are compared: how long that takes tells nothing of the secret.
            if kept == Some(TokenHash::of(shown.as_bytes())) {
                Ok(client)
            } else {
                Err(OAuthError::invalid_client(format!("this is not the secret of `{}`", client.id)))
            }
        }
    }
}

/// Notes that a client has its secret: whoever registers it again gets no other one.
async fn note_secret(node: &Node, client: &Client) {
    let Some(known) = client.registration.as_ref().filter(|known| known.secret.is_some()) else { return };
    if !known.shows_secret() {
        return;
    }
    let noted = async {
        let mut write = node.store.write().await?;
        OauthClientRow::note_use(&mut write, known.id, node.clock.wall()).await?;
        write.commit().await
    };
    // Memory knows it; only a start would forget it.
    let noted: Result<(), crate::store::StoreError> = noted.await;
    if let Err(error) = noted {
        tracing::warn!(%error, client = %client.id, "the first use of a client's secret could not be written");
    }
}

/// The name and password of HTTP Basic (RFC 7617), each form-encoded (RFC 6749 §2.3.1). Other schemes are none of ours.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let malformed = || OAuthError::invalid_client("`Authorization` cannot be read");
    let Some((scheme, encoded)) = value.to_str().map_err(|_| malformed())?.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (name, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(malformed)?;
    let form_decoded =
        |text: &str| String::from_utf8(percent_decoded(&text.replace('+', " ")).into_owned()).map_err(|_| malformed());
    Ok(Some((form_decoded(name)?, form_decoded(password)?)))
}

/// True where `resource` is the issuer: a slash at its end and the spelling of loopback mean nothing.
fn is_same_issuer(resource: &str, issuer: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches('/').to_owned();
    let loopback = |text: &str| {
        let rest = text.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':')?;
        matches!(host, "127.0.0.1" | "localhost" | "[::1]").then(|| (port.to_owned(), path.to_owned()))
    };
    let (resource, issuer) = (plain(resource), plain(issuer));
    resource == issuer || loopback(&resource).is_some_and(|meant| loopback(&issuer) == Some(meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8707_2_the_issuer_is_the_only_resource() {
        let issuer = "http://127.0.0.1:4356";
        for same in [issuer, "http://127.0.0.1:4356/", "http://localhost:4356", "http://[::1]:4356/"] {
            assert!(is_same_issuer(same, issuer), "{same}");
        }
        for other in ["", "http://127.0.0.1:4357", "https://localhost:4356", "http://127.0.0.1:4356/x", "http://a:4356"]
        {
            assert!(!is_same_issuer(other, issuer), "{other}");
        }
        assert!(!is_same_issuer("http://localhost", "https://node.example"));
    }

    #[test]
    fn rfc6749_2_3_1_basic_names_are_form_encoded() {
        let headers = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let basic = |text: &str| basic_credentials(&headers(&format!("basic {}", STANDARD.encode(text)))).unwrap();
        assert_eq!(basic("bitrouter%2Dcli:"), Some(("bitrouter-cli".to_owned(), String::new())));
        assert_eq!(basic("a:b:c"), Some(("a".to_owned(), "b:c".to_owned())));
        assert!(basic_credentials(&headers("Basic ?")).is_err());
        assert!(basic_credentials(&headers("Bearer x")).unwrap().is_none());
    }
}
