//! `GET /api/v1/auth/discovery`: how a client signs in (RFC 8628), for whoever asks.

use bitrouter_proto::account::{Scope, ScopeSet};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Call;

/// The client that signs in so: built in, public.
const CLIENT_ID: &str = "tokenroute-cli";

/// What a program gets that does not say what it wants, and that it may buy credit, which people tick when they approve.
const SCOPES: ScopeSet = ScopeSet::DEFAULT.union(ScopeSet::of(&[Scope::BillingWrite]));

/// Where and as what a client signs in. Every member is always there.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "SignInDiscovery")]
pub(crate) struct Discovery {
    /// The issuer.
    issuer: String,
    /// The client to sign in as.
    client_id: &'static str,
    /// What a client names as `resource` in every call (RFC 8707): the issuer.
    resource: String,
    /// The scopes to ask for.
    scopes: Vec<&'static str>,
    /// Where a device gets its code.
    device_authorization_endpoint: String,
    /// Where tokens are got and refreshed.
    token_endpoint: String,
}

pub(super) fn show(call: &Call) -> Discovery {
    let settings = call.node.settings.load();
    let issuer = &settings.issuer;
    Discovery {
        issuer: issuer.clone(),
        client_id: CLIENT_ID,
        resource: issuer.clone(),
        scopes: SCOPES.iter().map(Scope::as_str).collect(),
        device_authorization_endpoint: format!("{issuer}/oauth/device_authorization"),
        token_endpoint: format!("{issuer}/oauth/token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::ClientId;

    #[test]
    fn the_client_is_built_in_and_asks_for_twelve_scopes() {
        assert!(matches!(ClientId::parse(CLIENT_ID), Some(ClientId::BuiltIn(_))));
        assert_eq!(SCOPES.iter().count(), 12);
    }
}
