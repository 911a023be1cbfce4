//! `Idempotency-Key`: a POST that was sent twice makes one row, whoever sent it, and nobody else sees it.

use std::time::Duration;

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{Scope, ScopeSet};
use http::{Method, Request, header};

use super::{
    caller::{Browser, Scene},
    keys::holder,
    support::Reply,
};

const NAMESPACES: &str = "/v1/namespaces";

async fn post(scene: &Scene, caller: Caller, path: &str, keys: &[&str], body: &str) -> Reply {
    let mut request =
        Request::builder().method(Method::POST).uri(path).header(header::CONTENT_TYPE, "application/json");
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    scene.raw(caller, request.body(body.to_owned().into()).unwrap()).await
}

fn all(scene: &Scene) -> Caller {
    scene.token(scene.owner.namespace, ScopeSet::of(Scope::ALL))
}

async fn namespaces(scene: &Scene) -> usize {
    let told = scene.send(all(scene), &Method::GET, NAMESPACES, "").await.ok();
    told["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn n49_the_same_body_is_answered_as_it_was_and_another_one_is_a_conflict() {
    let scene = Scene::new().await;
    let once = async |body: &str| post(&scene, all(&scene), NAMESPACES, &["a"], body).await;
    let first = once(r#"{"name":"blue"}"#).await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    for body in [r#"{"name":"blue"}"#, "{ \"n\\u0061me\" :\n \"bl\\u0075e\" }"] {
        let again = once(body).await;
        assert_eq!(again.headers["idempotency-replayed"], "true", "{body}");
        assert_eq!(again.ok(), first.json());
    }
    let other = once(r#"{"name":"green"}"#).await;
    assert_eq!(other.refusal(), (409, "conflict".to_owned()));
    assert_eq!(namespaces(&scene).await, 3);
    // Forgotten after a day.
    scene.test.advance(Duration::from_hours(23));
    assert_eq!(once(r#"{"name":"blue"}"#).await.ok(), first.json());
    scene.test.advance(Duration::from_mins(61));
    assert_eq!(once(r#"{"name":"green"}"#).await.ok()["name"], "green");
    assert_eq!(once(r#"{"name":"blue"}"#).await.status.as_u16(), 409);
}

#[tokio::test]
async fn only_what_succeeded_is_kept_and_rights_are_judged_first() {
    let scene = Scene::new().await;
    let once = async |caller, body: &str| post(&scene, caller, NAMESPACES, &["a"], body).await;
    assert_eq!(once(all(&scene), r#"{"name":"other"}"#).await.status.as_u16(), 409, "the name is taken");
    assert_eq!(once(all(&scene), r#"{"name":""}"#).await.status.as_u16(), 400);
    assert_eq!(once(all(&scene), r#"{"name":"blue"}"#).await.status.as_u16(), 200);
    let narrow = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    assert_eq!(once(narrow, r#"{"name":"blue"}"#).await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_value_is_one_text_of_some_length() {
    let scene = Scene::new().await;
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    for (keys, status) in
        [(vec![""], 400), (vec!["a", "b"], 400), (vec![too_long.as_str()], 400), (vec![longest.as_str()], 200)]
    {
        let reply = post(&scene, all(&scene), NAMESPACES, &keys, r#"{"name":"blue"}"#).await;
        assert_eq!(reply.status.as_u16(), status, "{keys:?}");
    }
    assert_eq!(namespaces(&scene).await, 3);
}

#[tokio::test]
async fn p07_a_value_is_its_credentials_own_and_its_paths() {
    let scene = Scene::new().await;
    let (one, other) = (scene.test.sign_in(None).await, scene.test.sign_in(None).await);
    let body = r#"{"display_name":"k","scopes":["keys:read","keys:write"]}"#;
    let me = "/v1/namespaces/me/keys";
    let own = format!("/v1/namespaces/{}/keys", scene.owner.namespace);
    let first = post(&scene, holder(&scene.test, &one.access), me, &["a"], body).await.ok();
    // Another session, a key and a browser of the same person see nothing of it.
    let key = first["token"].as_str().unwrap();
    let mut ids = vec![first["id"].clone()];
    for caller in [holder(&scene.test, &other.access), holder(&scene.test, key)] {
        ids.push(post(&scene, caller, me, &["a"], body).await.ok()["id"].clone());
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    let mut browser = Browser::of_owner(&scene.test).await;
    assert_eq!(browser.json(&scene.test, &Method::POST, &own, body).await.status.as_u16(), 200);
    // `me`, the id, and the id in capitals are one path; so it is the same session after a refresh.
    let next = scene.test.refresh(&other.refresh).await.pair();
    for path in [own.as_str(), &own.replace("ns_", "NS_"), me] {
        let again = post(&scene, holder(&scene.test, &next.access), path, &["a"], body).await;
        assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
        assert_eq!(again.ok()["id"], ids[1], "{path}");
    }
    // Another path is another matter.
    let made = post(&scene, all(&scene), NAMESPACES, &["a"], r#"{"name":"blue"}"#).await;
    assert!(!made.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn n49_two_at_once_make_one_row() {
    let scene = Scene::new().await;
    let once = || post(&scene, all(&scene), NAMESPACES, &["a"], r#"{"name":"blue"}"#);
    let (a, b, c, d) = tokio::join!(once(), once(), once(), once());
    let replies = [a, b, c, d];
    assert_eq!(replies.iter().filter(|reply| reply.headers.contains_key("idempotency-replayed")).count(), 3);
    assert!(replies.iter().all(|reply| reply.json() == replies[0].json()));
    assert_eq!(namespaces(&scene).await, 3);
}

bitrouter_test_postgres::once_more_on_postgres!(
    n49_the_same_body_is_answered_as_it_was_and_another_one_is_a_conflict,
    only_what_succeeded_is_kept_and_rights_are_judged_first,
    a_value_is_one_text_of_some_length,
    p07_a_value_is_its_credentials_own_and_its_paths,
    n49_two_at_once_make_one_row,
);
