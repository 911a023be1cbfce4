//! What the endpoints take and say: metadata (RFC 8414), forms (RFC 6749 §3.2), clients (§2.3), scopes (§3.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_proto::account::ScopeSet;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};

use crate::support::{DEVICE_GRANT, Reply, TestNode, encoded, form, neighbour, user_code};

const START: &str = "/oauth/device_authorization";
const ENDPOINTS: [&str; 4] = [START, "/oauth/token", "/oauth/revoke", "/oauth/introspect"];

#[tokio::test]
async fn rfc8414_3_2_metadata_tells_what_exists() {
    let node = TestNode::new().await;
    let reply = node.get("/.well-known/oauth-authorization-server").await;
    let document = reply.ok();
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(document["issuer"], "http://127.0.0.1:4356");
    for (name, path) in [
        ("token_endpoint", "/oauth/token"),
        ("device_authorization_endpoint", START),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
    ] {
        assert_eq!(document[name], format!("http://127.0.0.1:4356{path}"));
        // A path that is told is there.
        assert_eq!(node.get(path).await.status, 405);
    }
    assert_eq!(document["authorization_endpoint"], "http://127.0.0.1:4356/oauth/authorize");
    for (name, list) in [
        ("grant_types_supported", &["authorization_code", "refresh_token", DEVICE_GRANT][..]),
        ("response_types_supported", &["code"]),
        ("code_challenge_methods_supported", &["S256"]),
        ("token_endpoint_auth_methods_supported", &["none", "client_secret_basic", "client_secret_post"]),
        ("introspection_endpoint_auth_methods_supported", &["client_secret_basic", "client_secret_post"]),
    ] {
        assert_eq!(document[name], serde_json::json!(list), "{name}");
    }
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert!(document["node_id"].as_str().unwrap().starts_with("node_"));
    let scopes: Vec<_> = document["scopes_supported"].as_array().unwrap().iter().filter_map(|s| s.as_str()).collect();
    assert_eq!(scopes.join(" "), ScopeSet::GRANTABLE.to_string());
    assert!(scopes.contains(&"billing:write") && !scopes.contains(&"namespace:write"));
    // Clients are registered by people, over REST.
    assert!(document.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn rfc8414_3_1_an_issuer_with_a_path_has_its_metadata_below_it() {
    let node = TestNode::new().await;
    assert_eq!(node.get("/.well-known/oauth-authorization-server/team/node").await.status, 404);
    node.set(|settings| settings.issuer = "https://example.org/team/node".to_owned());
    let document = node.get("/.well-known/oauth-authorization-server/team/node").await.ok();
    assert_eq!(document["issuer"], "https://example.org/team/node");
    assert_eq!(document["token_endpoint"], "https://example.org/team/node/oauth/token");
    assert_eq!(node.get("/.well-known/oauth-authorization-server/team").await.status, 404);
}

#[tokio::test]
async fn rfc6749_3_2_a_request_is_a_form_and_each_parameter_comes_once() {
    let node = TestNode::new().await;
    let invalid_request = |status| (status, "invalid_request".to_owned());
    for path in ENDPOINTS {
        for media_type in [None, Some("application/json"), Some("text/plain"), Some("multipart/form-data")] {
            let mut request = form(path, "client_id=bitrouter-cli");
            request.headers_mut().remove(header::CONTENT_TYPE);
            if let Some(media_type) = media_type {
                request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            }
            assert_eq!(node.send(request, neighbour()).await.refusal(), invalid_request(415), "{path} {media_type:?}");
        }
        for body in
            ["client_id=bitrouter-cli&x=1&x=2", "client_id=bitrouter-cli&client_id=bitrouter-cli", "client_id=%ff", ""]
        {
            let reply = node.send(form(path, body), neighbour()).await;
            assert_eq!(reply.refusal(), invalid_request(400), "{path} {body}");
            assert_eq!(reply.headers["cache-control"], "no-store");
        }
        assert_eq!(
            node.send(Request::builder().method(Method::PUT).uri(path).body(Bytes::new()).unwrap(), neighbour())
                .await
                .status,
            405
        );
    }
    let mut request = form(START, "client_id=bitrouter-cli&unknown=1&scope=");
    let with_charset = HeaderValue::from_static("Application/X-WWW-Form-URLencoded; charset=UTF-8");
    request.headers_mut().insert(header::CONTENT_TYPE, with_charset);
    node.send(request, neighbour()).await.ok();
}

#[tokio::test]
async fn rfc6749_2_3_1_credentials_never_come_in_the_query() {
    let node = TestNode::new().await;
    for (path, query) in [
        (START, "client_id=bitrouter-cli"),
        ("/oauth/token", "refresh_token=x"),
        ("/oauth/token", "device_code=x"),
        ("/oauth/revoke", "token=x"),
        ("/oauth/revoke", "%74oken=x"),
    ] {
        let request = form(&format!("{path}?{query}"), "client_id=bitrouter-cli");
        assert_eq!(node.send(request, neighbour()).await.refusal(), (400, "invalid_request".to_owned()), "{query}");
    }
    node.send(form(&format!("{START}?tenant=1"), "client_id=bitrouter-cli"), neighbour()).await.ok();
}

#[tokio::test]
async fn rfc6749_5_2_an_unknown_client_or_one_with_a_secret_is_401() {
    let node = TestNode::new().await;
    for client in ["bitrouter-cli", "tokenroute-cli"] {
        node.post(START, &[("client_id", client)]).await.ok();
    }
    for path in ENDPOINTS {
        for fields in [&[("client_id", "nobody")][..], &[("client_id", "bitrouter-cli"), ("client_secret", "x")]] {
            let reply = node.post(path, fields).await;
            assert_eq!(reply.refusal(), (401, "invalid_client".to_owned()));
            assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
        }
    }
}

#[tokio::test]
async fn rfc6749_2_3_1_a_public_client_may_name_itself_by_basic_with_an_empty_password() {
    let node = TestNode::new().await;
    for (credentials, body, status) in [
        ("bitrouter-cli:", "", 200),
        ("bitrouter-cli:", "client_id=bitrouter-cli", 200),
        ("bitrouter-cli:", "client_id=tokenroute-cli", 400),
        ("bitrouter-cli:secret", "", 401),
        ("nobody:", "", 401),
        ("bitrouter-cli", "", 401),
    ] {
        let mut request = form(START, body);
        let value = format!("Basic {}", STANDARD.encode(credentials)).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        assert_eq!(node.send(request, neighbour()).await.status, status, "{credentials} {body}");
    }
}

#[tokio::test]
async fn rfc6749_3_3_scopes_are_known_ones_and_never_namespace_write() {
    let node = TestNode::new().await;
    let ask =
        async |scope: &str| -> Reply { node.post(START, &[("client_id", "bitrouter-cli"), ("scope", scope)]).await };
    let refused = ask("usage:read telemetry:write").await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains("`telemetry:write`"));
    for scope in ["namespace:write", "usage:read namespace:write", "*", "usage:", "\u{1f642}"] {
        assert_eq!(ask(scope).await.refusal(), (400, "invalid_scope".to_owned()), "{scope}");
    }
    for (asked, granted) in [
        ("user:read namespace:*", "namespace:read account:read"),
        ("policy:* billing:*", "billing:read policy:read policy:write billing:write"),
        ("", &*ScopeSet::DEFAULT.to_string()),
        ("  ", &*ScopeSet::DEFAULT.to_string()),
    ] {
        let code = ask(asked).await.ok();
        let shown = node.node.find_code(user_code(&code), node.node.owner(), &neighbour()).await.unwrap();
        assert_eq!(shown.scopes.to_string(), granted, "{asked}");
    }
}

#[tokio::test]
async fn rfc6749_5_2_other_grants_are_not_supported() {
    let node = TestNode::new().await;
    for grant in ["password", "client_credentials", "implicit", "Refresh_Token"] {
        let reply = node.post("/oauth/token", &[("client_id", "bitrouter-cli"), ("grant_type", grant)]).await;
        assert_eq!(reply.refusal(), (400, "unsupported_grant_type".to_owned()), "{grant}");
    }
    for missing in [&[("grant_type", DEVICE_GRANT)][..], &[("grant_type", "refresh_token")], &[]] {
        let mut fields = vec![("client_id", "bitrouter-cli")];
        fields.extend_from_slice(missing);
        assert_eq!(node.post("/oauth/token", &fields).await.refusal(), (400, "invalid_request".to_owned()));
    }
}

#[tokio::test]
async fn rfc8707_2_the_issuer_is_the_only_resource() {
    let node = TestNode::new().await;
    let pair = node.sign_in(None).await;
    let refresh = |resources: &[&str]| {
        let token = encoded(&[
            ("client_id", "bitrouter-cli"),
            ("grant_type", "refresh_token"),
            ("refresh_token", &pair.refresh),
        ]);
        let resources = resources.iter().map(|one| encoded(&[("resource", one)]));
        form("/oauth/token", &std::iter::once(token).chain(resources).collect::<Vec<_>>().join("&"))
    };
    let (own, other) = ("http://127.0.0.1:4356", "https://api.example.org");
    for (wrong, code) in [(&[other][..], "invalid_target"), (&[own, own], "invalid_request")] {
        let reply = node.send(refresh(wrong), neighbour()).await;
        assert_eq!(reply.refusal(), (400, code.to_owned()));
    }
    // Nobody approves a code that is for another server, and none is got by one.
    let code = [("client_id", "bitrouter-cli"), ("resource", other)];
    let refused = node.post("/oauth/device_authorization", &code).await.refusal();
    assert_eq!(refused, (400, "invalid_target".to_owned()));
    let polled =
        [("client_id", "bitrouter-cli"), ("grant_type", DEVICE_GRANT), ("device_code", "x"), ("resource", other)];
    assert_eq!(node.post("/oauth/token", &polled).await.refusal(), (400, "invalid_target".to_owned()));
    // What is empty counts as not sent (RFC 6749 §3.2).
    for right in [own, "http://localhost:4356/", ""] {
        node.send(refresh(&[right]), neighbour()).await.ok();
    }
    // A token is revoked whatever it was for (RFC 7009 §2.1 knows no resource).
    let revoked = [("client_id", "bitrouter-cli"), ("token", &*pair.access), ("resource", other)];
    node.post("/oauth/revoke", &revoked).await.ok();
}
