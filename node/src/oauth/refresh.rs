//! A refresh (RFC 6749 §6): each refresh token is good for one successor, and whoever shows one twice may have stolen it
//! (RFC 9700 §4.14.2). But replies get lost, so a client that can prove nothing else gets the same successor again, until an access
//! token that came with it was used: that proves that the reply had arrived.

use bitrouter_proto::account::ScopeSet;

use super::{
    Client,
    error::OAuthError,
    issue::{self, ended, finish, first_used, judge_repeat},
    reply::Issued,
    request::ClientRequest,
};
use crate::{
    Node,
    clock::Moment,
    secret::{PresentedToken, TokenKind},
    store::{EndReason, GrantRow, RefreshTokenRow, Write},
};

/// `grant_type=refresh_token`.
pub(super) async fn answer(node: &Node, request: &ClientRequest) -> Result<Issued, OAuthError> {
    refresh(node, &request.client, request.required("refresh_token")?, request.scopes()).await
}

/// Refreshes for `client`, who presents `text`. Scopes that are none are refused once it is known that nothing else is wrong.
pub(super) async fn refresh(
    node: &Node,
    client: &Client,
    text: &str,
    wanted: Result<Option<ScopeSet>, OAuthError>,
) -> Result<Issued, OAuthError> {
    let presented = PresentedToken::parse(text.as_bytes())
        .filter(|presented| presented.kind == TokenKind::Refresh)
        .ok_or_else(unknown)?;
    let mut write = node.store.write().await?;
    let now = node.clock.wall();
    let token = RefreshTokenRow::find(&mut write, presented.hash).await?.ok_or_else(unknown)?;
    let found = GrantRow::find(&mut write, token.grant).await?.ok_or_else(unknown)?;
    let mut grant = found.row;
    // Before anything else: another client's attempt changes nothing.
    if !client.id.is(&grant.client_id) {
        return Err(unknown());
    }
    // As it is allowed now.
    let granted = grant.scopes;
    grant.scopes = granted.intersection(client.allowed);
    if found.has_ended || grant.ends_at() <= now || node.is_over(&grant) {
        return Err(ended());
    }
    if token.spent_at.is_none() {
        let scopes = narrowed(&grant, granted, wanted)?;
        return rotate(node, write, token, grant, text, scopes, now).await;
    }
    let successor = RefreshTokenRow::of_generation(&mut write, grant.id, token.generation + 1).await?;
    let successor = successor.filter(|successor| successor.spent_at.is_none());
    match successor.filter(|successor| may_be_lost(node, successor, now)) {
        Some(successor) => {
            let scopes = narrowed(&grant, granted, wanted)?;
            judge_repeat(&successor, now)?;
            repeat(node, write, successor, grant, text, scopes, now).await
        }
        None => {
            // The turn to write is given back: ending a session is one change, wherever it is asked for. It is durable
            // before the reply is sent.
            drop(write);
            tracing::warn!(session = %grant.id, client = %client.id, "a spent refresh token came again; its session was ended");
            node.end_grant(grant.id, EndReason::Replay).await?;
            node.note_keys_of_replayed_sessions().await;
            Err(OAuthError::invalid_grant(
                "this refresh token was used before, so its session was ended; sign in again",
            ))
        }
    }
}

/// True where the client that presents the predecessor may not have got this token.
fn may_be_lost(node: &Node, successor: &RefreshTokenRow, now: Moment) -> bool {
    let grace = node.settings.load().oauth.refresh_grace;
    first_used(node, successor).is_none_or(|used| now.since(used) <= grace)
}

/// The scopes of the access token: what is asked for, never more than was `granted` (RFC 6749 §6), as far as it is allowed now. The
/// grant keeps all its own.
fn narrowed(
    grant: &GrantRow,
    granted: ScopeSet,
    wanted: Result<Option<ScopeSet>, OAuthError>,
) -> Result<ScopeSet, OAuthError> {
    let wanted = wanted?.unwrap_or(granted);
    if granted.is_superset(wanted) {
        return Ok(wanted.intersection(grant.scopes));
    }
    Err(OAuthError::invalid_scope(format!("not granted to this session: {}", wanted.without(granted))))
}

async fn rotate(
    node: &Node,
    mut write: Write,
    token: RefreshTokenRow,
    mut grant: GrantRow,
    text: &str,
    scopes: ScopeSet,
    now: Moment,
) -> Result<Issued, OAuthError> {
    if !RefreshTokenRow::spend(&mut write, token.hash, now).await? {
        return Err(unknown());
    }
    grant.generation = token.generation + 1;
    grant.idle_expires_at = now.after(node.settings.load().oauth.refresh_token_ttl);
    grant.last_used_at = now;
    grant.advance(&mut write).await?;
    let refresh = issue::refresh_token(node, grant.id, grant.generation, text);
    RefreshTokenRow::new(refresh.hash(), grant.id, grant.generation, now).insert(&mut write).await?;
    finish(node, write, grant, refresh, scopes, now).await
}

async fn repeat(
    node: &Node,
    mut write: Write,
    successor: RefreshTokenRow,
    mut grant: GrantRow,
    text: &str,
    scopes: ScopeSet,
    now: Moment,
) -> Result<Issued, OAuthError> {
    let refresh = issue::refresh_token(node, grant.id, successor.generation, text);
    if refresh.hash() != successor.hash {
        // Another key made it: the database was moved without its own.
        return Err(unknown());
    }
    RefreshTokenRow::count_replay(&mut write, successor.hash, now).await?;
    grant.idle_expires_at = now.after(node.settings.load().oauth.refresh_token_ttl);
    grant.last_used_at = now;
    grant.advance(&mut write).await?;
    finish(node, write, grant, refresh, scopes, now).await
}

fn unknown() -> OAuthError {
    OAuthError::invalid_grant("there is no such refresh token for this client")
}
