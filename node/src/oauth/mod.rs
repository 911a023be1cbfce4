//! The authorization server: metadata (RFC 8414), code grant (RFC 6749 §4.1) with PKCE (RFC 7636), device grant (RFC 8628), refresh
//! (RFC 6749 §6), revocation (RFC 7009), introspection (RFC 7662); its [`clients`].
//!
//! The journey of a sign-in: `start` gives a device its code → a signed-in person finds it through [`approval`] and decides →
//! `poll` makes a session of it ([`sessions`]) and its first pair of tokens (`issue`) → `refresh` replaces the pair, again and
//! again → [`live`] judges the access tokens, from memory → `revoke`, a person, or time ends the session.
//!
//! Where the browser goes back to the client: [`authorize`] reads what is asked for, a person decides, `code` makes the session.
//!
//! The daemon's own session with its own node (`own_session`) is made, refreshed and ended by the same code, without a request.
//!
//! Every step that changes something is one transaction; what a reply promises is durable before it is sent.

pub mod approval;
pub(crate) mod authorize;
pub(crate) mod clients;
mod code;
mod error;
mod first_pair;
mod introspect;
mod issue;
pub(crate) mod limits;
pub mod live;
mod metadata;
mod own_session;
mod poll;
mod refresh;
mod reply;
mod request;
mod revoke;
pub mod sessions;
mod start;
mod token;
mod user_code;
mod uses;

use http::Method;

pub(crate) use self::uses::{write_uses, write_uses_until_closed};
pub use self::{
    clients::{Client, ClientId},
    own_session::{OwnRefreshError, OwnRevokeError, OwnSignInError, OwnTokens},
    user_code::UserCode,
};
use crate::http::{Access, Endpoint, Kind};

/// The endpoints of the authorization server.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Method::GET, "/.well-known/oauth-authorization-server", Kind::OAuth, Access::Open, metadata::get),
    Endpoint::new(
        Method::GET,
        "/.well-known/oauth-authorization-server/{*issuer_path}",
        Kind::OAuth,
        Access::Open,
        metadata::get,
    ),
    Endpoint::new(Method::POST, "/oauth/device_authorization", Kind::OAuth, Access::Open, start::post),
    Endpoint::new(Method::POST, "/oauth/token", Kind::OAuth, Access::Open, token::post),
    Endpoint::new(Method::POST, "/oauth/introspect", Kind::OAuth, Access::Open, introspect::post),
    Endpoint::new(Method::POST, "/oauth/revoke", Kind::OAuth, Access::Open, revoke::post),
];
