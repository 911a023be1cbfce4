//! Metadata of the authorization server (RFC 8414): only what exists.

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::{Scope, ScopeSet, oauth_clients::GrantType};
use http::Response;
use serde_json::json;

use crate::http::{
    Call, Kind,
    error::{ApiError, Code},
    reply,
};

/// How clients authenticate: public ones do not.
const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

/// `GET /.well-known/oauth-authorization-server`, and below it the path of the issuer (RFC 8414 §3.1).
pub(super) fn get(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call) })
}

fn answer(call: &Call) -> Response<ResponseBody> {
    let settings = call.node.settings.load();
    let issuer = &settings.issuer;
    // The plain path is answered for an issuer with a path too: there is one node behind this listener.
    if let Some(asked) = call.params.first()
        && asked != issuer_path(issuer)
    {
        let message = format!("this node is the issuer {issuer}");
        return ApiError::new(Code::NotFound, message).into_response(Kind::Rest);
    }
    let scopes: Vec<_> = ScopeSet::GRANTABLE.iter().map(Scope::as_str).collect();
    reply::json(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "device_authorization_endpoint": format!("{issuer}/oauth/device_authorization"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "grant_types_supported": GrantType::ALL,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": METHODS[1..],
        "scopes_supported": scopes,
        "node_id": call.node.row.node_id,
    }))
}

/// The path of an issuer, without the slash that it begins with.
fn issuer_path(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.split_once('/').map_or("", |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_3_1_the_path_of_an_issuer() {
        assert_eq!(issuer_path("https://a.example/x/y"), "x/y");
        assert_eq!((issuer_path("https://a.example"), issuer_path("http://127.0.0.1:1")), ("", ""));
    }
}
