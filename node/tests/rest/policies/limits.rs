//! A namespace at its limits.

use http::Method;
use serde_json::{Value, json};

use super::{super::caller::Scene, ids};

#[tokio::test]
async fn a_namespace_has_a_thousand_policies() {
    let scene = Scene::new().await;
    let spec = json!({"model_allow": ["openai/*"], "content_patterns": [{"name": "a", "pattern": "a"}]});
    let mut last = String::new();
    for _ in 0..1_000 {
        last = scene.policy("guardrail", spec.clone()).await;
    }
    let body = json!({"name": "x", "kind": "guardrail", "spec": {}});
    let refused = scene.ask(Method::POST, "policies", body.clone()).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains("1000"));
    for (path, body) in [
        ("budgets", json!({"name": "x", "window": "day", "limit_micro_usd": 1})),
        ("presets", json!({"name": "x", "guardrail": {}})),
    ] {
        assert_eq!(scene.ask(Method::POST, path, body).await.refusal().0, 409);
    }
    assert_eq!(ids(&scene.get("policies").await.ok()).len(), 1_000);
    assert_eq!(ids(&scene.get("policies?kind=budget").await.ok()).len(), 0);
    scene.ask(Method::DELETE, &format!("policies/{last}"), Value::Null).await.ok();
    scene.ask(Method::POST, "policies", body).await.ok();
}

#[tokio::test]
async fn a_principal_has_sixty_four_bindings() {
    let scene = Scene::new().await;
    let mut policies = Vec::new();
    for _ in 0..65 {
        policies.push(scene.some_policy().await);
    }
    for policy in &policies[..64] {
        scene.bind(policy, "oauth_client", "tokenroute-cli").await;
    }
    let refused = scene.try_bind(&policies[64], "oauth_client", "tokenroute-cli").await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.json()["error_description"].as_str().unwrap().contains("64"));
    // What is bound already is no more, and another principal has its own.
    scene.bind(&policies[0], "oauth_client", "tokenroute-cli").await;
    scene.bind(&policies[64], "namespace", &scene.owner.namespace.to_string()).await;
    let effective = scene.effective("oauth_client", "tokenroute-cli").await;
    assert_eq!(effective["rate_limits"].as_array().unwrap().len(), 65);
}

#[tokio::test]
async fn so_many_content_patterns_are_in_force_for_anybody() {
    let scene = Scene::new().await;
    let spec = |count: usize| json!({"content_patterns": vec![json!({"name": "a", "pattern": "a"}); count]});
    let mut policies = Vec::new();
    for _ in 0..4 {
        policies.push(scene.policy("guardrail", spec(32)).await);
    }
    let one = scene.policy("preset", json!({"guardrail": spec(1)})).await;
    // The same policy counts once; the parts come together in the session alone.
    let owner = scene.owner.clone();
    let (client, person, session) = ("bitrouter-cli".to_owned(), owner.id.to_string(), owner.session.to_string());
    scene.bind(&policies[0], "oauth_client", &client).await;
    scene.bind(&policies[0], "user", &person).await;
    scene.bind(&policies[1], "oauth_client", &client).await;
    scene.bind(&policies[2], "user", &person).await;
    scene.bind(&policies[3], "oauth_token", &session).await;
    for (kind, id) in [("oauth_client", &client), ("user", &person), ("oauth_token", &session)] {
        let refused = scene.try_bind(&one, kind, id).await;
        assert_eq!(refused.refusal(), (409, "conflict".to_owned()), "{kind}");
        assert!(refused.json()["error_description"].as_str().unwrap().contains("128"));
    }
    scene.bind(&one, "oauth_client", "tokenroute-cli").await;
    // Nor by way of what a policy says.
    let smaller = json!({"spec": spec(31)});
    let change =
        async |policy: &str, body: Value| scene.by_socket(Method::PUT, &format!("policies/{policy}"), body).await;
    change(&policies[2], smaller).await.ok();
    scene.bind(&one, "user", &person).await;
    let refused = change(&policies[2], json!({"spec": spec(32)})).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    change(&policies[2], json!({"spec": spec(30)})).await.ok();
    let grown = json!({"guardrail": spec(2)});
    scene.by_socket(Method::PUT, &format!("presets/{one}"), grown).await.ok();
    let refused = scene.by_socket(Method::PUT, &format!("presets/{one}"), json!({"guardrail": spec(3)})).await;
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn patterns_of_a_client_and_of_a_person_come_together_before_anybody_signs_in_so() {
    let scene = Scene::new().await;
    let spec = |count: usize| json!({"content_patterns": vec![json!({"name": "a", "pattern": "a"}); count]});
    for kind in ["oauth_client", "user"] {
        let id = if kind == "user" { scene.owner.id.to_string() } else { "tokenroute-cli".to_owned() };
        for _ in 0..2 {
            let policy = scene.policy("guardrail", spec(32)).await;
            scene.bind(&policy, kind, &id).await;
        }
    }
    let one = scene.policy("guardrail", spec(1)).await;
    for (kind, id) in [("oauth_client", "tokenroute-cli".to_owned()), ("user", scene.owner.id.to_string())] {
        let refused = scene.try_bind(&one, kind, &id).await;
        assert_eq!(refused.refusal(), (409, "conflict".to_owned()), "{kind}");
    }
    scene.bind(&one, "oauth_client", "bitrouter-cli").await;
}

#[tokio::test]
async fn a_limit_of_what_a_policy_says_is_409_and_names_the_member() {
    let scene = Scene::new().await;
    let pattern = |pattern: String| json!({"name": "a", "pattern": pattern});
    for (rail, field, limit) in [
        (json!({"content_patterns": vec![pattern("a".to_owned()); 33]}), "content_patterns", "32"),
        (json!({"content_patterns": [pattern("a".repeat(1025))]}), "content_patterns[0].pattern", "1024"),
        (json!({"content_patterns": [pattern(r"(\pL{50}){50}".to_owned())]}), "content_patterns[0].pattern", "1048576"),
        (json!({"model_allow": vec!["a"; 513]}), "model_allow", "512"),
        (json!({"model_deny": vec!["a"; 513]}), "model_deny", "512"),
        (json!({"model_allow": ["a".repeat(513)]}), "model_allow[0]", "512"),
        (json!({"model_deny": ["a", "b".repeat(513)]}), "model_deny[1]", "512"),
    ] {
        for (kind, spec, path) in [
            ("guardrail", rail.clone(), format!("spec.{field}")),
            ("preset", json!({"guardrail": rail}), format!("spec.guardrail.{field}")),
        ] {
            let body = json!({"name": "x", "kind": kind, "spec": spec});
            let refused = scene.ask(Method::POST, "policies", body).await;
            assert_eq!(refused.refusal(), (409, "conflict".to_owned()), "{path}: {:?}", refused.body);
            let said = refused.json();
            assert_eq!(said["field"], path);
            assert!(said["error_description"].as_str().unwrap().contains(limit), "{said}");
        }
    }
    let most =
        json!({"content_patterns": vec![pattern("a".repeat(1024)); 32], "model_allow": vec!["a".repeat(512); 512]});
    scene.policy("guardrail", most).await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_principal_has_sixty_four_bindings,
    so_many_content_patterns_are_in_force_for_anybody,
);
