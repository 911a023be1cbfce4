//! Registered clients at the endpoints: how they authenticate (RFC 6749 §2.3), what they may (their grant types), and what they
//! learn of their tokens (RFC 7662).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_node::{
    clock::Clock as _,
    oauth::approval::{CodeRefused, Decision},
    people::{Password, namespaces},
};
use bitrouter_proto::account::ScopeSet;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{
    DEVICE_GRANT, Reply, TestNode,
    clients::{approved, changed, registered, signed_in},
    encoded, form, neighbour, user_code,
};

const SCOPES: [&str; 3] = ["inference:invoke", "usage:read", "keys:write"];

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap()
}

/// Asks as a client does that shows its secret by HTTP Basic.
async fn basic(node: &TestNode, path: &str, id: &str, secret: &str, fields: &[(&str, &str)]) -> Reply {
    let mut request = form(path, &encoded(fields));
    let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    node.send(request, neighbour()).await
}

fn invalid_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test]
async fn rfc6749_2_3_1_a_confidential_client_shows_its_secret_at_every_endpoint() {
    let node = TestNode::new().await;
    let client = registered(&node, "agent", "confidential", &SCOPES).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    for path in ["/oauth/device_authorization", "/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        for fields in [
            &[("client_id", id)][..],
            &[("client_id", id), ("client_secret", "")],
            &[("client_id", id), ("client_secret", "wrong")],
        ] {
            let reply = node.post(path, fields).await;
            assert_eq!(reply.refusal(), invalid_client(), "{path} {fields:?}");
            assert!(reply.header(header::WWW_AUTHENTICATE).is_some_and(|how| how.starts_with("Basic")));
        }
        assert_eq!(basic(&node, path, id, "wrong", &[]).await.refusal(), invalid_client(), "{path}");
        assert_eq!(basic(&node, path, id, "", &[]).await.refusal(), invalid_client(), "{path}");
        let both = basic(&node, path, id, secret, &[("client_secret", secret)]).await;
        assert_eq!(both.refusal(), (400, "invalid_request".to_owned()), "{path}: one way, not two");
    }
    // Both ways, through the whole of the device grant.
    let by_post = signed_in(&node, id, &[("client_secret", secret)], None).await;
    assert!(node.opens(&by_post.access));
    let code = approved(&node, id, &[("client_secret", secret)], None).await;
    let fields = [("grant_type", DEVICE_GRANT), ("device_code", text(&code, "device_code"))];
    let pair = basic(&node, "/oauth/token", id, secret, &fields).await.pair();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", pair.refresh.as_str())];
    let next = basic(&node, "/oauth/token", id, secret, &fields).await.pair();
    // What is a public client's has no secret, and is taken for none.
    assert_eq!(node.refresh(&next.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    basic(&node, "/oauth/revoke", id, secret, &[("token", &next.access)]).await.ok();
    assert!(!node.opens(&next.access) && node.opens(&by_post.access));
}

#[tokio::test]
async fn allowed_grant_types_are_obeyed_at_every_poll_and_refresh() {
    let node = TestNode::new().await;
    let client = registered(&node, "tool", "public", &SCOPES).await;
    let id = text(&client, "client_id");
    let pair = signed_in(&node, id, &[], None).await;
    let waiting = approved(&node, id, &[], None).await;
    let unauthorized = || (400, "unauthorized_client".to_owned());
    changed(&node, id, &json!({"allowed_grant_types": ["refresh_token"]})).await;
    assert_eq!(
        node.post("/oauth/device_authorization", &[("client_id", id)]).await.refusal(),
        unauthorized(),
        "it may ask for none"
    );
    let poll = [("client_id", id), ("grant_type", DEVICE_GRANT), ("device_code", text(&waiting, "device_code"))];
    assert_eq!(node.post("/oauth/token", &poll).await.refusal(), unauthorized());
    let pair = node.refresh_as(id, &pair.refresh, None).await.pair();
    changed(&node, id, &json!({"allowed_grant_types": [DEVICE_GRANT]})).await;
    assert_eq!(node.refresh_as(id, &pair.refresh, None).await.refusal(), unauthorized());
    // What cannot be renewed is told no way to, and ends with its token.
    let tokens = node.post("/oauth/token", &poll).await.ok();
    assert!(tokens.get("refresh_token").is_none() && tokens.get("refresh_token_expires_in").is_none(), "{tokens}");
    let sessions = node.sessions().await;
    let once = sessions.iter().find(|session| session.id.to_string().ends_with(&text(&tokens, "access_token")[4..30]));
    assert_eq!(once.unwrap().expires_at.since(once.unwrap().created_at), std::time::Duration::from_hours(1));
    // Nobody is asked to come back whom no browser brings back.
    let fields = [("client_id", id), ("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")];
    assert_eq!(node.post("/oauth/token", &fields).await.refusal(), unauthorized());
    for built_in in ["bitrouter-cli", "tokenroute-cli"] {
        let fields = [("client_id", built_in), fields[1], fields[2], fields[3]];
        assert_eq!(node.post("/oauth/token", &fields).await.refusal(), unauthorized());
    }
}

#[tokio::test]
async fn p08_a_client_gets_what_it_is_allowed_at_each_refresh() {
    let node = TestNode::new().await;
    let client = registered(&node, "tool", "public", &SCOPES).await;
    let id = text(&client, "client_id");
    let empty = node.post("/oauth/device_authorization", &[("client_id", id), ("scope", "billing:read")]).await;
    assert_eq!(empty.refusal(), (400, "invalid_scope".to_owned()));
    let code = approved(&node, id, &[], Some("usage:read keys:write billing:write")).await;
    changed(&node, id, &json!({"allowed_scopes": ["usage:read", "inference:invoke"]})).await;
    let poll = [("client_id", id), ("grant_type", DEVICE_GRANT), ("device_code", text(&code, "device_code"))];
    let tokens = node.post("/oauth/token", &poll).await;
    assert_eq!(tokens.ok()["scope"], "usage:read");
    let pair = tokens.pair();
    let wider = node.refresh_as(id, &pair.refresh, Some("usage:read keys:write")).await;
    assert_eq!(wider.refusal(), (400, "invalid_scope".to_owned()));
    changed(&node, id, &json!({"allowed_scopes": ["usage:read", "keys:write"]})).await;
    // What was not granted does not come back.
    let again = node.refresh_as(id, &pair.refresh, None).await.ok();
    assert_eq!(again["scope"], "usage:read");
}

#[tokio::test]
async fn p07_a_device_code_of_a_client_is_approved_into_its_namespace_only() {
    let node = TestNode::new().await;
    let client = registered(&node, "tool", "public", &SCOPES).await;
    let id = text(&client, "client_id");
    let other = namespaces::create(&node.node, node.node.owner(), "other").await.unwrap().id;
    let eve = Password::new("correct horse battery".into()).unwrap();
    let eve = node.node.add_user("eve".parse().unwrap(), eve).await.unwrap().id;
    let home = node.node.first_namespace();
    for (person, namespace) in [(node.node.owner(), other), (eve, home)] {
        let code = node.post("/oauth/device_authorization", &[("client_id", id)]).await.ok();
        let decision = Decision { namespace, scopes: ScopeSet::GRANTABLE, own_device: false };
        let refused = node.node.approve_code(user_code(&code), person, &neighbour(), decision).await;
        assert!(matches!(refused, Err(CodeRefused::NoNamespace)), "{refused:?}");
    }
}

#[tokio::test]
async fn rfc7662_2_2_a_confidential_client_learns_of_its_own_tokens_only() {
    let node = TestNode::new().await;
    let client = registered(&node, "agent", "confidential", &SCOPES).await;
    let another = registered(&node, "another", "confidential", &SCOPES).await;
    let public = registered(&node, "tool", "public", &SCOPES).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let ask = async |token: &str| basic(&node, "/oauth/introspect", id, secret, &[("token", token)]).await.ok();
    let inactive = json!({"active": false});
    let pair = signed_in(&node, id, &[("client_secret", secret)], Some("usage:read keys:write")).await;
    let told = ask(&pair.access).await;
    let seconds = node.clock.wall().millis() / 1_000;
    assert_eq!(
        told,
        json!({
            "active": true, "scope": "usage:read keys:write", "client_id": id, "token_type": "Bearer",
            "exp": seconds + 3_600, "iat": seconds, "sub": node.node.owner(), "iss": "http://127.0.0.1:4356",
            "namespace_id": node.node.first_namespace(),
        })
    );
    let told = ask(&pair.refresh).await;
    assert_eq!((&told["active"], told.get("token_type")), (&json!(true), None));
    // It was no use of the token: the reply with it may have been lost.
    let code = approved(&node, id, &[("client_secret", secret)], None).await;
    let poll = [("grant_type", DEVICE_GRANT), ("device_code", text(&code, "device_code"))];
    let first = basic(&node, "/oauth/token", id, secret, &poll).await.pair();
    assert_eq!(ask(&first.access).await["active"], true);
    assert_eq!(basic(&node, "/oauth/token", id, secret, &poll).await.pair().refresh, first.refresh);
    // Nobody else's, and nothing that is none.
    let key = node.sign_in(None).await;
    let others =
        signed_in(&node, text(&another, "client_id"), &[("client_secret", text(&another, "client_secret"))], None)
            .await;
    let publics = signed_in(&node, text(&public, "client_id"), &[], None).await;
    for token in [&key.access, &key.refresh, &others.access, &others.refresh, &publics.access, "x", "brk_x"] {
        assert_eq!(ask(token).await, inactive, "{token}");
    }
    for (client, fields) in [
        (text(&public, "client_id"), &[("token", pair.access.as_str())][..]),
        ("bitrouter-cli", &[("token", pair.access.as_str())]),
    ] {
        let reply = node.post("/oauth/introspect", &[&[("client_id", client)][..], fields].concat()).await;
        assert_eq!(reply.refusal(), invalid_client());
    }
    let missing = basic(&node, "/oauth/introspect", id, secret, &[]).await;
    assert_eq!(missing.refusal(), (400, "invalid_request".to_owned()));
    // What is spent, over or revoked is good for nothing.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", pair.refresh.as_str())];
    let next = basic(&node, "/oauth/token", id, secret, &fields).await.pair();
    assert_eq!(ask(&pair.refresh).await, inactive);
    assert_eq!(ask(&next.refresh).await["active"], true);
    basic(&node, "/oauth/revoke", id, secret, &[("token", &next.access)]).await.ok();
    for token in [&pair.access, &next.access, &next.refresh] {
        assert_eq!(ask(token).await, inactive);
    }
}

#[tokio::test]
async fn rfc7662_2_2_a_refresh_token_is_active_while_its_client_may_refresh() {
    let node = TestNode::new().await;
    let client = registered(&node, "agent", "confidential", &SCOPES).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let pair = signed_in(&node, id, &[("client_secret", secret)], None).await;
    let active = async |token: &str| {
        basic(&node, "/oauth/introspect", id, secret, &[("token", token)]).await.ok()["active"] == true
    };
    for (change, is_active) in [
        (json!({"allowed_grant_types": [DEVICE_GRANT]}), false),
        (json!({"allowed_grant_types": [DEVICE_GRANT, "refresh_token"]}), true),
        // Nothing is left that it could get.
        (json!({"allowed_scopes": ["policy:read"]}), false),
        (json!({"allowed_scopes": ["usage:read"]}), true),
    ] {
        changed(&node, id, &change).await;
        assert_eq!(active(&pair.refresh).await, is_active, "{change}");
        assert!(active(&pair.access).await, "{change}");
    }
}

#[tokio::test]
async fn rfc6749_6_a_refresh_with_nothing_left_is_refused_and_spends_nothing() {
    let node = TestNode::new().await;
    let client = registered(&node, "tool", "public", &SCOPES).await;
    let id = text(&client, "client_id");
    let pair = signed_in(&node, id, &[], Some("usage:read keys:write")).await;
    changed(&node, id, &json!({"allowed_scopes": ["inference:invoke"]})).await;
    for scope in [None, Some("usage:read")] {
        let refused = node.refresh_as(id, &pair.refresh, scope).await;
        assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()), "{scope:?}");
    }
    changed(&node, id, &json!({"allowed_scopes": ["inference:invoke", "usage:read"]})).await;
    let next = node.refresh_as(id, &pair.refresh, None).await;
    assert_eq!(next.ok()["scope"], "usage:read");
    // So it is where the reply was lost.
    assert_eq!(node.refresh_as(id, &pair.refresh, None).await.pair().refresh, next.pair().refresh);
    changed(&node, id, &json!({"allowed_scopes": ["inference:invoke"]})).await;
    assert_eq!(node.refresh_as(id, &pair.refresh, None).await.refusal(), (400, "invalid_scope".to_owned()));
}

#[tokio::test]
async fn a_client_that_stands_in_the_head_needs_no_body() {
    let node = TestNode::new().await;
    let client = registered(&node, "agent", "confidential", &SCOPES).await;
    let value = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", text(&client, "client_id"), text(&client, "client_secret")))
    );
    let empty = async |path: &str, media_type: Option<&str>| {
        let mut request = http::Request::post(path).header(header::AUTHORIZATION, &value);
        request = media_type.into_iter().fold(request, |request, kind| request.header(header::CONTENT_TYPE, kind));
        node.send(request.body(bytes::Bytes::new()).unwrap(), neighbour()).await
    };
    let code = empty("/oauth/device_authorization", None).await.ok();
    assert!(code["user_code"].is_string(), "{code}");
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        assert_eq!(empty(path, None).await.refusal(), (400, "invalid_request".to_owned()), "{path}");
        let said = empty(path, Some("application/json")).await;
        assert_eq!(said.refusal(), (415, "invalid_request".to_owned()), "{path}: it says what it is");
    }
    let nobody = http::Request::post("/oauth/device_authorization").body(bytes::Bytes::new()).unwrap();
    assert_eq!(node.send(nobody, neighbour()).await.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "an older database is put back as a file is")]
async fn n49_a_registration_that_is_repeated_behind_a_restore_is_alive() {
    let node = TestNode::new().await;
    if node.database().is_some() {
        return;
    }
    let register = async |node: &TestNode| {
        let path = format!("/v1/namespaces/{}/oauth/clients", node.node.first_namespace());
        let body = json!({
            "client_name": "agent", "client_type": "confidential", "allowed_grant_types": [DEVICE_GRANT],
        });
        let request = http::Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.header("idempotency-key", "once").body(body.to_string().into()).unwrap();
        let (head, body) = std::sync::Arc::clone(&node.node).answer_owner(request).await.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    };
    let first = register(&node).await.ok();
    let (node, old) = node.reopened_after(async |dir, _| std::fs::read(dir.join("node.db")).unwrap()).await;
    // Its reply was lost; so was all that came behind the copy.
    let second = register(&node).await.ok();
    let (node, ()) = node
        .reopened_after(async |dir, _| {
            std::fs::write(dir.join("node.db"), &old).unwrap();
            let _ = std::fs::remove_file(dir.join("node.db-wal"));
            std::fs::remove_file(dir.join("generation")).unwrap();
        })
        .await;
    let third = register(&node).await.ok();
    let id = text(&first, "client_id");
    assert_eq!((text(&second, "client_id"), text(&third, "client_id")), (id, id));
    for (client, is_good) in [(&first, false), (&second, false), (&third, true)] {
        let reply = basic(&node, "/oauth/device_authorization", id, text(client, "client_secret"), &[]).await;
        assert_eq!(reply.status.is_success(), is_good, "{:?}", reply.body);
    }
    // It has shown its secret, and is told of no other one.
    assert_eq!(register(&node).await.refusal(), (409, "conflict".to_owned()));
    let node = node.reopened().await;
    basic(&node, "/oauth/device_authorization", id, text(&third, "client_secret"), &[]).await.ok();
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "an older database is put back as a file is")]
async fn what_becomes_of_a_client_is_kept_and_comes_back_from_no_backup() {
    let node = TestNode::new().await;
    if node.database().is_some() {
        return;
    }
    let client = registered(&node, "agent", "public", &SCOPES).await;
    let id = text(&client, "client_id").to_owned();
    let pair = signed_in(&node, &id, &[], None).await;
    let node = node.reopened().await;
    assert!(node.opens(&pair.access));
    let (node, old) = node.reopened_after(async |dir, _| std::fs::read(dir.join("node.db")).unwrap()).await;
    node.ask_as_owner(&Method::DELETE, &format!("/oauth/clients/{id}"), "").await.ok();
    assert!(!node.opens(&pair.access));
    let (node, ()) = node
        .reopened_after(async |dir, _| {
            std::fs::write(dir.join("node.db"), &old).unwrap();
            let _ = std::fs::remove_file(dir.join("node.db-wal"));
            std::fs::remove_file(dir.join("generation")).unwrap();
        })
        .await;
    assert!(!node.opens(&pair.access));
    let refused = node.post("/oauth/device_authorization", &[("client_id", &id)]).await;
    assert_eq!(refused.refusal(), invalid_client());
    assert_eq!(node.ask_as_owner(&Method::GET, "/oauth/clients", "").await.ok(), json!({"data": []}));
}

#[tokio::test]
async fn a_deleted_namespace_takes_its_clients_along() {
    let node = TestNode::new().await;
    let other = namespaces::create(&node.node, node.node.owner(), "other").await.unwrap().id;
    let body = json!({"client_name": "tool", "client_type": "public", "allowed_grant_types": [DEVICE_GRANT]});
    let mut request = http::Request::builder().method("POST").uri(format!("/v1/namespaces/{other}/oauth/clients"));
    request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.body(body.to_string().into()).unwrap();
    let reply = std::sync::Arc::clone(&node.node).answer_owner(request).await;
    let bytes = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
    let made: Value = serde_json::from_slice(&bytes).unwrap();
    let id = text(&made, "client_id");
    node.post("/oauth/device_authorization", &[("client_id", id)]).await.ok();
    namespaces::delete(&node.node, node.node.owner(), &other.to_string()).await.unwrap();
    let refused = node.post("/oauth/device_authorization", &[("client_id", id)]).await;
    assert_eq!(refused.refusal(), invalid_client());
    let node = node.reopened().await;
    let refused = node.post("/oauth/device_authorization", &[("client_id", id)]).await;
    assert_eq!(refused.refusal(), invalid_client());
    // Its name is free again.
    registered(&node, "tool", "public", &SCOPES).await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    rfc6749_2_3_1_a_confidential_client_shows_its_secret_at_every_endpoint,
    allowed_grant_types_are_obeyed_at_every_poll_and_refresh,
    rfc7662_2_2_a_confidential_client_learns_of_its_own_tokens_only,
    rfc7662_2_2_a_refresh_token_is_active_while_its_client_may_refresh,
    rfc6749_6_a_refresh_with_nothing_left_is_refused_and_spends_nothing,
    a_deleted_namespace_takes_its_clients_along,
);
