//! Keys are bound by all that stands above them, and take none of it off.

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::ScopeSet;
use http::Method;
use serde_json::{Value, json};

use super::super::{
    caller::{Browser, Scene},
    keys::{holder, minted},
};

const SCOPES: &[&str] = &["policy:read", "policy:write", "keys:read", "keys:write"];

/// A key that `caller` mints: its id, and whoever holds it.
async fn key(scene: &Scene, caller: Caller) -> (String, Caller) {
    let made = minted(scene, caller, SCOPES).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), holder(&scene.test, &text("token")))
}

/// The policies that are in force for a principal.
async fn in_force(scene: &Scene, kind: &str, id: &str) -> Vec<String> {
    let effective = scene.effective(kind, id).await;
    let rows = effective["rate_limits"].as_array().unwrap().iter();
    let mut found: Vec<_> = rows.map(|row| row["policy_id"].as_str().unwrap().to_owned()).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn a_key_is_bound_by_everything_above_it_and_by_nothing_below() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    let (upper, as_upper) = key(&scene, session).await;
    let (lower, _) = key(&scene, as_upper).await;
    let (beside, _) = key(&scene, session).await;
    let owner = scene.owner.clone();
    let mut made = Vec::new();
    for (kind, id) in [
        ("namespace", owner.namespace.to_string()),
        ("oauth_client", "bitrouter-cli".to_owned()),
        ("oauth_token", owner.session.to_string()),
        ("user", owner.id.to_string()),
        ("api_key", upper.clone()),
        ("api_key", lower.clone()),
        ("api_key", beside.clone()),
    ] {
        let policy = scene.some_policy().await;
        scene.bind(&policy, kind, &id).await;
        made.push(policy);
    }
    for (kind, id, expected) in [
        ("api_key", &lower, vec![0, 1, 2, 3, 4, 5]),
        ("api_key", &upper, vec![0, 1, 2, 3, 4]),
        ("api_key", &beside, vec![0, 1, 2, 3, 6]),
        ("oauth_token", &owner.session.to_string(), vec![0, 1, 2, 3]),
    ] {
        let mut expected: Vec<String> = expected.into_iter().map(|place: usize| made[place].clone()).collect();
        expected.sort_unstable();
        assert_eq!(in_force(&scene, kind, id).await, expected, "{kind} {id}");
    }
    // A session that was ended still binds the keys that come from it; a key that was revoked is nobody.
    let path = format!("/v1/namespaces/me/sessions/{}?keys=keep", owner.session);
    scene.send(session, &Method::DELETE, &path, "").await.ok();
    let mut expected: Vec<String> = [0, 1, 2, 3, 4, 5].map(|place: usize| made[place].clone()).to_vec();
    expected.sort_unstable();
    assert_eq!(in_force(&scene, "api_key", &lower).await, expected);
    assert_eq!(in_force(&scene, "oauth_token", &owner.session.to_string()).await.len(), 4);
    scene.by_socket(Method::DELETE, &format!("keys/{upper}"), Value::Null).await.ok();
    for id in [&upper, &lower] {
        let gone = scene.get(&format!("policies/effective?principal_type=api_key&principal_id={id}")).await;
        assert_eq!(gone.refusal(), (404, "not_found".to_owned()));
        let policy = scene.some_policy().await;
        assert_eq!(scene.try_bind(&policy, "api_key", id).await.refusal(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn p08_a_key_takes_off_nothing_that_binds_it() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    let (upper, as_upper) = key(&scene, session).await;
    let (lower, as_lower) = key(&scene, as_upper).await;
    let owner = scene.owner.clone();
    for (kind, id, of_upper, of_lower) in [
        ("namespace", owner.namespace.to_string(), true, true),
        ("oauth_client", "bitrouter-cli".to_owned(), true, true),
        ("oauth_token", owner.session.to_string(), true, true),
        // The owner's key is not the owner.
        ("user", owner.id.to_string(), true, true),
        ("api_key", upper, true, true),
        ("api_key", lower, false, true),
        ("oauth_client", "tokenroute-cli".to_owned(), false, false),
    ] {
        for (caller, expected) in [(as_upper, of_upper), (as_lower, of_lower)] {
            for place in 0..super::own::ways("", "").len() {
                let policy = scene.policy("budget", json!({"window": "day", "limit_micro_usd": 5})).await;
                let binding = scene.bind(&policy, kind, &id).await;
                let (method, path, body) = super::own::ways(&policy, &binding).swap_remove(place);
                let reply = scene.ask_as(caller, method.clone(), &path, body).await;
                assert_eq!(super::own::is_own(&reply), expected, "{kind} {method} {path}");
                scene.by_socket(Method::DELETE, &format!("policies/{policy}"), Value::Null).await;
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_a_person_mints_at_the_console_has_no_session_above_it() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    let path = format!("/v1/namespaces/{}/keys", scene.owner.namespace);
    let body = json!({"display_name": "k", "scopes": SCOPES}).to_string();
    let id = browser.json(&scene.test, &Method::POST, &path, &body).await.ok()["id"].as_str().unwrap().to_owned();
    let (by_client, by_person) = (scene.some_policy().await, scene.some_policy().await);
    scene.bind(&by_client, "oauth_client", "bitrouter-cli").await;
    scene.bind(&by_person, "user", &scene.owner.id.to_string()).await;
    assert_eq!(in_force(&scene, "api_key", &id).await, [by_person]);
}

#[tokio::test]
async fn so_many_content_patterns_are_in_force_for_a_key_by_way_of_what_stands_above() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    let (upper, as_upper) = key(&scene, session).await;
    let (lower, _) = key(&scene, as_upper).await;
    let spec = json!({"content_patterns": vec![json!({"name": "a", "pattern": "a"}); 32]});
    for id in [&lower, &lower, &upper, &upper] {
        let policy = scene.policy("guardrail", spec.clone()).await;
        scene.bind(&policy, "api_key", id).await;
    }
    let more = scene.policy("guardrail", spec).await;
    for (kind, id) in [("api_key", &upper), ("api_key", &lower), ("namespace", &scene.owner.namespace.to_string())] {
        assert_eq!(scene.try_bind(&more, kind, id).await.refusal(), (409, "conflict".to_owned()), "{kind} {id}");
    }
    scene.bind(&more, "oauth_client", "tokenroute-cli").await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_key_is_bound_by_everything_above_it_and_by_nothing_below,
    p08_a_key_takes_off_nothing_that_binds_it,
    a_key_that_a_person_mints_at_the_console_has_no_session_above_it,
    so_many_content_patterns_are_in_force_for_a_key_by_way_of_what_stands_above,
);
