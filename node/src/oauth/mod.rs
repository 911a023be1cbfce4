//! The authorization server: metadata (RFC 8414), device grant (RFC 8628), refresh (RFC 6749 §6), revocation (RFC 7009).

pub mod live;

use crate::http::Endpoint;

/// The endpoints of the authorization server.
pub(crate) const ENDPOINTS: &[Endpoint] = &[];
