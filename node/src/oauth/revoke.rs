//! Revocation (RFC 7009): either token ends the session, from the next request on.

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::GrantId;
use http::Response;
use serde_json::json;

use super::{error::OAuthError, request::ClientRequest};
use crate::{
    Node,
    http::{Call, reply},
    secret::{PresentedToken, TokenKind},
    store::{AccessTokenRow, EndReason, GrantRow, RefreshTokenRow, StoreError},
};

/// `POST /oauth/revoke`.
pub(super) fn post(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call).await.unwrap_or_else(OAuthError::into_response) })
}

async fn answer(call: &Call) -> Result<Response<ResponseBody>, OAuthError> {
    let request = ClientRequest::read(call)?;
    // `token_type_hint` is no more than a hint (§2.1), and each token says itself what it is.
    let token = request.required("token")?;
    if let Some(presented) = PresentedToken::parse(token.as_bytes())
        && let Some(grant) = session_of(&call.node, presented, request.client.id).await?
    {
        call.node.end_grant(grant, EndReason::Revoked).await?;
    }
    // A token that is none, is another client's, or had ended gets the same reply (§2.2): there is nothing to tell.
    Ok(reply::json(&json!({})))
}

/// The session of a token, old or new, where `client` holds it.
async fn session_of(node: &Node, presented: PresentedToken, client: &str) -> Result<Option<GrantId>, StoreError> {
    let mut read = node.store.read().await?;
    let grant = match presented.kind {
        TokenKind::Access => AccessTokenRow::grant_of(&mut read, presented.hash).await?,
        TokenKind::Refresh => RefreshTokenRow::find(&mut read, presented.hash).await?.map(|row| row.grant),
    };
    let Some(grant) = grant else { return Ok(None) };
    let found = GrantRow::find(&mut read, grant).await?;
    Ok(found.filter(|found| !found.has_ended && found.row.client_id == client).map(|found| found.row.id))
}
