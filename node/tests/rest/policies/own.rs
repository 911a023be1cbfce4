//! Nobody takes off what binds themselves.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{CredentialId, Role, ScopeSet};
use http::Method;
use serde_json::{Value, json};

use super::super::{
    caller::{Browser, Scene, session},
    support::Reply,
};

const BUDGET: &str = "budget";

/// A way to take a policy off.
pub(super) fn ways(policy: &str, binding: &str) -> Vec<(Method, String, Value)> {
    let looser = json!({"spec": {"window": "day", "limit_micro_usd": 6}});
    vec![
        (Method::PUT, format!("policies/{policy}"), looser),
        (Method::PUT, format!("policies/{policy}"), json!({"spec": {"window": "month", "limit_micro_usd": 5}})),
        (Method::PUT, format!("budgets/{policy}"), json!({"limit_micro_usd": 6})),
        (Method::POST, format!("policies/{policy}/disable"), Value::Null),
        (Method::DELETE, format!("policies/{policy}/bind/{binding}"), Value::Null),
        (Method::DELETE, format!("policies/{policy}"), Value::Null),
        (Method::DELETE, format!("budgets/{policy}"), Value::Null),
    ]
}

pub(super) fn is_own(reply: &Reply) -> bool {
    if reply.status == http::StatusCode::OK {
        return false;
    }
    assert_eq!(reply.refusal(), (403, "own_policy".to_owned()));
    true
}

#[tokio::test]
async fn p08_a_session_does_not_take_off_what_binds_it() {
    let scene = Scene::new().await;
    let owner = scene.owner.clone();
    let other = session(&scene.test, owner.id, owner.namespace).await;
    for (kind, id, expected) in [
        ("oauth_token", owner.session.to_string(), true),
        ("oauth_client", "bitrouter-cli".to_owned(), true),
        ("oauth_token", other.to_string(), false),
        ("oauth_client", "tokenroute-cli".to_owned(), false),
        // The owner may: a session of the owner's is no key.
        ("user", owner.id.to_string(), false),
        ("namespace", owner.namespace.to_string(), false),
    ] {
        for place in 0..ways("", "").len() {
            let policy = scene.policy(BUDGET, json!({"window": "day", "limit_micro_usd": 5})).await;
            let binding = scene.bind(&policy, kind, &id).await;
            let (method, path, body) = ways(&policy, &binding).swap_remove(place);
            let reply = scene.ask(method.clone(), &path, body).await;
            assert_eq!(is_own(&reply), expected, "{kind} {method} {path}");
            if expected {
                // A lower limit, another name, and acting again are no way out.
                for body in [json!({"spec": {"window": "day", "limit_micro_usd": 4}}), json!({"name": "x"})] {
                    scene.ask(Method::PUT, &format!("policies/{policy}"), body).await.ok();
                }
                scene.ask(Method::POST, &format!("policies/{policy}/enable"), Value::Null).await.ok();
            }
            scene.by_socket(Method::DELETE, &format!("policies/{policy}"), Value::Null).await;
        }
    }
}

#[tokio::test]
async fn the_control_socket_and_the_owners_browser_take_off_anything() {
    let scene = Scene::new().await;
    let owner = scene.owner.clone();
    let mut browser = Browser::of_owner(&scene.test).await;
    for (kind, id) in [
        ("oauth_token", owner.session.to_string()),
        ("oauth_client", "bitrouter-cli".to_owned()),
        ("user", owner.id.to_string()),
        ("namespace", owner.namespace.to_string()),
    ] {
        for place in 0..ways("", "").len() {
            for by_socket in [true, false] {
                let policy = scene.policy(BUDGET, json!({"window": "day", "limit_micro_usd": 5})).await;
                let binding = scene.bind(&policy, kind, &id).await;
                let (method, path, body) = ways(&policy, &binding).swap_remove(place);
                let reply = if by_socket {
                    scene.by_socket(method, &path, body).await
                } else {
                    let body = if body.is_null() { String::new() } else { body.to_string() };
                    let path = format!("/v1/namespaces/{}/{path}", owner.namespace);
                    browser.json(&scene.test, &method, &path, &body).await
                };
                reply.ok();
                scene.by_socket(Method::DELETE, &format!("policies/{policy}"), Value::Null).await;
            }
        }
    }
}

#[tokio::test]
async fn what_binds_somebody_else_is_unbound_though_it_binds_the_caller_too() {
    let scene = Scene::new().await;
    let policy = scene.policy(BUDGET, json!({"window": "day", "limit_micro_usd": 5})).await;
    let own = scene.bind(&policy, "oauth_token", &scene.owner.session.to_string()).await;
    let other = scene.bind(&policy, "oauth_client", "tokenroute-cli").await;
    let unbind = |binding: &str| format!("policies/{policy}/bind/{binding}");
    scene.ask(Method::DELETE, &unbind(&other), Value::Null).await.ok();
    assert!(is_own(&scene.ask(Method::DELETE, &unbind(&own), Value::Null).await));
    // A scope is asked for first.
    let reads = scene.token(scene.owner.namespace, ScopeSet::EMPTY);
    let refused = scene.ask_as(reads, Method::DELETE, &unbind(&own), Value::Null).await;
    assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn p08_a_member_does_not_take_off_what_binds_the_person() {
    let scene = Scene::new().await;
    let (home, eve) = (scene.owner.namespace, scene.stranger.id);
    scene.test.node.set_member(&home.to_string(), "eve", Role::Admin).await.unwrap();
    let session = session(&scene.test, eve, home).await;
    let mut browser = Browser::new();
    browser.sign_in(&scene.test, "eve").await;
    let token = Caller::Credential(Principal {
        credential: CredentialId::Grant(session),
        namespace: home,
        person: eve,
        scopes: Role::Admin.scopes(),
    });
    for (kind, id, by_token, by_browser) in [
        ("user", eve.to_string(), true, true),
        ("oauth_token", session.to_string(), true, false),
        ("oauth_client", "bitrouter-cli".to_owned(), true, false),
        ("user", scene.owner.id.to_string(), false, false),
        ("namespace", home.to_string(), false, false),
    ] {
        for place in 0..ways("", "").len() {
            for (is_browser, expected) in [(false, by_token), (true, by_browser)] {
                let policy = scene.policy(BUDGET, json!({"window": "day", "limit_micro_usd": 5})).await;
                let binding = scene.bind(&policy, kind, &id).await;
                let (method, path, body) = ways(&policy, &binding).swap_remove(place);
                let reply = if is_browser {
                    let body = if body.is_null() { String::new() } else { body.to_string() };
                    browser.json(&scene.test, &method, &format!("/v1/namespaces/{home}/{path}"), &body).await
                } else {
                    scene.ask_as(token, method.clone(), &path, body).await
                };
                assert_eq!(is_own(&reply), expected, "{kind} {method} {path} {is_browser}");
                scene.by_socket(Method::DELETE, &format!("policies/{policy}"), Value::Null).await;
            }
        }
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    p08_a_session_does_not_take_off_what_binds_it,
    the_control_socket_and_the_owners_browser_take_off_anything,
    what_binds_somebody_else_is_unbound_though_it_binds_the_caller_too,
    p08_a_member_does_not_take_off_what_binds_the_person,
);
