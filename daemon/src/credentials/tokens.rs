//! How a reply becomes a credential: what is taken from it, and what it never changes. Pure.

use std::time::SystemTime;

use bitrouter_node::OwnTokens;
use bitrouter_proto::account::credential::OauthCredential;

use super::reply::Tokens;

/// The credential after a refresh. Whose it is, for which namespace and from which server never changes; the scope is what
/// the server says now, and a refresh token stays until the server gives another.
pub(super) fn renewed(old: &OauthCredential, tokens: Tokens, now: SystemTime) -> OauthCredential {
    let mut new = old.clone();
    new.access_token = tokens.access_token;
    new.expires_at = later(now, tokens.lifetime);
    new.issued_at = Some(now);
    if let Some(refresh_token) = tokens.refresh_token {
        new.refresh_token = Some(refresh_token);
    }
    if let Some(lifetime) = tokens.refresh_lifetime {
        new.refresh_token_expires_at = Some(later(now, lifetime));
    }
    if let Some(scope) = tokens.scope {
        new.scope = scope;
    }
    if let Some(token_type) = tokens.token_type {
        new.token_type = token_type;
    }
    new
}

/// The credential of a new sign-in.
pub(super) fn signed_in(
    tokens: Tokens,
    client_id: &str,
    server: &str,
    asked_scope: &str,
    now: SystemTime,
) -> OauthCredential {
    let mut new = OauthCredential::new(tokens.access_token, later(now, tokens.lifetime), client_id, server);
    new.issued_at = Some(now);
    new.refresh_token = tokens.refresh_token;
    new.refresh_token_expires_at = tokens.refresh_lifetime.map(|lifetime| later(now, lifetime));
    new.scope = tokens.scope.unwrap_or_else(|| asked_scope.to_owned());
    new.namespace_id = tokens.namespace_id;
    new.subject = tokens.subject;
    if let Some(token_type) = tokens.token_type {
        new.token_type = token_type;
    }
    new
}

/// What the own node gave, as a server would have said it.
pub(super) fn of_own(tokens: OwnTokens) -> Tokens {
    Tokens {
        access_token: tokens.access_token,
        lifetime: tokens.expires_in,
        refresh_token: Some(tokens.refresh_token),
        refresh_lifetime: Some(tokens.refresh_token_expires_in),
        token_type: None,
        scope: Some(tokens.scope.to_string()),
        namespace_id: Some(tokens.namespace.to_string()),
        subject: Some(tokens.person.to_string()),
    }
}

/// A year that nobody sees stands for what no clock can say.
fn later(now: SystemTime, lifetime: std::time::Duration) -> SystemTime {
    const CENTURY: std::time::Duration = std::time::Duration::from_hours(100 * 365 * 24);
    now.checked_add(lifetime.min(CENTURY)).unwrap_or(now)
}
