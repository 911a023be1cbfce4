//! A browser that is signed in, at REST: only where one of our own pages made the call.

use std::time::Duration;

use bitrouter_node::http::Entrance;
use http::{Method, StatusCode};

use super::{
    byok,
    caller::{Browser, Scene},
    entries::ENTRIES,
    support::visitor,
};

#[tokio::test]
async fn a_browser_holds_every_scope_of_its_person() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    for entry in ENTRIES {
        let namespace = if entry.method == "DELETE" && !entry.names_session() {
            scene.owner.other_namespace
        } else {
            scene.owner.namespace
        };
        let path = entry.at(&namespace.to_string(), &scene.owner.session.to_string());
        let body = byok::body_of(&scene.test, entry).await;
        let reply = browser.json(&scene.test, &entry.method(), &path, &body).await;
        let expected = match (entry.names_row(), entry.method, entry.takes_tokens) {
            (true, ..) => StatusCode::NOT_FOUND,
            // The node's owner stays.
            (false, "DELETE", false) => StatusCode::CONFLICT,
            (false, ..) => StatusCode::OK,
        };
        assert_eq!(reply.status, expected, "{} {path}: {:?}", entry.method, reply.body);
    }
}

#[tokio::test]
async fn a_browser_without_the_sign_of_our_pages_is_refused() {
    let scene = Scene::new().await;
    let good = Browser::of_owner(&scene.test).await;
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let without = Browser { csrf: None, ..good.clone() };
    let wrong = Browser { csrf: Some("x".repeat(43)), ..good.clone() };
    let of_another = Browser { csrf: eve.csrf.clone(), ..good.clone() };
    let other_port = Browser { origin: Some("http://127.0.0.1:9".to_owned()), ..good.clone() };
    let other_scheme = Browser { origin: Some("https://127.0.0.1:4356".to_owned()), ..good.clone() };
    for (what, browser, for_reading) in [
        ("no header", without, 403),
        ("a wrong header", wrong, 403),
        ("another session's header", of_another, 403),
        ("another port", other_port, 200),
        ("another scheme", other_scheme, 200),
    ] {
        for entry in ENTRIES {
            let mut browser = browser.clone();
            let path = entry.at(&scene.owner.namespace.to_string(), &scene.owner.session.to_string());
            let reply = browser.json(&scene.test, &entry.method(), &path, entry.body).await;
            let expected = match (entry.method, for_reading) {
                ("GET", 200) if entry.names_row() => 404,
                ("GET", for_reading) => for_reading,
                _ => 403,
            };
            assert_eq!(reply.status.as_u16(), expected, "{what}: {} {path}", entry.method);
        }
    }
}

#[tokio::test]
async fn a_program_with_cookie_and_header_needs_no_origin() {
    let scene = Scene::new().await;
    let mut program = Browser { origin: None, ..Browser::of_owner(&scene.test).await };
    program.json(&scene.test, &Method::POST, "/v1/namespaces", r#"{"name":"of a script"}"#).await.ok();
    program.csrf = None;
    let refused = program.json(&scene.test, &Method::POST, "/v1/namespaces", r#"{"name":"of a page"}"#).await;
    assert_eq!(refused.status.as_u16(), 403);
}

#[tokio::test]
async fn a_session_of_another_uid_entrance_or_time_is_none() {
    let scene = Scene::new().await;
    let good = Browser::of_owner(&scene.test).await;
    let get = async |browser: &Browser| {
        browser.clone().json(&scene.test, &Method::GET, "/v1/account", "").await.status.as_u16()
    };
    assert_eq!(get(&good).await, 200);
    let other_user = Browser { visitor: visitor(Some(1_001), "127.0.0.1"), ..good.clone() };
    let unknown = Browser { visitor: visitor(None, "127.0.0.1"), ..good.clone() };
    let mut public = good.clone();
    public.visitor.entrance = Entrance::Public;
    let mut forged = good.clone();
    forged.cookies.iter_mut().for_each(|(_, value)| *value = "A".repeat(43));
    for browser in [&other_user, &unknown, &public, &forged] {
        assert_eq!(get(browser).await, 401, "{browser:?}");
    }
    scene.test.advance(Duration::from_hours(24 * 8));
    assert_eq!(get(&good).await, 401);
}

#[tokio::test]
async fn a_person_deletes_the_own_account_with_all_that_is_in_it() {
    let scene = Scene::new().await;
    let mut eve = Browser::new();
    eve.sign_in(&scene.test, "eve").await;
    let account = eve.json(&scene.test, &Method::GET, "/v1/account", "").await.ok();
    assert_eq!((&account["email"], &account["display_name"]), (&serde_json::Value::Null, &"eve".into()));
    let changed = eve.json(&scene.test, &Method::PATCH, "/v1/account", r#"{"display_name":"Eve É."}"#).await.ok();
    assert_eq!((&changed["display_name"], &changed["id"]), (&"Eve É.".into(), &account["id"]));
    let deleted = eve.json(&scene.test, &Method::DELETE, "/v1/account", "").await;
    assert_eq!(deleted.ok(), serde_json::json!({"deleted": true}));
    assert_eq!(eve.json(&scene.test, &Method::GET, "/v1/account", "").await.status, StatusCode::UNAUTHORIZED);
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_browser_holds_every_scope_of_its_person,
    a_browser_without_the_sign_of_our_pages_is_refused,
    a_program_with_cookie_and_header_needs_no_origin,
    a_session_of_another_uid_entrance_or_time_is_none,
    a_person_deletes_the_own_account_with_all_that_is_in_it,
);
