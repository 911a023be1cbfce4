//! Revocation (RFC 7009): either token ends the session, from the next request on.

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::{CredentialId, GrantId};
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
    let request = ClientRequest::read(call).await?;
    // `token_type_hint` is no more than a hint (§2.1), and each token says itself what it is.
    revoke(&call.node, &request.client.id.to_string(), request.required("token")?.as_bytes()).await?;
    // A token that is none, is another client's, or had ended gets the same reply (§2.2): there is nothing to tell.
    Ok(reply::json(&json!({})))
}

/// Ends the session of a token that `client` holds.
pub(super) async fn revoke(node: &Node, client: &str, token: &[u8]) -> Result<(), StoreError> {
    let found = session_of(node, token).await;
    // Whoever presents a token that memory knows holds it: no database is needed to end its session.
    if let (Err(StoreError::Away { .. }), Ok(principal)) = (&found, node.live.judge(token))
        && let CredentialId::Grant(grant) = principal.credential
    {
        return node.end_grant(grant, EndReason::Revoked).await.map(drop);
    }
    let Some(grant) = found? else { return Ok(()) };
    let found = GrantRow::find(&mut node.store.read().await?, grant).await?;
    if found.is_some_and(|found| !found.has_ended && found.row.client_id == client) {
        node.end_grant(grant, EndReason::Revoked).await?;
    }
    Ok(())
}

/// The session of a token, old or new, that this node issued: what is kept of it stands in the database.
pub(super) async fn session_of(node: &Node, token: &[u8]) -> Result<Option<GrantId>, StoreError> {
    let Some(presented) = PresentedToken::parse(token) else { return Ok(None) };
    let mut read = node.store.read().await?;
    match presented.kind {
        TokenKind::Access => AccessTokenRow::grant_of(&mut read, presented.hash).await,
        TokenKind::Refresh => Ok(RefreshTokenRow::find(&mut read, presented.hash).await?.map(|row| row.grant)),
        // `/oauth/revoke` is for the tokens of sessions; keys are ended where they are listed.
        TokenKind::Key => Ok(None),
    }
}
