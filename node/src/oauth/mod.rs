//! The authorization server: metadata (RFC 8414), device grant (RFC 8628), refresh (RFC 6749 §6), revocation (RFC 7009).
//!
//! The journey of a sign-in: `start` gives a device its code → a signed-in person finds it through [`approval`] and decides →
//! `poll` makes a session of it ([`sessions`]) and its first pair of tokens (`issue`) → `refresh` replaces the pair, again and
//! again → [`live`] judges the access tokens, from memory → `revoke`, a person, or time ends the session.
//!
//! The daemon's own session with its own node (`own_session`) is made, refreshed and ended by the same code, without a request.
//!
//! Every step that changes something is one transaction; what a reply promises is durable before it is sent.

pub mod approval;
mod client;
mod error;
mod first_pair;
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
    client::Client,
    own_session::{OwnRefreshError, OwnRevokeError, OwnSignInError, OwnTokens},
    user_code::UserCode,
};
use crate::http::{Access, Endpoint, Kind};

/// `grant_type` of the device grant (RFC 8628 §3.4).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// `grant_type` of a refresh (RFC 6749 §6).
const REFRESH_GRANT: &str = "refresh_token";

/// The endpoints of the authorization server.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Method::GET, "/.well-known/oauth-authorization-server", Kind::Rest, Access::Open, metadata::get),
    Endpoint::new(
        Method::GET,
        "/.well-known/oauth-authorization-server/{*issuer_path}",
        Kind::Rest,
        Access::Open,
        metadata::get,
    ),
    Endpoint::new(Method::POST, "/oauth/device_authorization", Kind::OAuth, Access::Open, start::post),
    Endpoint::new(Method::POST, "/oauth/token", Kind::OAuth, Access::Open, token::post),
    Endpoint::new(Method::POST, "/oauth/revoke", Kind::OAuth, Access::Open, revoke::post),
];
