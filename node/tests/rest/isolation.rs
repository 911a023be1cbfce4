//! P7: nobody learns of another's namespace, session or account, whatever scopes they hold.

use bitrouter_gateway::http::Caller;
use bitrouter_node::{http::all_endpoints, people::namespaces};
use bitrouter_proto::account::{GrantId, NamespaceId, ScopeSet};
use http::{StatusCode, header};

use super::{
    caller::{Browser, Scene, absent, session},
    entries::ENTRIES,
};

#[tokio::test]
async fn p07_foreign_and_absent_ids_read_the_same_before_any_scope_is_looked_at() {
    let scene = Scene::new().await;
    let gone = namespaces::create(&scene.test.node, scene.owner.id, "gone").await.unwrap().id;
    namespaces::delete(&scene.test.node, scene.owner.id, &gone.to_string()).await.unwrap();
    let (own, foreign) = (scene.owner.namespace, scene.stranger.namespace);
    let strange_namespaces = [
        foreign.to_string(),
        scene.owner.other_namespace.to_string(),
        gone.to_string(),
        absent(NamespaceId::new).to_string(),
        "other".to_owned(),
        scene.owner.id.to_string(),
        format!("{own}x"),
        "%6de".to_owned(),
        "..".to_owned(),
    ];
    let strange_sessions = [
        scene.stranger.session.to_string(),
        session(&scene.test, scene.owner.id, scene.owner.other_namespace).await.to_string(),
        absent(GrantId::new).to_string(),
        own.to_string(),
        "me".to_owned(),
    ];
    let mut asked = 0;
    for entry in ENTRIES.iter().filter(|entry| entry.names_namespace()) {
        let own_session = scene.owner.session.to_string();
        let by_namespace = strange_namespaces.iter().map(|id| entry.at(id, &own_session));
        let by_session = strange_sessions.iter().map(|id| entry.at(&own.to_string(), id));
        let paths: Vec<String> =
            if entry.names_session() { by_namespace.chain(by_session).collect() } else { by_namespace.collect() };
        let mut answers = std::collections::BTreeSet::new();
        for path in paths {
            for scopes in [ScopeSet::EMPTY, ScopeSet::GRANTABLE] {
                let reply = scene.send(scene.token(own, scopes), &entry.method(), &path, entry.body).await;
                assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{} {path} with `{scopes}`", entry.method);
                answers.insert(reply.body.clone());
                asked += 1;
            }
        }
        // One answer for namespaces, one for sessions: none tells why.
        assert_eq!(answers.len(), if entry.names_session() { 2 } else { 1 }, "{answers:?}");
    }
    assert!(asked > 40, "{asked}");
}

#[tokio::test]
async fn p07_a_browser_reaches_all_namespaces_of_its_person_and_no_other() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    for entry in ENTRIES.iter().filter(|entry| entry.names_namespace()) {
        let (foreign, theirs) = (scene.stranger.namespace.to_string(), scene.stranger.session.to_string());
        for path in [entry.at(&foreign, &theirs), entry.at("me", &theirs)] {
            let reply = browser.json(&scene.test, &entry.method(), &path, entry.body).await;
            assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{} {path}", entry.method);
        }
    }
    for namespace in [scene.owner.namespace, scene.owner.other_namespace] {
        let path = format!("/v1/namespaces/{namespace}/sessions");
        let listed = browser.json(&scene.test, &http::Method::GET, &path, "").await.ok();
        let expected = usize::from(namespace == scene.owner.namespace);
        assert_eq!(listed["data"].as_array().unwrap().len(), expected, "{listed}");
    }
}

#[tokio::test]
async fn p07_ids_are_read_in_any_case_and_me_is_the_credentials_own() {
    let scene = Scene::new().await;
    let (own, token) = (scene.owner.namespace, scene.token(scene.owner.namespace, ScopeSet::DEFAULT));
    let get = http::Method::GET;
    let plain = scene.send(token, &get, &format!("/v1/namespaces/{own}/sessions"), "").await.ok();
    for spelling in ["me".to_owned(), own.to_string().to_ascii_uppercase()] {
        let told = scene.send(token, &get, &format!("/v1/namespaces/{spelling}/sessions"), "").await.ok();
        assert_eq!(told, plain, "{spelling}");
    }
    assert_eq!(plain["data"][0]["id"], scene.owner.session.to_string());
    let upper = scene.owner.session.to_string().to_ascii_uppercase();
    let revoked = scene.send(token, &http::Method::DELETE, &format!("/v1/namespaces/me/sessions/{upper}"), "").await;
    assert_eq!(revoked.ok(), serde_json::json!({"revoked": true}));
}

#[tokio::test]
async fn p07_without_a_credential_every_judged_endpoint_is_401() {
    let scene = Scene::new().await;
    for caller in [Caller::Anyone, Caller::Keyless { namespace: Some(scene.owner.namespace) }] {
        for entry in ENTRIES {
            let path = entry.at(&scene.owner.namespace.to_string(), &scene.owner.session.to_string());
            let reply = scene.send(caller, &entry.method(), &path, entry.body).await;
            assert_eq!(reply.refusal(), (401, "unauthorized".to_owned()), "{} {path}", entry.method);
            assert!(reply.header(header::WWW_AUTHENTICATE).is_some_and(|value| value.starts_with("Bearer")));
        }
    }
}

#[tokio::test]
async fn p07_an_open_endpoint_tells_nothing_of_anybody() {
    let scene = Scene::new().await;
    let own = scene.owner.namespace.to_string();
    for endpoint in all_endpoints().filter(|endpoint| endpoint.access == bitrouter_node::http::Access::Open) {
        let path = endpoint.path.replace("{*", "{").split('{').next().unwrap_or_default().to_owned();
        let reply = scene.send(Caller::Anyone, &endpoint.method, &path, "").await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains(&own) && !text.contains(&scene.owner.id.to_string()), "{} {path}", endpoint.method);
    }
}

#[tokio::test]
async fn p07_the_list_of_namespaces_is_the_persons_whole_one() {
    let scene = Scene::new().await;
    let token = scene.token(scene.owner.other_namespace, ScopeSet::DEFAULT);
    let told = scene.send(token, &http::Method::GET, "/v1/namespaces", "").await.ok();
    let rows: Vec<_> = told["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(rows, [scene.owner.namespace.to_string(), scene.owner.other_namespace.to_string()]);
    assert_eq!(told["data"][0].as_object().unwrap().len(), 3, "{told}");
}

#[tokio::test]
async fn n23_what_was_ended_opens_nothing_at_once() {
    let scene = Scene::new().await;
    let mut browser = Browser::of_owner(&scene.test).await;
    let pair = scene.test.sign_in(None).await;
    assert!(scene.test.opens(&pair.access));
    let id = scene.test.node.judge_token(pair.access.as_bytes()).unwrap().credential;
    let path = format!("/v1/namespaces/{}/sessions/{id}", scene.owner.namespace);
    let revoked = browser.json(&scene.test, &http::Method::DELETE, &path, "").await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert!(!scene.test.opens(&pair.access));
    assert_eq!(scene.test.refresh(&pair.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    // Ended, it is there for nobody.
    let again = browser.json(&scene.test, &http::Method::DELETE, &path, "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn n23_deleting_a_namespace_ends_its_tokens_and_no_other() {
    let scene = Scene::new().await;
    let kept = scene.test.sign_in(None).await;
    let code = scene.test.start(None).await;
    let decision = bitrouter_node::oauth::approval::Decision {
        namespace: scene.owner.other_namespace,
        scopes: ScopeSet::GRANTABLE,
        own_device: false,
    };
    let (user_code, visitor) = (code["user_code"].as_str().unwrap(), super::support::neighbour());
    scene.test.node.approve_code(user_code, scene.owner.id, &visitor, decision).await.unwrap();
    let ended = scene.test.poll(&code).await.pair();
    assert!(scene.test.opens(&ended.access));
    let mut browser = Browser::of_owner(&scene.test).await;
    let path = format!("/v1/namespaces/{}", scene.owner.other_namespace);
    assert_eq!(browser.json(&scene.test, &http::Method::DELETE, &path, "").await.status, StatusCode::OK);
    assert!(!scene.test.opens(&ended.access) && scene.test.opens(&kept.access));
    assert_eq!(scene.test.refresh(&ended.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    let test = scene.test.reopened().await;
    assert!(!test.opens(&ended.access) && test.opens(&kept.access));
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_foreign_and_absent_ids_read_the_same_before_any_scope_is_looked_at,
    p07_a_browser_reaches_all_namespaces_of_its_person_and_no_other,
    p07_ids_are_read_in_any_case_and_me_is_the_credentials_own,
    p07_without_a_credential_every_judged_endpoint_is_401,
    p07_an_open_endpoint_tells_nothing_of_anybody,
    p07_the_list_of_namespaces_is_the_persons_whole_one,
    n23_what_was_ended_opens_nothing_at_once,
    n23_deleting_a_namespace_ends_its_tokens_and_no_other,
);
