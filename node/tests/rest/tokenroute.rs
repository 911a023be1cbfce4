//! `/api/v1`, as `tokenroute` clients read it: bare objects and lists, money as text, and errors of its own shape.

use std::time::Duration;

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_node::{http::all_endpoints, oauth::approval::Decision};
use bitrouter_proto::account::{CredentialId, KeyId, MicroUsd, Role, Scope, ScopeSet};
use http::{Method, Request, header};
use serde_json::{Value, json};

use super::{
    caller::{Browser, Scene, absent},
    keys::holder,
    support::{DEVICE_GRANT, Reply, neighbour},
};

const KEYS: &str = "/api/v1/me/keys";
const TOPUP: &str = "/api/v1/topup";

fn all(scene: &Scene) -> Caller {
    scene.token(scene.owner.namespace, ScopeSet::GRANTABLE)
}

async fn get(scene: &Scene, caller: Caller, path: &str) -> Reply {
    scene.send(caller, &Method::GET, path, "").await
}

async fn post(scene: &Scene, caller: Caller, path: &str, body: &Value) -> Reply {
    scene.send(caller, &Method::POST, path, &body.to_string()).await
}

async fn listed(scene: &Scene, caller: Caller) -> Vec<Value> {
    get(scene, caller, KEYS).await.ok().as_array().unwrap().clone()
}

/// The members of an object.
fn members(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_client_that_knows_the_address_alone_signs_in_and_may_do_all_of_it() {
    let scene = Scene::new().await;
    let test = &scene.test;
    let found = get(&scene, Caller::Anyone, "/api/v1/auth/discovery").await.ok();
    let text = |name: &str| found[name].as_str().unwrap();
    assert_eq!(
        members(&found),
        ["client_id", "device_authorization_endpoint", "issuer", "resource", "scopes", "token_endpoint"]
    );
    let issuer = text("issuer");
    assert_eq!((text("client_id"), text("resource")), ("tokenroute-cli", issuer));
    let path = |name: &str| text(name).strip_prefix(issuer).unwrap().to_owned();
    let scopes: Vec<&str> = found["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    let wanted = ScopeSet::DEFAULT.union(ScopeSet::of(&[Scope::BillingWrite]));
    assert_eq!(scopes, wanted.iter().map(Scope::as_str).collect::<Vec<_>>());

    let scope = scopes.join(" ");
    let asked = [("client_id", "tokenroute-cli"), ("scope", &scope), ("resource", issuer)];
    let code = test.post(&path("device_authorization_endpoint"), &asked).await.ok();
    assert!(code["interval"].as_u64().unwrap() >= 5, "{code}");
    let device_code = code["device_code"].as_str().unwrap();
    let poll = [
        ("client_id", "tokenroute-cli"),
        ("grant_type", DEVICE_GRANT),
        ("device_code", device_code),
        ("resource", issuer),
    ];
    let pending = test.post(&path("token_endpoint"), &poll).await;
    assert_eq!(pending.refusal(), (400, "authorization_pending".to_owned()));
    assert_eq!(pending.header(header::CONTENT_TYPE), Some("application/json"));
    let decision = Decision { namespace: scene.owner.namespace, scopes: wanted, own_device: false };
    let user_code = code["user_code"].as_str().unwrap();
    test.node.approve_code(user_code, scene.owner.id, &neighbour(), decision).await.unwrap();
    let first = test.post(&path("token_endpoint"), &poll).await.pair();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &first.refresh),
        ("client_id", "tokenroute-cli"),
        ("resource", issuer),
    ];
    let second = test.post(&path("token_endpoint"), &refresh).await.pair();
    // The reply may have been lost: once more, with the same one.
    let again = test.post(&path("token_endpoint"), &refresh).await.pair();
    assert_eq!(again.refresh, second.refresh);

    let caller = holder(test, &again.access);
    assert_eq!(get(&scene, caller, "/api/v1/me").await.ok()["balance_usd"], "0.00");
    assert_eq!(get(&scene, caller, "/api/v1/balance").await.ok(), json!({"balance_usd": "0.00", "currency": "USD"}));
    let made = post(&scene, caller, KEYS, &json!({"name": "fieryeye"})).await.ok();
    assert_eq!(listed(&scene, caller).await[0]["id"], made["id"]);
    post(&scene, caller, TOPUP, &json!({"amount_usd": "5.0"})).await.ok();
    assert_eq!(get(&scene, caller, "/api/v1/me/usage?days=7").await.ok()["range_days"], 7);
    let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    assert_eq!(scene.send(caller, &Method::DELETE, &path, "").await.ok()["status"], "revoked");
}

#[tokio::test]
async fn me_is_the_person_and_money_is_shown_to_whoever_may_read_it() {
    let scene = Scene::new().await;
    scene.test.node.grant_credit(&scene.owner.id.to_string(), MicroUsd::new(12_345_600)).await.unwrap();
    let id = scene.owner.id;
    assert_eq!(
        get(&scene, all(&scene), "/api/v1/me").await.ok(),
        json!({
            "id": id, "display_name": "ada", "email": null, "logto_sub": id, "balance_usd": "12.3456", "status": "active",
        })
    );
    let narrow = scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::AccountRead, Scope::KeysRead]));
    assert_eq!(get(&scene, narrow, "/api/v1/me").await.ok()["balance_usd"], Value::Null);
    post(&scene, all(&scene), KEYS, &json!({"name": "k"})).await.ok();
    assert_eq!(listed(&scene, narrow).await[0]["balance_usd"], Value::Null);
    assert_eq!(listed(&scene, all(&scene)).await[0]["balance_usd"], "12.3456");
    assert_eq!(get(&scene, narrow, "/api/v1/balance").await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_key_is_an_ordinary_one_that_is_good_for_calls_alone() {
    let scene = Scene::new().await;
    let made = post(&scene, all(&scene), KEYS, &json!({"name": "fieryeye"})).await.ok();
    assert_eq!(members(&made), ["balance_usd", "created_at", "id", "key_prefix", "name", "raw", "status"]);
    let raw = made["raw"].as_str().unwrap();
    assert_eq!((made["status"].as_str(), made["name"].as_str()), (Some("active"), Some("fieryeye")));
    assert!(raw.starts_with("brk_") && raw.starts_with(made["key_prefix"].as_str().unwrap()));
    let Caller::Credential(held) = holder(&scene.test, raw) else { panic!("a key of nobody") };
    assert_eq!((held.scopes, held.namespace), (ScopeSet::of(&[Scope::InferenceInvoke]), scene.owner.namespace));
    let shown = get(&scene, all(&scene), "/v1/namespaces/me/keys").await.ok();
    assert_eq!(shown["data"][0]["id"], made["id"]);
    assert_eq!(shown["data"][0]["parent_id"], scene.owner.session.to_string());

    let other = scene.token(scene.owner.namespace, ScopeSet::of(&[Scope::KeysWrite]));
    let refused = post(&scene, other, KEYS, &json!({"name": "x"})).await;
    assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
    assert_eq!(refused.json()["error"]["message"], "scope exceeds the caller's: inference:invoke");

    let path = format!("{KEYS}/{}", made["id"].as_str().unwrap().to_uppercase());
    let revoked = scene.send(all(&scene), &Method::DELETE, &path, "").await.ok();
    assert_eq!(revoked, json!({"id": made["id"], "status": "revoked"}));
    assert!(scene.test.node.judge(raw.as_bytes()).is_err());
    let after = listed(&scene, all(&scene)).await;
    assert_eq!(members(&after[0]), ["balance_usd", "created_at", "id", "key_prefix", "name", "status"]);
    assert_eq!((&after[0]["id"], &after[0]["status"]), (&made["id"], &json!("revoked")));
}

#[tokio::test]
async fn n49_a_repeated_creation_is_the_same_key_with_another_secret() {
    let scene = Scene::new().await;
    let create = async |key: &str, name: &str| {
        let request = Request::post(KEYS).header(header::CONTENT_TYPE, "application/json");
        let body = json!({"name": name}).to_string();
        scene.raw(all(&scene), request.header("idempotency-key", key).body(body.into()).unwrap()).await
    };
    let (first, again) = (create("a", "k").await, create("a", "k").await);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let (first, again) = (first.ok(), again.ok());
    assert_eq!((&first["id"], &first["created_at"]), (&again["id"], &again["created_at"]));
    let raw = |made: &Value| made["raw"].as_str().unwrap().to_owned();
    assert!(scene.test.node.judge(raw(&first).as_bytes()).is_err());
    assert!(scene.test.node.judge(raw(&again).as_bytes()).is_ok());
    assert_eq!(create("a", "other").await.refusal(), (409, "conflict".to_owned()));
    assert_eq!(listed(&scene, all(&scene)).await.len(), 1);
}

#[tokio::test]
async fn p07_foreign_keys_are_not_there_and_a_members_balance_is_nobody_elses() {
    let scene = Scene::new().await;
    let (home, eve) = (scene.owner.namespace, scene.stranger.id);
    let stranger = Caller::Credential(Principal {
        credential: CredentialId::Grant(scene.stranger.session),
        namespace: scene.stranger.namespace,
        person: eve,
        scopes: ScopeSet::GRANTABLE,
    });
    let theirs = post(&scene, stranger, KEYS, &json!({"name": "theirs"})).await.ok();
    let mut answers = std::collections::BTreeSet::new();
    let strange = [theirs["id"].as_str().unwrap().to_owned(), absent(KeyId::new).to_string(), "me".to_owned()];
    for id in &strange {
        for scopes in [ScopeSet::EMPTY, ScopeSet::GRANTABLE] {
            let reply = scene.send(scene.token(home, scopes), &Method::DELETE, &format!("{KEYS}/{id}"), "").await;
            assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{id}");
            answers.insert(reply.body.clone());
        }
    }
    assert_eq!(answers.len(), 1);
    assert!(listed(&scene, all(&scene)).await.is_empty());

    scene.test.node.set_member(&home.to_string(), "eve", Role::Member).await.unwrap();
    scene.test.node.grant_credit(&eve.to_string(), MicroUsd::new(5_000_000)).await.unwrap();
    let member = Caller::Credential(Principal {
        credential: holder_of(&scene.test.sign_in_as(eve, home).await.access, &scene),
        namespace: home,
        person: eve,
        scopes: ScopeSet::GRANTABLE.intersection(Role::Member.scopes()),
    });
    let hers = post(&scene, member, KEYS, &json!({"name": "hers"})).await.ok();
    assert_eq!(hers["balance_usd"], "5.00");
    for (caller, balance) in [(member, json!("5.00")), (all(&scene), Value::Null)] {
        assert_eq!(listed(&scene, caller).await[0]["balance_usd"], balance);
    }
    // Whose it is decides; an owner may end all.
    let own = post(&scene, all(&scene), KEYS, &json!({"name": "own"})).await.ok();
    let path = |key: &Value| format!("{KEYS}/{}", key["id"].as_str().unwrap());
    assert_eq!(scene.send(member, &Method::DELETE, &path(&own), "").await.refusal().0, 403);
    scene.send(all(&scene), &Method::DELETE, &path(&hers), "").await.ok();
}

/// The credential of an access token.
fn holder_of(access: &str, scene: &Scene) -> CredentialId {
    scene.test.node.judge_token(access.as_bytes()).unwrap().credential
}

#[tokio::test]
async fn credit_is_bought_in_dollars_to_the_cent() {
    let scene = Scene::new().await;
    let began = scene.test.clock_millis() / 1_000;
    for (sent, shown) in
        [(json!("5.0"), "5.00"), (json!(5), "5.00"), (json!(19.99), "19.99"), (json!("1000000.00"), "1000000.00")]
    {
        let made = post(&scene, all(&scene), TOPUP, &json!({"amount_usd": sent})).await.ok();
        assert_eq!(members(&made), ["amount_usd", "checkout_url", "expires_at", "session_id"]);
        assert_eq!(made["amount_usd"], shown);
        assert_eq!(made["expires_at"].as_i64(), Some(began + 86_400));
        assert!(made["checkout_url"].as_str().unwrap().starts_with("https://pay.example/cs_"), "{made}");
    }
    for sent in [json!("0.49"), json!("1000000.01"), json!("5.001"), json!(-5), json!("1e2"), json!(true), json!("")] {
        let reply = post(&scene, all(&scene), TOPUP, &json!({"amount_usd": sent})).await;
        assert_eq!(reply.refusal(), (400, "bad_request".to_owned()), "{sent}");
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains("`amount_usd`"), "{sent}");
    }
    let once = async || {
        let request = Request::post(TOPUP).header(header::CONTENT_TYPE, "application/json");
        let body = json!({"amount_usd": "7.5"}).to_string();
        scene.raw(all(&scene), request.header("idempotency-key", "a").body(body.into()).unwrap()).await
    };
    let first = once().await.ok();
    scene.test.advance(Duration::from_hours(1));
    let again = once().await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.ok(), first);
    // Where nothing is sold, it is said who gives credit.
    scene.test.set(|settings| settings.stripe = None);
    let refused = post(&scene, all(&scene), TOPUP, &json!({"amount_usd": 5})).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("bitrouter node credit grant"));
}

#[tokio::test]
async fn every_refusal_has_a_message_a_type_and_the_status() {
    let scene = Scene::new().await;
    let none = scene.token(scene.owner.namespace, ScopeSet::EMPTY);
    let large = json!({"name": "x".repeat(1024 * 1024)}).to_string();
    for (caller, method, path, body, status, kind) in [
        (Caller::Anyone, "GET", "/api/v1/me", "", 401, "authentication_error"),
        (Caller::Anyone, "GET", "/api/v1/nothing", "", 401, "authentication_error"),
        (none, "GET", "/api/v1/nothing", "", 404, "not_found_error"),
        (none, "GET", "/api/v1", "", 404, "not_found_error"),
        (none, "GET", "/api/v1/me", "", 403, "permission_error"),
        (all(&scene), "PUT", "/api/v1/me", "", 405, "invalid_request_error"),
        (all(&scene), "GET", "/api/v1/me?limit=1", "", 400, "invalid_request_error"),
        (Caller::Anyone, "GET", "/api/v1/auth/discovery?x=1", "", 400, "invalid_request_error"),
        (Caller::Anyone, "POST", "/api/v1/auth/discovery", "", 405, "invalid_request_error"),
        (all(&scene), "GET", "/api/v1/me/usage?days=0", "", 400, "invalid_request_error"),
        (all(&scene), "GET", "/api/v1/me/usage?days=366", "", 400, "invalid_request_error"),
        (all(&scene), "GET", "/api/v1/me/usage?days=x", "", 400, "invalid_request_error"),
        (all(&scene), "POST", KEYS, "{}", 400, "invalid_request_error"),
        (all(&scene), "POST", KEYS, r#"{"name":"a","name":"b"}"#, 400, "invalid_request_error"),
        (all(&scene), "POST", KEYS, r#"{"name":"a","more":1}"#, 400, "invalid_request_error"),
        (all(&scene), "POST", KEYS, r#"{"name":"a\u202eb"}"#, 400, "invalid_request_error"),
        (all(&scene), "POST", KEYS, &large, 413, "invalid_request_error"),
        (all(&scene), "DELETE", KEYS, "", 405, "invalid_request_error"),
    ] {
        let reply = scene.send(caller, &method.parse().unwrap(), path, body).await;
        let case = format!("{method} {path} {body:.40}");
        assert_eq!(reply.status.as_u16(), status, "{case}: {:?}", reply.body);
        let said = reply.json();
        assert_eq!(members(&said), ["error"], "{case}");
        assert_eq!(members(&said["error"]), ["code", "message", "type"], "{case}");
        assert_eq!((said["error"]["type"].as_str(), said["error"]["code"].as_u64()), (Some(kind), Some(status.into())));
        assert!(!said["error"]["message"].as_str().unwrap().is_empty(), "{case}");
        assert_eq!(reply.headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{case}");
        assert_eq!(reply.headers.contains_key(header::ALLOW), status == 405, "{case}");
        assert_eq!(reply.header(header::CONTENT_TYPE), Some("application/json"), "{case}");
    }
    let form = Request::post(KEYS).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let reply = scene.raw(all(&scene), form.header(header::CONTENT_LENGTH, 6).body("name=x".into()).unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.json()["error"]["code"].as_u64()), (415, Some(415)));
    let missing = get(&scene, none, "/api/v1/balance").await.json();
    assert_eq!(missing["error"]["message"], "missing required scope: billing:read");
}

#[tokio::test]
async fn a_persons_browser_is_in_the_oldest_namespace_of_its_own() {
    let scene = Scene::new().await;
    scene.test.node.set_member(&scene.owner.namespace.to_string(), "eve", Role::Admin).await.unwrap();
    let mut browser = Browser::new();
    browser.sign_in(&scene.test, "eve").await;
    let made = browser.json(&scene.test, &Method::POST, KEYS, r#"{"name":"k"}"#).await.ok();
    let Caller::Credential(held) = holder(&scene.test, made["raw"].as_str().unwrap()) else { panic!("of nobody") };
    assert_eq!((held.namespace, held.person), (scene.stranger.namespace, scene.stranger.id));
}

#[tokio::test]
async fn what_is_open_and_ignores_no_parameter_says_so() {
    let scene = Scene::new().await;
    for endpoint in all_endpoints().filter(|endpoint| endpoint.access == bitrouter_node::http::Access::Open) {
        let is_strict =
            ["/api/v1/auth/discovery", "/openapi.json", "/v1/byok/encryption-pubkey"].contains(&endpoint.path);
        let is_lenient = endpoint.path.starts_with("/.well-known/") && !endpoint.path.contains('{');
        if is_strict || is_lenient {
            for (query, status) in [("x=1", if is_strict { 400 } else { 200 }), ("key=bra_x", 200)] {
                let path = format!("{}?{query}", endpoint.path);
                assert_eq!(get(&scene, Caller::Anyone, &path).await.status.as_u16(), status, "{path}");
            }
        }
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_client_that_knows_the_address_alone_signs_in_and_may_do_all_of_it,
    me_is_the_person_and_money_is_shown_to_whoever_may_read_it,
    a_key_is_an_ordinary_one_that_is_good_for_calls_alone,
    p07_foreign_keys_are_not_there_and_a_members_balance_is_nobody_elses,
    credit_is_bought_in_dollars_to_the_cent,
);
