//! What the document says of calls before they are made: bodies that are refused fit no schema, credentials that open nothing
//! are not listed, and headers that come back are named.

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{Scope, ScopeSet};
use http::Method;
use serde_json::{Value, json};

use super::{caller::Scene, described::admits, entries::ENTRIES};

/// Bodies, each refused for what it says by itself.
fn refused() -> Vec<(&'static str, &'static str, Value)> {
    let policy = |kind: &str, spec: Value| json!({"name": "x", "kind": kind, "spec": spec});
    let pattern = |pattern: Value| json!({"content_patterns": [pattern]});
    let over = 9_223_372_036_854_775_808_u64;
    let specs = [
        ("budget", json!({"window": "day", "limit_micro_usd": 0})),
        ("budget", json!({"window": "day", "limit_micro_usd": over})),
        ("budget", json!({"window": "week", "limit_micro_usd": 1})),
        ("budget", json!({"limit_micro_usd": 1})),
        ("budget", json!({"window": "day", "limit_micro_usd": 1, "more": 1})),
        ("budget", json!({"window_secs": 60, "max_requests": 1})),
        ("rate_limit", json!({"window_secs": 0, "max_requests": 1})),
        ("rate_limit", json!({"window_secs": 2_592_001, "max_requests": 1})),
        ("rate_limit", json!({"window_secs": 60})),
        ("rate_limit", json!({"window_secs": 60, "max_requests": null, "max_tokens": null})),
        ("rate_limit", json!({"window_secs": 60, "max_requests": 0})),
        ("rate_limit", json!({"window_secs": 60, "max_requests": over})),
        ("rate_limit", json!({"window_secs": 60, "max_tokens": 0})),
        ("guardrail", json!({"model_allow": []})),
        ("guardrail", json!({"model_allow": [""]})),
        ("guardrail", json!({"model_deny": [""]})),
        ("guardrail", json!({"max_request_tokens": 0})),
        ("guardrail", json!({"byok": "never"})),
        ("guardrail", pattern(json!({"name": "", "pattern": "x"}))),
        ("guardrail", pattern(json!({"name": "x", "pattern": ""}))),
        ("guardrail", pattern(json!({"name": "x", "pattern": "x", "max_length": 0}))),
        ("guardrail", pattern(json!({"name": "x", "pattern": "x+", "max_length": 65_537}))),
        ("preset", json!({})),
        ("preset", json!({"guardrail": null})),
        ("preset", json!({"rate_limit": {"window_secs": 60}})),
        ("preset", json!({"guardrail": {"model_allow": []}})),
    ];
    let key = |scopes: Value, name: &str| json!({"display_name": name, "scopes": scopes});
    let long = "x".repeat(129);
    let budget = "/v1/namespaces/me/budgets";
    let others = [
        ("POST", "/v1/namespaces/me/policies", policy("quota", json!({}))),
        ("POST", "/v1/namespaces/me/policies", json!({"name": "x", "kind": "guardrail"})),
        ("POST", "/v1/namespaces/me/policies", json!({"name": "", "kind": "guardrail", "spec": {}})),
        ("POST", "/v1/namespaces/me/policies", json!({"name": "x", "kind": "guardrail", "spec": {}, "more": 1})),
        ("POST", "/v1/namespaces/me/policies/{pol}/disable", json!({"more": 1})),
        ("POST", "/v1/namespaces/me/policies/{pol}/enable", json!({"more": 1})),
        ("POST", "/v1/namespaces/me/policies/{pol}/bind", json!({"principal_type": "x", "principal_id": "x"})),
        ("POST", "/v1/namespaces/me/policies/{pol}/bind", json!({"principal_type": "namespace"})),
        ("PUT", "/v1/namespaces/me/policies/{pol}", json!({"spec": {"window_secs": 60}})),
        ("PUT", "/v1/namespaces/me/policies/{pol}", json!({"spec": {"window_secs": 0, "max_requests": 1}})),
        ("PUT", "/v1/namespaces/me/policies/{pol}", json!({"kind": "budget"})),
        ("POST", budget, json!({"name": "x", "window": "day", "limit_micro_usd": 0})),
        ("POST", budget, json!({"name": "x", "window": "day", "limit_micro_usd": over})),
        ("POST", budget, json!({"name": "x", "window": "day"})),
        ("POST", "/v1/namespaces/me/presets", json!({"name": "x"})),
        ("POST", "/v1/namespaces/me/presets", json!({"name": "x", "guardrail": null})),
        ("POST", "/v1/namespaces/me/presets", json!({"name": "x", "budget": {"window": "day"}})),
        ("POST", "/v1/namespaces/me/keys", key(json!(["usage:read"]), "")),
        ("POST", "/v1/namespaces/me/keys", key(json!(["usage:read"]), &long)),
        ("POST", "/v1/namespaces/me/keys", key(json!([]), "x")),
        ("POST", "/v1/namespaces/me/keys", key(json!("usage:read"), "x")),
        (
            "POST",
            "/v1/namespaces/me/keys",
            json!({"display_name": "x", "scopes": ["usage:read"], "expires_at": "soon"}),
        ),
        ("POST", "/v1/billing/checkout/sessions", json!({"amount_cents": 49})),
        ("POST", "/v1/billing/checkout/sessions", json!({"amount_cents": 100_000_001})),
        ("POST", "/api/v1/topup", json!({})),
        ("POST", "/api/v1/topup", json!({"amount_usd": "-5"})),
        ("POST", "/api/v1/topup", json!({"amount_usd": "five"})),
        ("POST", "/api/v1/topup", json!({"amount_usd": "1e2"})),
        ("POST", "/api/v1/topup", json!({"amount_usd": 0.49})),
        ("POST", "/api/v1/topup", json!({"amount_usd": 1_000_001})),
        ("POST", "/api/v1/topup", json!({"amount_usd": true})),
        ("POST", "/api/v1/topup", json!({"amount_usd": 5, "more": 1})),
        ("POST", "/api/v1/me/keys", json!({})),
        ("POST", "/api/v1/me/keys", json!({"name": ""})),
        ("POST", "/api/v1/me/keys", json!({"name": "x", "scopes": ["usage:read"]})),
        ("POST", "/v1/namespaces", json!({"name": long})),
        ("POST", "/v1/namespaces", json!({})),
        ("PATCH", "/v1/account", json!({"display_name": ""})),
        ("PATCH", "/v1/account", json!({"display_name": "x", "more": 1})),
    ];
    let specs = specs.map(|(kind, spec)| ("POST", "/v1/namespaces/me/policies", policy(kind, spec)));
    specs.into_iter().chain(others).collect()
}

#[tokio::test]
async fn what_a_body_is_refused_for_the_document_says_beforehand() {
    let scene = Scene::new().await;
    let caller = scene.token(scene.owner.namespace, ScopeSet::of(Scope::ALL));
    let document = scene.test.get("/openapi.json").await.ok();
    let body = json!({"name": "x", "kind": "rate_limit", "spec": {"window_secs": 60, "max_requests": 1}}).to_string();
    let made = scene.send(caller, &Method::POST, "/v1/namespaces/me/policies", &body).await.ok();
    for (method, path, body) in refused() {
        let (method, path): (Method, _) =
            (method.parse().unwrap(), path.replace("{pol}", made["id"].as_str().unwrap()));
        let reply = scene.send(caller, &method, &path, &body.to_string()).await;
        assert_eq!(reply.refusal(), (400, "bad_request".to_owned()), "{method} {path} {body}");
        let admitted = admits(&document, &method, &path, &body).unwrap_or_else(|| panic!("{path} takes no body"));
        assert!(admitted.is_err(), "{method} {path} is refused, and the document admits {body}");
    }
}

#[tokio::test]
async fn what_opens_an_endpoint_is_listed_and_nothing_else() {
    let scene = Scene::new().await;
    let document = scene.test.get("/openapi.json").await.ok();
    let schemes = |method: &str, path: &str| -> Vec<String> {
        let listed = document["paths"][path][method.to_lowercase()]["security"].as_array().unwrap();
        listed.iter().flat_map(|one| one.as_object().unwrap().keys().cloned()).collect()
    };
    let by_operator = [
        "/v1/namespaces/{nsid}/usage",
        "/v1/namespaces/{nsid}/requests",
        "/v1/namespaces/{nsid}/requests/{req}",
        "/v1/node/usage",
    ];
    for entry in ENTRIES {
        let mut expected = Vec::new();
        if entry.takes_tokens && entry.scope != Scope::NamespaceWrite {
            expected.extend(["bearer", "apiKey", "googleApiKey", "queryKey"]);
        }
        if by_operator.contains(&entry.path) {
            expected.push("operatorKey");
        }
        expected.push("webSession");
        assert_eq!(schemes(entry.method, entry.path), expected, "{} {}", entry.method, entry.path);
    }
}

#[tokio::test]
async fn headers_of_replies_and_of_repeated_calls_are_described() {
    let scene = Scene::new().await;
    let document = scene.test.get("/openapi.json").await.ok();
    let mut made = 0;
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        for (status, name) in [("401", "WWW-Authenticate"), ("405", "Allow")] {
            let Some(reference) = responses.get(status).and_then(|response| response["$ref"].as_str()) else {
                continue;
            };
            let response = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
            assert_eq!(response["headers"][name]["required"], true, "{method} {path} {status}");
        }
        let is_sent = |parameter: &&Value| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header";
        let takes = operation["parameters"].as_array().unwrap().iter().any(|parameter| is_sent(&parameter));
        let says = responses["200"]["headers"]["Idempotency-Replayed"].is_object();
        assert_eq!(takes, says, "{method} {path}");
        made += usize::from(takes);
        if let Some(body) = operation.get("requestBody").filter(|_| !path.ends_with("/webhook")) {
            let schema = &body["content"]["application/json"]["schema"];
            assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        }
    }
    assert!(made >= 7, "{made}");
    let reply = scene.send(Caller::Anyone, &Method::GET, "/v1/account", "").await;
    assert!(reply.header(http::header::WWW_AUTHENTICATE).is_some());
    let reply = scene.send(scene.token(scene.owner.namespace, ScopeSet::EMPTY), &Method::PUT, "/v1/account", "").await;
    assert!(reply.status == 405 && reply.header(http::header::ALLOW).is_some());
}

/// Every operation, with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(method, one)| (path, method, one)))
}
