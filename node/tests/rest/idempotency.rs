//! `Idempotency-Key`: a POST that was sent twice makes one row, whoever sent it, and nobody else sees it.

use std::time::Duration;

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{Role, Scope, ScopeSet};
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

/// Sends what the node's owner does at the control socket.
async fn by_socket(scene: &Scene, method: &Method, path: &str, body: &str) -> Reply {
    use http_body_util::BodyExt as _;
    let mut request = Request::builder().method(method).uri(path);
    if *method == Method::POST {
        request = request.header(header::CONTENT_TYPE, "application/json").header("idempotency-key", "a");
    }
    let request = request.body(body.to_owned().into()).unwrap();
    let (head, body) = std::sync::Arc::clone(&scene.test.node).answer_owner(request).await.into_parts();
    Reply { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}

#[tokio::test]
async fn n49_what_was_made_and_is_gone_is_neither_claimed_nor_made_again() {
    let scene = Scene::new().await;
    let home = format!("/v1/namespaces/{}", scene.owner.namespace);
    let policy = r#"{"name":"p","kind":"budget","spec":{"window":"day","limit_micro_usd":1}}"#;
    let bound = by_socket(&scene, &Method::POST, &format!("{home}/policies"), policy).await.ok();
    let bind = format!("{home}/policies/{}/bind", bound["id"].as_str().unwrap());
    let eve = scene.stranger.id.to_string();
    for (made_at, taken_at, body, id, list) in [
        ("/v1/namespaces", "/v1/namespaces", r#"{"name":"blue"}"#, "id", "/v1/namespaces"),
        (
            &format!("{home}/budgets"),
            &format!("{home}/budgets"),
            r#"{"name":"b","window":"day","limit_micro_usd":1}"#,
            "id",
            &format!("{home}/budgets"),
        ),
        (
            &format!("{home}/presets"),
            &format!("{home}/presets"),
            r#"{"name":"b","guardrail":{}}"#,
            "id",
            &format!("{home}/presets"),
        ),
        (
            &bind,
            &bind,
            r#"{"principal_type":"oauth_client","principal_id":"tokenroute-cli"}"#,
            "binding_id",
            &format!("{bind}ings"),
        ),
        (
            &format!("{home}/members"),
            &format!("{home}/members"),
            r#"{"name":"eve","role":"viewer"}"#,
            "person_id",
            &format!("{home}/members"),
        ),
        (
            &format!("{home}/keys"),
            &format!("{home}/keys"),
            r#"{"display_name":"k","scopes":["usage:read"]}"#,
            "id",
            &format!("{home}/keys"),
        ),
    ] {
        let count = async || by_socket(&scene, &Method::GET, list, "").await.ok()["data"].as_array().unwrap().len();
        let made = by_socket(&scene, &Method::POST, made_at, body).await.ok();
        let id = made[id].as_str().unwrap();
        assert_eq!(by_socket(&scene, &Method::POST, made_at, body).await.headers["idempotency-replayed"], "true");
        by_socket(&scene, &Method::DELETE, &format!("{taken_at}/{id}"), "").await.ok();
        let left = count().await;
        let again = by_socket(&scene, &Method::POST, made_at, body).await;
        assert_eq!(again.refusal(), (409, "conflict".to_owned()), "{made_at}: {:?}", again.body);
        let said = again.json()["error_description"].as_str().unwrap().to_owned();
        assert!(said.contains(id) && said.contains("since"), "{said}");
        assert_eq!(count().await, left, "{made_at}");
    }
    // A member with another role is not what the first reply says.
    let members = format!("{home}/members");
    let set = async |role| {
        scene.test.node.set_member(&scene.owner.namespace.to_string(), "eve", role).await.unwrap();
    };
    let ask = || by_socket(&scene, &Method::POST, &members, r#"{"name":"eve","role":"viewer"}"#);
    set(Role::Viewer).await;
    assert_eq!(ask().await.ok()["person_id"], eve);
    set(Role::Admin).await;
    assert_eq!(ask().await.status.as_u16(), 409);
}

#[tokio::test]
async fn n49_the_operators_key_is_minted_once_by_a_call_that_is_made_again() {
    let scene = Scene::new().await;
    let node = &scene.test.node;
    let mint = async |name: &str, once| node.mint_operator_key(name, Some(once)).await;
    let count = async || node.list_operator_keys().await.unwrap().len();
    let first = mint("grafana", "a").await.unwrap();
    let again = mint("grafana", "a").await.unwrap();
    assert_eq!((again.id, count().await), (first.id, 1));
    assert!(!scene.test.opens(&first.token) && scene.test.opens(&again.token));
    // It was used by now, the name is another one, another call is another one, and one without a key is its own.
    for name in ["grafana", "other"] {
        let refused = mint(name, "a").await.unwrap_err().to_string();
        assert!(refused.contains("Idempotency-Key"), "{refused}");
    }
    assert_eq!(count().await, 1);
    assert_ne!(mint("grafana", "b").await.unwrap().id, first.id);
    node.mint_operator_key("grafana", None).await.unwrap();
    assert_eq!(count().await, 3);
    let ended = mint("grafana", "c").await.unwrap();
    node.revoke_operator_key(ended.id).await.unwrap();
    let refused = mint("grafana", "c").await.unwrap_err().to_string();
    assert!(refused.contains(&ended.id.to_string()) && refused.contains("since"), "{refused}");
    scene.test.advance(Duration::from_mins(11));
    assert!(mint("grafana", "b").await.is_err(), "too old to be told again");
    assert_eq!(count().await, 4);
}

bitrouter_test_postgres::once_more_on_postgres!(
    n49_the_same_body_is_answered_as_it_was_and_another_one_is_a_conflict,
    only_what_succeeded_is_kept_and_rights_are_judged_first,
    a_value_is_one_text_of_some_length,
    p07_a_value_is_its_credentials_own_and_its_paths,
    n49_two_at_once_make_one_row,
);
