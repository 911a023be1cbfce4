//! Making tokens: a refresh token is derived and can be made again, an access token is random and cannot.

use std::time::Duration;

use bitrouter_proto::account::{GrantId, ScopeSet, oauth_clients::GrantType};

use super::{error::OAuthError, live::NewLive, reply::Issued};
use crate::{
    Node,
    clock::Moment,
    secret::{Token, TokenKind, random_bytes},
    store::{AccessTokenRow, GrantRow, RefreshTokenRow, Write},
};

/// How often a refresh token is given out again before that is slowed down.
const REPEATS: i64 = 32;
const SLOW: Duration = Duration::from_mins(1);

/// The refresh token of a generation: what the node's key makes of the session, the generation and the text (a refresh token or
/// device code) that is presented for it. Only who presents that text gets it, and only this node can make it.
pub(super) fn refresh_token(node: &Node, grant: GrantId, generation: i64, presented: &str) -> Token {
    let parts: [&[u8]; 3] = [&grant.ulid().to_bytes(), &generation.to_be_bytes(), presented.as_bytes()];
    Token::of_seed(TokenKind::Refresh, grant.ulid(), &node.key.derive("refresh token", &parts))
}

/// Writes a fresh access token of the newest generation of `grant`, and makes all that `write` holds durable. It may do what
/// is left of `scopes` under the present role of its person.
///
/// # Errors
/// `invalid_scope` where that is nothing: nothing was spent, and what was taken can be given back.
pub(super) async fn finish(
    node: &Node,
    mut write: Write,
    grant: GrantRow,
    refresh: Token,
    scopes: ScopeSet,
    now: Moment,
) -> Result<Issued, OAuthError> {
    // Who deletes a client has had the turn to write before, or gets it after this.
    let client = node.clients.find(&grant.client_id).ok_or_else(ended)?;
    let renews = client.may_use(GrantType::RefreshToken);
    let role = node.roles.of(grant.person, grant.namespace).ok_or_else(ended)?;
    let scopes = scopes.intersection(role.scopes());
    if scopes.is_empty() {
        return Err(OAuthError::invalid_scope(
            "nothing is left of the scopes of this session: the client, or the role of its person, is allowed none of them now",
        ));
    }
    let access = Token::of_seed(TokenKind::Access, grant.id.ulid(), &random_bytes());
    let (hash, generation) = (access.hash(), grant.generation);
    let expires_at = now.after(node.settings.load().oauth.access_token_ttl).min(grant.expires_at);
    let row = AccessTokenRow { hash, grant: grant.id, generation, scopes, created_at: now, expires_at };
    row.insert(&mut write).await?;
    let first_used = RefreshTokenRow::of_generation(&mut write, grant.id, generation).await?;
    let first_used = first_used.and_then(|row| row.first_used_at);
    let (person, namespace) = (grant.person, grant.namespace);
    let client = grant.client_id.as_str().into();
    let live = NewLive { hash, grant: grant.id, client, person, namespace, scopes, generation, expires_at };
    // Before the commit: whoever ends this session waits for the turn to write, and then finds the token in memory.
    if !node.live.insert(live, first_used) {
        return Err(ended());
    }
    if let Err(error) = write.commit().await {
        node.live.take_back(hash);
        return Err(error.into());
    }
    Ok(Issued { access, access_expires_at: expires_at, refresh, renews, scopes, grant, now })
}

/// Whether the tokens of a generation that nobody has refreshed yet may be given out once more.
///
/// # Errors
/// Where that happened too often: then once a minute, so that nothing is lost for a client that gets no reply.
pub(super) fn judge_repeat(row: &RefreshTokenRow, now: Moment) -> Result<(), OAuthError> {
    let is_slow = row.replays >= REPEATS && row.replayed_at.is_some_and(|at| at <= now && now.since(at) < SLOW);
    if is_slow {
        Err(OAuthError::unavailable("this was asked for too often; one a minute is answered", SLOW))
    } else {
        Ok(())
    }
}

/// When an access token of this generation was first used, as far as anybody knows.
pub(super) fn first_used(node: &Node, row: &RefreshTokenRow) -> Option<Moment> {
    row.first_used_at.or_else(|| node.live.first_used(row.grant, row.generation))
}

pub(super) fn ended() -> OAuthError {
    OAuthError::invalid_grant("the grant was revoked or has expired; sign in again")
}
