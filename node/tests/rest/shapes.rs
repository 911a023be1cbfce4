//! The shape of every answer: what is read strictly, and how refusals read.

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{Scope, ScopeSet};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};

use super::{
    caller::{Browser, Scene},
    entries::ENTRIES,
    support::Reply,
};

/// A token that may all but make namespaces, and those too.
fn all(scene: &Scene) -> Caller {
    scene.token(scene.owner.namespace, ScopeSet::of(Scope::ALL))
}

async fn post(scene: &Scene, body: &str) -> Reply {
    scene.send(all(scene), &Method::POST, "/v1/namespaces", body).await
}

#[tokio::test]
async fn bodies_are_read_strictly_and_the_member_is_named() {
    let scene = Scene::new().await;
    for (body, field) in [
        (r#"{"name":"x","extra":1}"#, Some("extra")),
        (r#"{"name":"x","name":"y"}"#, Some("name")),
        (r#"{"name":1}"#, Some("name")),
        (r#"{"name":""}"#, Some("name")),
        ("{\"name\":\"a\\u202eb\"}", Some("name")),
        (r#"{"name":" x"}"#, Some("name")),
        ("{}", Some("name")),
        ("[]", None),
        ("nonsense", None),
        ("", Some("name")),
    ] {
        let reply = post(&scene, body).await;
        assert_eq!(reply.refusal(), (400, "bad_request".to_owned()), "{body}");
        assert_eq!(reply.json()["field"].as_str(), field, "{body}");
    }
    let patch = async |body: &str| scene.send(all(&scene), &Method::PATCH, "/v1/account", body).await;
    assert_eq!(patch(r#"{"display_name":null}"#).await.json()["field"], "display_name");
    assert_eq!(patch(r#"{"email":"x"}"#).await.json()["field"], "display_name");
    assert_eq!(patch(r#"{"display_name":"x","email":"y"}"#).await.json()["field"], "email");
}

#[tokio::test]
async fn a_created_row_is_200_and_a_taken_name_409() {
    let scene = Scene::new().await;
    let made = post(&scene, r#"{"name":"blue"}"#).await.ok();
    assert_eq!(made["name"], "blue");
    assert_eq!(made.as_object().unwrap().len(), 3, "{made}");
    let stamp = made["created_at"].as_str().unwrap();
    assert!(stamp.ends_with('Z') && stamp.len() == 24, "{stamp}");
    assert_eq!(post(&scene, r#"{"name":"blue"}"#).await.refusal(), (409, "conflict".to_owned()));
    let path = format!("/v1/namespaces/{}", made["id"].as_str().unwrap());
    let mut browser = Browser::of_owner(&scene.test).await;
    let deleted = browser.json(&scene.test, &Method::DELETE, &path, "").await;
    assert_eq!(deleted.ok(), serde_json::json!({"deleted": true}));
    assert_eq!(post(&scene, r#"{"name":"blue"}"#).await.status, StatusCode::OK);
}

#[tokio::test]
async fn parameters_that_nobody_reads_are_refused_by_name() {
    let scene = Scene::new().await;
    for (query, field) in [("limit=1", "limit"), ("key=a&key=b", "key"), ("l%69mit", "limit")] {
        let reply = scene.send(all(&scene), &Method::GET, &format!("/v1/namespaces?{query}"), "").await;
        assert_eq!(reply.refusal(), (400, "bad_request".to_owned()), "{query}");
        assert_eq!(reply.json()["field"], field);
    }
    assert_eq!(scene.send(all(&scene), &Method::GET, "/v1/namespaces?key=bra_x", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn media_type_comes_before_size_and_size_before_content() {
    let scene = Scene::new().await;
    let send = async |media_type: Option<&str>, body: Vec<u8>, more: Option<(&str, &str)>| {
        let mut request = Request::builder().method("POST").uri("/v1/namespaces?limit=1");
        request = request.header(header::CONTENT_LENGTH, body.len());
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        if let Some((name, value)) = more {
            request = request.header(name, value);
        }
        scene.raw(all(&scene), request.body(Bytes::from(body)).unwrap()).await
    };
    let large = vec![b'x'; 1024 * 1024 + 1];
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")] {
        let reply = send(media_type, large.clone(), None).await;
        assert_eq!(reply.refusal(), (415, "bad_request".to_owned()), "{media_type:?}");
    }
    let packed = send(Some("application/json"), b"{}".to_vec(), Some(("content-encoding", "gzip"))).await;
    assert_eq!(packed.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let json = Some("application/json; charset=utf-8");
    assert_eq!(send(json, large, None).await.refusal(), (413, "bad_request".to_owned()));
    assert_eq!(send(json, b"{".to_vec(), None).await.json()["field"], "limit");
    // A request without a body needs no type.
    assert_eq!(send(None, Vec::new(), None).await.json()["field"], "limit");
}

#[tokio::test]
async fn what_takes_no_body_refuses_one_that_says_something() {
    let scene = Scene::new().await;
    let send = async |method: &Method, path: &str, media_type: Option<&str>, body: &'static str| {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_LENGTH, body.len());
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        scene.raw(all(&scene), request.body(Bytes::from_static(body.as_bytes())).unwrap()).await
    };
    let json = Some("application/json");
    let without = ENTRIES.iter().filter(|entry| matches!(entry.method, "GET" | "DELETE") && entry.takes_tokens);
    let mut asked = 0;
    for entry in without.filter(|entry| !entry.names_row()) {
        let path = entry.at(&scene.owner.namespace.to_string(), &scene.owner.session.to_string());
        let method = entry.method();
        for (media_type, body, status, field) in [
            (json, r#"{"bogus":1}"#, 400, Some("bogus")),
            (None, r#"{"bogus":null}"#, 400, Some("bogus")),
            (json, r#"{"a":{},"a":{}}"#, 400, Some("a")),
            (json, "nonsense", 400, None),
            (json, "[]", 400, None),
            (Some("text/plain"), "{}", 415, None),
        ] {
            let reply = send(&method, &path, media_type, body).await;
            assert_eq!(reply.refusal(), (status, "bad_request".to_owned()), "{method} {path} {body}");
            match field.filter(|_| path.starts_with("/api/v1/")) {
                Some(field) => assert!(reply.words().contains(&format!("`{field}`")), "{method} {path} {body}"),
                None => assert_eq!(reply.json()["field"].as_str(), field, "{method} {path} {body}"),
            }
            asked += 1;
        }
    }
    assert!(asked > 80, "{asked}");
    // What says nothing is as good as nothing.
    for (media_type, body) in [(json, ""), (Some("text/plain"), ""), (json, "{}"), (None, " {\n} ")] {
        let reply = send(&Method::GET, "/v1/account", media_type, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{media_type:?} {body}");
    }
    let session = format!("/v1/namespaces/me/sessions/{}", scene.owner.session);
    assert_eq!(send(&Method::DELETE, &session, None, "{}").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_scope_is_asked_for_before_the_body_is_read() {
    let scene = Scene::new().await;
    let token = scene.token(scene.owner.namespace, ScopeSet::DEFAULT);
    let request = Request::builder().method("POST").uri("/v1/namespaces?x").body(Bytes::from_static(b"nonsense"));
    assert_eq!(scene.raw(token, request.unwrap()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn another_method_is_405_with_those_that_there_are() {
    let scene = Scene::new().await;
    for (path, allowed) in [
        ("/v1/namespaces", "GET, POST, HEAD"),
        ("/v1/account", "GET, PATCH, DELETE, HEAD"),
        ("/v1/namespaces/me", "DELETE"),
    ] {
        let reply = scene.send(all(&scene), &Method::PUT, path, "").await;
        assert_eq!(reply.refusal(), (405, "bad_request".to_owned()), "{path}");
        assert_eq!(reply.header(header::ALLOW), Some(allowed));
        let stranger = scene.send(Caller::Anyone, &Method::PUT, path, "").await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_401_for_strangers_and_404_for_the_rest() {
    let scene = Scene::new().await;
    for path in [
        "/v1/namespaces/",
        "/v1/account/",
        "/v1/namespaces/me/keys/",
        "/v1/namespaces/me/sessions/",
        "/v1/namespaces/me/requests/",
        "/v1/billing",
        "/v1/billing/nothing",
        "/v1/byok/keys/",
        "/v1/node/nothing",
        "/v1/requests/req_1",
        "/v1/requests//settlement",
        "/api/v1/keys",
    ] {
        let known = scene.send(scene.token(scene.owner.namespace, ScopeSet::EMPTY), &Method::GET, path, "").await;
        assert_eq!(known.refusal(), (404, "not_found".to_owned()), "{path}");
        let stranger = scene.send(Caller::Anyone, &Method::GET, path, "").await;
        assert_eq!(stranger.refusal(), (401, "unauthorized".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn nothing_of_ours_is_kept_by_anybody_on_the_way() {
    let scene = Scene::new().await;
    let reply = scene.send(all(&scene), &Method::GET, "/v1/account", "").await;
    assert_eq!(reply.header(header::CACHE_CONTROL), Some("no-store"));
    assert_eq!(reply.header(header::CONTENT_TYPE), Some("application/json"));
}

bitrouter_test_postgres::once_more_on_postgres!(
    bodies_are_read_strictly_and_the_member_is_named,
    a_created_row_is_200_and_a_taken_name_409,
    parameters_that_nobody_reads_are_refused_by_name,
    media_type_comes_before_size_and_size_before_content,
    what_takes_no_body_refuses_one_that_says_something,
    a_scope_is_asked_for_before_the_body_is_read,
    another_method_is_405_with_those_that_there_are,
    what_is_not_there_is_401_for_strangers_and_404_for_the_rest,
    nothing_of_ours_is_kept_by_anybody_on_the_way,
);
