//! Introspection (RFC 7662): a confidential client asks what is left of a token of its own. Of any other it learns nothing.

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::{CredentialId, GrantId, Role, ScopeSet, oauth_clients::GrantType};
use http::Response;
use serde_json::{Value, json};

use super::{Client, error::OAuthError, request::ClientRequest};
use crate::{
    Node,
    clock::Moment,
    http::{Call, reply},
    secret::{PresentedToken, TokenKind},
    store::{GrantRow, RefreshTokenRow, StoreError},
};

/// `POST /oauth/introspect`.
pub(super) fn post(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call).await.unwrap_or_else(OAuthError::into_response) })
}

async fn answer(call: &Call) -> Result<Response<ResponseBody>, OAuthError> {
    let request = ClientRequest::read(call).await?;
    // Whoever finds a token could else ask what it is good for (§4).
    if !request.client.is_confidential() {
        return Err(OAuthError::invalid_client("this endpoint is for confidential clients: they show their secret"));
    }
    // `token_type_hint` is no more than a hint (§2.1), and each token says itself what it is.
    let token = request.required("token")?;
    let found = found(&call.node, &request.client, token.as_bytes()).await?;
    Ok(reply::json(&found.map_or_else(|| json!({ "active": false }), |found| found.told(call, &request.client))))
}

/// A token that is good for something.
struct Found {
    grant: GrantRow,
    scopes: ScopeSet,
    issued_at: Moment,
    expires_at: Moment,
    is_access: bool,
}

impl Found {
    /// What is told of it (§2.2).
    fn told(self, call: &Call, client: &Client) -> Value {
        let seconds = |at: Moment| at.millis().div_euclid(1_000);
        let mut told = json!({
            "active": true,
            "scope": self.scopes.to_string(),
            "client_id": client.id.to_string(),
            "exp": seconds(self.expires_at),
            "iat": seconds(self.issued_at),
            "sub": self.grant.person,
            "iss": call.node.settings.load().issuer,
            "namespace_id": self.grant.namespace,
        });
        if self.is_access {
            told["token_type"] = "Bearer".into();
        }
        told
    }
}

/// What `token` is, where it is the client's and good for something now.
async fn found(node: &Node, client: &Client, token: &[u8]) -> Result<Option<Found>, StoreError> {
    let Some(presented) = PresentedToken::parse(token) else { return Ok(None) };
    let now = node.clock.wall();
    match presented.kind {
        TokenKind::Access => {
            let Some((principal, expires_at)) = node.live.look(token) else { return Ok(None) };
            let (CredentialId::Grant(id), Some(role)) =
                (principal.credential, node.roles.of(principal.person, principal.namespace))
            else {
                return Ok(None);
            };
            let Some(grant) = own(node, client, id, now).await? else { return Ok(None) };
            let scopes = principal.scopes.intersection(role.scopes());
            let issued_at = grant.created_at.max(expires_at.before(node.settings.load().oauth.access_token_ttl));
            Ok(Some(Found { grant, scopes, issued_at, expires_at, is_access: true }))
        }
        // Whoever may not refresh has no use of it.
        TokenKind::Refresh if !client.may_use(GrantType::RefreshToken) => Ok(None),
        TokenKind::Refresh => {
            let row = RefreshTokenRow::find(&mut node.store.read().await?, presented.hash).await?;
            let Some(row) = row.filter(|row| row.spent_at.is_none()) else { return Ok(None) };
            let Some(grant) = own(node, client, row.grant, now).await? else { return Ok(None) };
            let role = node.roles.of(grant.person, grant.namespace).map_or(ScopeSet::EMPTY, Role::scopes);
            let scopes = grant.scopes.intersection(client.allowed).intersection(role);
            if scopes.is_empty() {
                return Ok(None);
            }
            let expires_at = grant.ends_at();
            Ok(Some(Found { issued_at: row.created_at, grant, scopes, expires_at, is_access: false }))
        }
        TokenKind::Key => Ok(None),
    }
}

/// The session, where it is the client's and has not ended.
async fn own(node: &Node, client: &Client, id: GrantId, now: Moment) -> Result<Option<GrantRow>, StoreError> {
    let found = GrantRow::find(&mut node.store.read().await?, id).await?.filter(|found| !found.has_ended);
    let is_own = |grant: &GrantRow| client.id.is(&grant.client_id) && grant.ends_at() > now && !node.is_over(grant);
    Ok(found.map(|found| found.row).filter(is_own))
}
