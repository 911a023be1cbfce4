//! Policies as rows: made, listed, changed, deleted.

use bitrouter_proto::account::ScopeSet;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::{super::caller::Scene, ids, scopes};

#[tokio::test]
async fn a_policy_is_made_shown_changed_and_deleted() {
    let scene = Scene::new().await;
    let spec = json!({"window": "day", "limit_micro_usd": 5_000_000});
    let body = json!({"name": "nightly-cap", "kind": "budget", "spec": spec});
    let made = scene.ask(Method::POST, "policies", body).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("pol_"), "{made}");
    assert_eq!(made, json!({"id": id, "name": "nightly-cap", "kind": "budget", "spec": spec, "disabled_at": null}));
    let path = format!("policies/{id}");
    assert_eq!(scene.get(&path).await.ok(), made);
    assert_eq!(scene.get(&path.to_ascii_uppercase().replacen("POLICIES", "policies", 1)).await.ok(), made);
    assert_eq!(scene.get("policies").await.ok(), json!({"data": [made]}));
    let renamed = scene.ask(Method::PUT, &path, json!({"name": "cap"})).await.ok();
    assert_eq!((&renamed["name"], &renamed["spec"]), (&json!("cap"), &spec));
    let other = json!({"window": "total", "limit_micro_usd": 1, "funding": "credit"});
    let changed = scene.ask(Method::PUT, &path, json!({"spec": other, "name": null})).await.ok();
    assert_eq!((&changed["name"], &changed["spec"]), (&json!("cap"), &other));
    assert_eq!(scene.ask(Method::PUT, &path, json!({})).await.ok(), changed);
    assert_eq!(scene.ask(Method::DELETE, &path, Value::Null).await.ok(), json!({"deleted": true}));
    assert_eq!(scene.get(&path).await.refusal(), (404, "not_found".to_owned()));
    assert_eq!(scene.ask(Method::DELETE, &path, Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_list_is_of_one_kind_or_of_all() {
    let scene = Scene::new().await;
    let budget = scene.policy("budget", json!({"window": "day", "limit_micro_usd": 1})).await;
    let rate = scene.policy("rate_limit", json!({"window_secs": 1, "max_tokens": 1})).await;
    let guardrail = scene.policy("guardrail", json!({})).await;
    let preset = scene.policy("preset", json!({"guardrail": {}})).await;
    let mut all = ids(&scene.get("policies").await.ok());
    all.sort_unstable();
    let mut made = vec![budget.clone(), rate.clone(), guardrail.clone(), preset.clone()];
    made.sort_unstable();
    assert_eq!(all, made);
    for (kind, id) in [("budget", budget), ("rate_limit", rate), ("guardrail", guardrail), ("preset", preset)] {
        assert_eq!(ids(&scene.get(&format!("policies?kind={kind}")).await.ok()), [id], "{kind}");
    }
    for query in ["kind=rate-limit", "kind=", "kind=Budget", "kinds=budget"] {
        let refused = scene.get(&format!("policies?{query}")).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{query}");
        assert!(refused.json()["field"].as_str().unwrap().starts_with("kind"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let scene = Scene::new().await;
    let budget = json!({"window": "day", "limit_micro_usd": 1});
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "", "kind": "budget", "spec": budget}), "name"),
        (json!({"name": "a\u{202e}b", "kind": "budget", "spec": budget}), "name"),
        (json!({"name": "x".repeat(129), "kind": "budget", "spec": budget}), "name"),
        (json!({"name": "x", "spec": budget}), "kind"),
        (json!({"name": "x", "kind": "rate-limit", "spec": budget}), "kind"),
        (json!({"name": "x", "kind": "budget"}), "spec"),
        (json!({"name": "x", "kind": "budget", "spec": null}), "spec"),
        (json!({"name": "x", "kind": "budget", "spec": []}), "spec"),
        (json!({"name": "x", "kind": "rate_limit", "spec": budget}), "spec.window_secs"),
        (
            json!({"name": "x", "kind": "budget", "spec": {"window": "day", "limit_micro_usd": 0}}),
            "spec.limit_micro_usd",
        ),
        (json!({"name": "x", "kind": "guardrail", "spec": {"model_allow": []}}), "spec.model_allow"),
        (json!({"name": "x", "kind": "guardrail", "spec": {"model_allow": ["a", "b", "c", 4]}}), "spec.model_allow[3]"),
        (
            json!({"name": "x", "kind": "preset", "spec": {"guardrail": {"model_allow": ["a", "b", "c", 4]}}}),
            "spec.guardrail.model_allow[3]",
        ),
        (json!({"name": "x", "kind": "budget", "spec": budget, "enabled": true}), "enabled"),
    ] {
        let refused = scene.ask(Method::POST, "policies", body.clone()).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{body}");
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    let twice = scene.send(
        scene.token(scene.owner.namespace, ScopeSet::GRANTABLE),
        &Method::POST,
        "/v1/namespaces/me/policies",
        r#"{"name":"x","kind":"budget","spec":{"window":"day","window":"month","limit_micro_usd":1}}"#,
    );
    assert_eq!(twice.await.json()["field"], "spec.window");
    let id = scene.policy("budget", budget).await;
    for (body, field) in [
        (json!({"kind": "budget"}), "kind"),
        (json!({"name": 1}), "name"),
        (json!({"spec": {"window_secs": 1, "max_requests": 1}}), "spec.window"),
        (json!({"spec": {"window": "day"}}), "spec.limit_micro_usd"),
    ] {
        let refused = scene.ask(Method::PUT, &format!("policies/{id}"), body.clone()).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{body}");
        assert_eq!(refused.json()["field"], field, "{body}");
    }
}

#[tokio::test]
async fn too_much_in_a_policy_is_a_conflict() {
    let scene = Scene::new().await;
    let pattern = json!({"name": "a", "pattern": "a"});
    let body = json!({"name": "x", "kind": "guardrail", "spec": {"content_patterns": vec![pattern; 33]}});
    let refused = scene.ask(Method::POST, "policies", body).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert_eq!(refused.json()["field"], "spec.content_patterns");
}

#[tokio::test]
async fn p07_what_is_of_another_namespace_is_not_there() {
    let scene = Scene::new().await;
    let (policy, budget) = (scene.some_policy().await, json!({"name": "x", "window": "day", "limit_micro_usd": 1}));
    let budget = scene.ask(Method::POST, "budgets", budget).await.ok()["id"].as_str().unwrap().to_owned();
    let binding = scene.bind(&policy, "namespace", &scene.owner.namespace.to_string()).await;
    let other = |scopes| scene.token(scene.owner.other_namespace, scopes);
    let absent = "pol_00000000000000000000000001";
    for scopes in [ScopeSet::EMPTY, ScopeSet::GRANTABLE] {
        for (method, path) in [
            (Method::GET, "policies/{}"),
            (Method::PUT, "policies/{}"),
            (Method::DELETE, "policies/{}"),
            (Method::POST, "policies/{}/bind"),
            (Method::POST, "policies/{}/enable"),
            (Method::POST, "policies/{}/disable"),
            (Method::GET, "policies/{}/bindings"),
            (Method::GET, "budgets/{}"),
            (Method::PUT, "budgets/{}"),
            (Method::DELETE, "budgets/{}"),
            (Method::GET, "presets/{}"),
        ] {
            let mut said = Vec::new();
            for id in [policy.as_str(), &budget, absent, "x"] {
                let reply = scene.ask_as(other(scopes), method.clone(), &path.replace("{}", id), Value::Null).await;
                assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{method} {path} {id}");
                said.push(reply.body);
            }
            assert!(said.iter().all(|body| *body == said[0]), "{said:?}");
        }
    }
    // A binding is one of its own policy.
    let second = scene.some_policy().await;
    let reply = scene.ask(Method::DELETE, &format!("policies/{second}/bind/{binding}"), Value::Null).await;
    assert_eq!(reply.refusal(), (404, "not_found".to_owned()));
    assert_eq!(ids(&scene.get(&format!("policies/{policy}/bindings")).await.ok()), [binding]);
}

#[tokio::test]
async fn p08_reading_takes_one_scope_and_changing_another() {
    let scene = Scene::new().await;
    let policy = scene.some_policy().await;
    let [reads, writes] = scopes().map(|scopes| scene.token(scene.owner.namespace, scopes));
    let nothing = scene.token(scene.owner.namespace, ScopeSet::EMPTY);
    let namespace = scene.owner.namespace.to_string();
    let bind = json!({"principal_type": "namespace", "principal_id": namespace});
    for (method, path, body, needed) in [
        (Method::GET, format!("policies/{policy}"), Value::Null, "policy:read"),
        (Method::GET, format!("policies/{policy}/bindings"), Value::Null, "policy:read"),
        (Method::PUT, format!("policies/{policy}"), json!({"name": "x"}), "policy:write"),
        (Method::POST, format!("policies/{policy}/bind"), bind, "policy:write"),
        (Method::POST, format!("policies/{policy}/disable"), Value::Null, "policy:write"),
        (Method::POST, format!("policies/{policy}/enable"), Value::Null, "policy:write"),
        (Method::DELETE, format!("policies/{policy}"), Value::Null, "policy:write"),
    ] {
        let refused = scene.ask_as(nothing, method.clone(), &path, body.clone()).await;
        assert_eq!(refused.refusal(), (403, "forbidden".to_owned()), "{method} {path}");
        assert_eq!(refused.json()["error_description"], format!("missing required scope: {needed}"));
        let read = scene.ask_as(reads, method.clone(), &path, body.clone()).await;
        assert_eq!(read.status == StatusCode::OK, needed == "policy:read", "{method} {path}");
        scene.ask_as(writes, method, &path, body).await.ok();
    }
}

#[tokio::test]
async fn n49_a_repeated_post_makes_nothing_more() {
    let scene = Scene::new().await;
    let post = async |path: &str, body: &Value| {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/v1/namespaces/{}/{path}", scene.owner.namespace))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "once");
        let caller = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
        scene.raw(caller, request.body(Bytes::from(body.to_string())).unwrap()).await
    };
    let policy = scene.some_policy().await;
    for (path, body) in [
        ("policies".to_owned(), json!({"name": "x", "kind": "guardrail", "spec": {}})),
        ("budgets".to_owned(), json!({"name": "x", "window": "day", "limit_micro_usd": 1})),
        ("presets".to_owned(), json!({"name": "x", "guardrail": {}})),
        (
            format!("policies/{policy}/bind"),
            json!({"principal_type": "namespace", "principal_id": scene.owner.namespace.to_string()}),
        ),
    ] {
        let first = post(&path, &body).await;
        let again = post(&path, &body).await;
        assert_eq!(first.ok(), again.ok(), "{path}");
        let replayed = |reply: &super::Reply| {
            reply.headers.get("idempotency-replayed").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!((replayed(&first), replayed(&again).as_deref()), (None, Some("true")), "{path}");
        let mut other = body.clone();
        other["name"] = json!("y");
        let status = post(&path, &other).await.status.as_u16();
        assert!(if path.ends_with("bind") { status == 400 } else { status == 409 }, "{path} {status}");
    }
    assert_eq!(ids(&scene.get("policies").await.ok()).len(), 4);
    assert_eq!(ids(&scene.get(&format!("policies/{policy}/bindings")).await.ok()).len(), 1);
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_policy_is_made_shown_changed_and_deleted,
    a_list_is_of_one_kind_or_of_all,
    what_is_wrong_is_named,
    too_much_in_a_policy_is_a_conflict,
    p07_what_is_of_another_namespace_is_not_there,
    p08_reading_takes_one_scope_and_changing_another,
    n49_a_repeated_post_makes_nothing_more,
);
