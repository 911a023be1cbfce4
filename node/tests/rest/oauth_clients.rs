//! OAuth clients over REST: what is registered, by whom, with what, and how it ends.

use std::time::Duration;

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{OauthClientId, Role, Scope, ScopeSet};
use http::{Method, Request, header};
use serde_json::{Value, json};

use super::{
    caller::{Browser, Scene},
    keys::{holder, mint},
    support::Reply,
};

const CLIENTS: &str = "/v1/namespaces/me/oauth/clients";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn all(scene: &Scene) -> Caller {
    scene.token(scene.owner.namespace, ScopeSet::GRANTABLE)
}

async fn register(scene: &Scene, caller: Caller, body: &Value) -> Reply {
    scene.send(caller, &Method::POST, CLIENTS, &body.to_string()).await
}

async fn change(scene: &Scene, caller: Caller, id: &str, body: &Value) -> Reply {
    scene.send(caller, &Method::PUT, &format!("{CLIENTS}/{id}"), &body.to_string()).await
}

async fn delete(scene: &Scene, caller: Caller, id: &str) -> Reply {
    scene.send(caller, &Method::DELETE, &format!("{CLIENTS}/{id}"), "").await
}

async fn listed(scene: &Scene, caller: Caller) -> Vec<Value> {
    let told = scene.send(caller, &Method::GET, CLIENTS, "").await.ok();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    told["data"].as_array().unwrap().clone()
}

fn body(name: &str, more: &Value) -> Value {
    let mut body = json!({
        "client_name": name, "client_type": "confidential", "redirect_uris": ["https://my-agent.example.com/cb"],
        "allowed_scopes": ["policy:read", "inference:invoke"],
        "allowed_grant_types": ["refresh_token", "authorization_code"],
    });
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    body
}

fn id(row: &Value) -> &str {
    row["client_id"].as_str().unwrap()
}

#[tokio::test]
async fn a_client_is_shown_with_its_secret_once() {
    let scene = Scene::new().await;
    let made = register(&scene, all(&scene), &body("my-agent", &json!({}))).await.ok();
    let parsed: OauthClientId = id(&made).parse().unwrap();
    let secret = made["client_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43);
    let row = json!({
        "id": parsed, "client_id": parsed, "client_name": "my-agent", "client_type": "confidential",
        "redirect_uris": ["https://my-agent.example.com/cb"], "allowed_scopes": ["inference:invoke", "policy:read"],
        "allowed_grant_types": ["authorization_code", "refresh_token"],
    });
    let mut shown = row.clone();
    shown["client_secret"] = secret.into();
    assert_eq!(made, shown);
    // Public ones have none; what may be left out is.
    let public = json!({"client_name": "tool", "client_type": "public", "allowed_grant_types": [DEVICE]});
    let public = register(&scene, all(&scene), &public).await.ok();
    assert!(public.get("client_secret").is_none(), "{public}");
    assert_eq!((&public["redirect_uris"], &public["allowed_scopes"]), (&json!([]), &json!(["inference:invoke"])));
    assert_eq!(listed(&scene, all(&scene)).await, [row, public]);
    for name in ["node.db", "node.db-wal"] {
        let bytes = std::fs::read(scene.test.dir().join(name)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let scene = Scene::new().await;
    for (more, status, field) in [
        (json!({"client_name": ""}), 400, "client_name"),
        (json!({"client_name": "a\u{202e}b"}), 400, "client_name"),
        (json!({"client_name": "a\nb"}), 400, "client_name"),
        (json!({"client_name": "x".repeat(129)}), 400, "client_name"),
        (json!({"client_type": "secret"}), 400, "client_type"),
        (json!({"client_type": null}), 400, "client_type"),
        (json!({"redirect_uris": "https://a.example"}), 400, "redirect_uris"),
        (json!({"redirect_uris": ["http://a.example/cb"]}), 400, "redirect_uris"),
        (json!({"redirect_uris": ["https://a.example/cb#x"]}), 400, "redirect_uris"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), 400, "redirect_uris"),
        (json!({"redirect_uris": []}), 400, "redirect_uris"),
        (json!({"redirect_uris": null}), 400, "redirect_uris"),
        (json!({"allowed_scopes": []}), 400, "allowed_scopes"),
        (json!({"allowed_scopes": ["root"]}), 400, "allowed_scopes"),
        (json!({"allowed_scopes": ["policy:read usage:read"]}), 400, "allowed_scopes"),
        (json!({"allowed_scopes": ["namespace:write"]}), 403, "allowed_scopes"),
        (json!({"allowed_scopes": ["byok:write"]}), 403, "allowed_scopes"),
        (json!({"allowed_grant_types": []}), 400, "allowed_grant_types"),
        (json!({"allowed_grant_types": ["password"]}), 400, "allowed_grant_types"),
        (json!({"allowed_grant_types": null}), 400, "allowed_grant_types"),
        (json!({"client_secret": "x"}), 400, "client_secret"),
    ] {
        let reply = register(&scene, all(&scene), &body("x", &more)).await;
        assert_eq!((reply.status.as_u16(), reply.json()["field"].as_str()), (status, Some(field)), "{more}");
    }
    let made = register(&scene, all(&scene), &body("x", &json!({}))).await.ok();
    for (more, status, field) in [
        (json!({"client_type": "public"}), 400, "client_type"),
        (json!({"redirect_uris": []}), 400, "redirect_uris"),
        (json!({"allowed_scopes": []}), 400, "allowed_scopes"),
        (json!({"allowed_grant_types": []}), 400, "allowed_grant_types"),
        (json!({"client_name": "bitrouter-cli"}), 409, "client_name"),
    ] {
        let reply = change(&scene, all(&scene), id(&made), &more).await;
        assert_eq!((reply.status.as_u16(), reply.json()["field"].as_str()), (status, Some(field)), "{more}");
    }
    let mut row = made.clone();
    row.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(listed(&scene, all(&scene)).await, [row.clone()]);
    assert_eq!(change(&scene, all(&scene), id(&made), &json!({})).await.ok(), row);
}

#[tokio::test]
async fn a_list_that_is_given_replaces_the_one_before() {
    let scene = Scene::new().await;
    let made = register(&scene, all(&scene), &body("x", &json!({}))).await.ok();
    let more = json!({"client_name": "renamed", "redirect_uris": ["http://127.0.0.1:7/cb", "http://127.0.0.1:7/cb"]});
    let row = change(&scene, all(&scene), id(&made), &more).await.ok();
    assert_eq!((&row["client_name"], &row["redirect_uris"]), (&json!("renamed"), &json!(["http://127.0.0.1:7/cb"])));
    assert_eq!(row["allowed_scopes"], made["allowed_scopes"]);
    let more = json!({"allowed_grant_types": [DEVICE], "allowed_scopes": ["usage:read"]});
    let row = change(&scene, all(&scene), id(&made), &more).await.ok();
    assert_eq!((&row["allowed_grant_types"], &row["allowed_scopes"]), (&json!([DEVICE]), &json!(["usage:read"])));
    let scene = Scene { test: scene.test.reopened().await, ..scene };
    assert_eq!(listed(&scene, all(&scene)).await, [row]);
    let gone = delete(&scene, all(&scene), id(&made)).await.ok();
    assert_eq!(gone, json!({"deleted": true}));
    assert_eq!(delete(&scene, all(&scene), id(&made)).await.refusal(), (404, "not_found".to_owned()));
    assert!(listed(&scene, all(&scene)).await.is_empty());
}

#[tokio::test]
async fn n06_no_name_is_taken_for_another_ones() {
    let scene = Scene::new().await;
    let made = register(&scene, all(&scene), &body("Acme Agent", &json!({}))).await.ok();
    for name in [
        "Acme Agent",
        "acme  agent",
        "ACME-AGENT",
        "\u{410}cme Agent",
        "Acme\u{200d} Agent",
        "\u{ff21}cme Agent",
        "bitrouter (command line)",
        "BitRouter CLI",
        "bitr0uter (Command Line)",
        "tokenroute-cli",
    ] {
        let reply = register(&scene, all(&scene), &body(name, &json!({}))).await;
        assert_eq!(reply.refusal(), (409, "conflict".to_owned()), "{name}");
        // Whoever's it is: people of both would see the same.
        let elsewhere = Caller::Credential(bitrouter_gateway::http::Principal {
            credential: bitrouter_proto::account::CredentialId::Grant(scene.stranger.session),
            namespace: scene.stranger.namespace,
            person: scene.stranger.id,
            scopes: ScopeSet::GRANTABLE,
        });
        assert_eq!(register(&scene, elsewhere, &body(name, &json!({}))).await.status.as_u16(), 409, "{name}");
    }
    // Its own name is no other one's, and a name is free again behind it.
    change(&scene, all(&scene), id(&made), &json!({"client_name": "acme agent"})).await.ok();
    delete(&scene, all(&scene), id(&made)).await.ok();
    register(&scene, all(&scene), &body("Acme Agent", &json!({}))).await.ok();
}

#[tokio::test]
async fn p08_a_client_can_be_given_no_more_than_its_maker_can_do() {
    let scene = Scene::new().await;
    for held in Scope::ALL {
        let own = ScopeSet::of(&[Scope::ClientsWrite, *held]);
        let caller = scene.token(scene.owner.namespace, own);
        for asked in Scope::ALL {
            let name = format!("{held} {asked}");
            let reply = register(&scene, caller, &body(&name, &json!({"allowed_scopes": [asked.as_str()]}))).await;
            let fits = own.contains(*asked) && !matches!(asked, Scope::ByokWrite | Scope::NamespaceWrite);
            assert_eq!(reply.status.as_u16(), if fits { 200 } else { 403 }, "{name}: {:?}", reply.body);
            if fits {
                delete(&scene, all(&scene), id(&reply.json())).await.ok();
            }
        }
    }
    // What another one has made may be called otherwise and narrowed, but neither widened nor sent elsewhere.
    let made = register(&scene, all(&scene), &body("x", &json!({}))).await.ok();
    let narrow = scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::ClientsWrite, Scope::InferenceInvoke]));
    for (more, status) in [
        (json!({"client_name": "y"}), 200),
        (json!({"redirect_uris": ["https://evil.example/cb"]}), 403),
        (json!({"allowed_grant_types": [DEVICE, "authorization_code", "refresh_token"]}), 403),
        (json!({"allowed_scopes": ["policy:read", "usage:read"]}), 403),
        (json!({"allowed_grant_types": ["authorization_code"]}), 200),
        (json!({"allowed_scopes": ["policy:read"]}), 200),
        (json!({"redirect_uris": ["https://evil.example/cb"]}), 403),
        (json!({"allowed_scopes": ["inference:invoke"]}), 200),
        (json!({"redirect_uris": ["https://other.example/cb"]}), 200),
    ] {
        let reply = change(&scene, narrow, id(&made), &more).await;
        assert_eq!(reply.status.as_u16(), status, "{more}: {:?}", reply.body);
    }
}

#[tokio::test]
async fn p07_clients_of_another_namespace_are_not_there() {
    let scene = Scene::new().await;
    let made = register(&scene, all(&scene), &body("x", &json!({}))).await.ok();
    let other = scene.token(scene.owner.other_namespace, ScopeSet::GRANTABLE);
    let absent = OauthClientId::new(ulid::Ulid::from_parts(1, 1)).to_string();
    let mut answers = std::collections::BTreeSet::new();
    for which in [id(&made), &absent, "bitrouter-cli", "me"] {
        for scopes in [ScopeSet::EMPTY, ScopeSet::GRANTABLE] {
            let caller = scene.token(scene.owner.other_namespace, scopes);
            let changed = change(&scene, caller, which, &json!({"client_name": "y"})).await;
            assert_eq!(changed.refusal(), (404, "not_found".to_owned()), "{which} with `{scopes}`");
            let deleted = delete(&scene, caller, which).await;
            assert_eq!(deleted.refusal(), (404, "not_found".to_owned()), "{which} with `{scopes}`");
            answers.extend([changed.body, deleted.body]);
        }
    }
    assert_eq!(answers.len(), 1);
    assert!(listed(&scene, other).await.is_empty());
    let upper = id(&made).to_ascii_uppercase();
    change(&scene, all(&scene), &upper, &json!({"client_name": "y"})).await.ok();
}

#[tokio::test]
async fn viewers_see_clients_and_admins_register_them() {
    let scene = Scene::new().await;
    let home = scene.owner.namespace.to_string();
    let path = format!("/v1/namespaces/{home}/oauth/clients");
    let mut browser = Browser::new();
    browser.sign_in(&scene.test, "eve").await;
    for (role, may_register) in [(Role::Viewer, false), (Role::Member, false), (Role::Admin, true)] {
        scene.test.node.set_member(&home, "eve", role).await.unwrap();
        browser.json(&scene.test, &Method::GET, &path, "").await.ok();
        let new = body(role.as_str(), &json!({})).to_string();
        let reply = browser.json(&scene.test, &Method::POST, &path, &new).await;
        assert_eq!(reply.status.as_u16(), if may_register { 200 } else { 403 }, "{role:?}");
    }
}

#[tokio::test]
async fn who_registered_a_client_may_leave_and_the_page_says_so() {
    let scene = Scene::new().await;
    let home = scene.owner.namespace.to_string();
    scene.test.node.set_member(&home, "eve", Role::Admin).await.unwrap();
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let new = body("of eve's", &json!({})).to_string();
    let path = format!("/v1/namespaces/{home}/oauth/clients");
    let made = eve.json(&scene.test, &Method::POST, &path, &new).await.ok();
    let page = format!(
        "/oauth/authorize?response_type=code&client_id={}&code_challenge_method=S256&code_challenge={}&scope=policy:read",
        id(&made),
        "A".repeat(43)
    );
    let mut owner = Browser::of_owner(&scene.test).await;
    for (is_member, words) in [(true, "<dd>eve</dd>"), (false, ", who is nothing in the namespace any more</dd>")] {
        if !is_member {
            scene.test.node.remove_user("eve").await.unwrap();
        }
        let shown = owner.send(&scene.test, &Method::GET, &page, None).await;
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(text.contains(words) && text.contains("<dd>default</dd>"), "{text}");
    }
    assert_eq!(listed(&scene, all(&scene)).await.len(), 1);
}

#[tokio::test]
async fn there_are_a_hundred_clients_at_most() {
    let scene = Scene::new().await;
    let mut last = Value::Null;
    for number in 0..100 {
        last = register(&scene, all(&scene), &body(&format!("number {number}"), &json!({}))).await.ok();
    }
    let reply = register(&scene, all(&scene), &body("one more", &json!({}))).await;
    assert_eq!(reply.refusal(), (409, "conflict".to_owned()));
    assert!(reply.json()["error_description"].as_str().unwrap().contains("100"));
    delete(&scene, all(&scene), id(&last)).await.ok();
    register(&scene, all(&scene), &body("one more", &json!({}))).await.ok();
}

async fn once(scene: &Scene, key: &str, body: &Value) -> Reply {
    let request = Request::builder().method(Method::POST).uri(CLIENTS).header(header::CONTENT_TYPE, "application/json");
    let request = request.header("idempotency-key", key).body(body.to_string().into()).unwrap();
    scene.raw(all(scene), request).await
}

/// Whether the client is taken for itself with this secret.
async fn authenticates(scene: &Scene, id: &str, secret: &str) -> bool {
    let fields = [("client_id", id), ("client_secret", secret), ("token", "x")];
    scene.test.post("/oauth/introspect", &fields).await.status.is_success()
}

#[tokio::test]
async fn n49_a_registration_that_is_repeated_gives_another_secret_until_it_was_shown() {
    let scene = Scene::new().await;
    let new = body("x", &json!({}));
    let first = once(&scene, "a", &new).await.ok();
    let again = once(&scene, "a", &new).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let again = again.ok();
    assert_eq!(id(&again), id(&first));
    let secret = |row: &Value| row["client_secret"].as_str().unwrap().to_owned();
    assert_ne!(secret(&again), secret(&first));
    assert!(!authenticates(&scene, id(&first), &secret(&first)).await);
    assert_eq!(listed(&scene, all(&scene)).await.len(), 1);
    let log = std::fs::read_to_string(scene.test.dir().join("revoked.log")).unwrap();
    assert!(log.contains(" client_secret "), "{log}");
    // Also behind a start.
    let scene = Scene { test: scene.test.reopened().await, ..scene };
    let third = once(&scene, "a", &new).await.ok();
    assert!(authenticates(&scene, id(&third), &secret(&third)).await);
    assert!(!authenticates(&scene, id(&third), &secret(&again)).await);
    let shown = once(&scene, "a", &new).await;
    assert_eq!(shown.refusal(), (409, "conflict".to_owned()));
    assert!(shown.json()["error_description"].as_str().unwrap().contains(id(&first)));
    let scene = Scene { test: scene.test.reopened().await, ..scene };
    assert_eq!(once(&scene, "a", &new).await.status.as_u16(), 409);
    assert!(authenticates(&scene, id(&third), &secret(&third)).await);
    // An old one is not shown again, nor one that is gone; another body is another matter.
    let old = body("old", &json!({}));
    let made = once(&scene, "b", &old).await.ok();
    scene.test.advance(Duration::from_mins(11));
    assert_eq!(once(&scene, "b", &old).await.status.as_u16(), 409);
    assert_eq!(once(&scene, "b", &new).await.status.as_u16(), 409);
    delete(&scene, all(&scene), id(&made)).await.ok();
    assert_eq!(once(&scene, "b", &old).await.status.as_u16(), 409);
    // A public one has none, and is told as it was.
    let public = body("public", &json!({"client_type": "public"}));
    let first = once(&scene, "c", &public).await.ok();
    assert_eq!(once(&scene, "c", &public).await.ok(), first);
}

#[tokio::test]
async fn a_deleted_client_takes_its_keys_along_unless_they_are_kept() {
    let scene = Scene::new().await;
    for (keep, counted) in [("", "keys_revoked"), ("?keys=keep", "keys_kept")] {
        let more = json!({
            "client_type": "public", "allowed_grant_types": [DEVICE, "refresh_token"],
            "allowed_scopes": ["keys:read", "keys:write", "usage:read"],
        });
        let made = register(&scene, all(&scene), &body(&format!("x{keep}"), &more)).await.ok();
        let pair = super::support::clients::signed_in(&scene.test, id(&made), &[], Some("keys:write usage:read")).await;
        let wanted = json!({"display_name": "k", "scopes": ["usage:read"]});
        let key = mint(&scene, holder(&scene.test, &pair.access), &wanted).await.ok();
        let key = key["token"].as_str().unwrap().to_owned();
        let policy = json!({"name": "p", "kind": "rate_limit", "spec": {"window_secs": 60, "max_requests": 1}});
        let path = "/v1/namespaces/me/policies";
        let policy = scene.send(all(&scene), &Method::POST, path, &policy.to_string()).await.ok();
        let bind = format!("{path}/{}/bind", policy["id"].as_str().unwrap());
        let principal = json!({"principal_type": "oauth_client", "principal_id": id(&made)}).to_string();
        scene.send(all(&scene), &Method::POST, &bind, &principal).await.ok();
        // It is of no other namespace.
        let other = scene.token(scene.owner.other_namespace, ScopeSet::GRANTABLE);
        let policies = scene
            .send(
                other,
                &Method::POST,
                path,
                &json!({"name": "q", "kind": "rate_limit", "spec": {"window_secs": 60, "max_requests": 1}}).to_string(),
            )
            .await
            .ok();
        let elsewhere = format!("{path}/{}/bind", policies["id"].as_str().unwrap());
        assert_eq!(scene.send(other, &Method::POST, &elsewhere, &principal).await.status.as_u16(), 404);
        let key_id = holder(&scene.test, &key);
        let Caller::Credential(of_key) = key_id else { panic!("{key_id:?}") };
        let effective =
            format!("/v1/namespaces/me/policies/effective?principal_type=api_key&principal_id={}", of_key.credential);
        let limits = scene.send(all(&scene), &Method::GET, &effective, "").await.ok()["rate_limits"].clone();
        assert_eq!(limits[0]["principal_id"], made["client_id"], "{limits}");
        let gone = scene.send(all(&scene), &Method::DELETE, &format!("{CLIENTS}/{}{keep}", id(&made)), "").await.ok();
        assert_eq!(gone, json!({"deleted": true, counted: 1}));
        assert!(!scene.test.opens(&pair.access));
        assert_eq!(scene.test.opens(&key), !keep.is_empty());
        let refreshed = scene.test.refresh_as(id(&made), &pair.refresh, None).await;
        assert_eq!(refreshed.refusal(), (401, "invalid_client".to_owned()));
        if !keep.is_empty() {
            // What binds the client binds what lives of it.
            let limits = scene.send(all(&scene), &Method::GET, &effective, "").await.ok()["rate_limits"].clone();
            assert_eq!(limits[0]["principal_id"], made["client_id"], "{limits}");
        }
        assert!(scene.test.sessions().await.iter().all(|session| session.client_id != id(&made)));
    }
    let log = std::fs::read_to_string(scene.test.dir().join("revoked.log")).unwrap();
    assert!(log.contains(" client_with_keys brc_") && log.contains(" client brc_"), "{log}");
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_client_is_shown_with_its_secret_once,
    a_list_that_is_given_replaces_the_one_before,
    n06_no_name_is_taken_for_another_ones,
    n49_a_registration_that_is_repeated_gives_another_secret_until_it_was_shown,
    a_deleted_client_takes_its_keys_along_unless_they_are_kept,
);
