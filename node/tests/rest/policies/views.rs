//! Budgets and presets: the same rows, flat.

use http::Method;
use serde_json::{Value, json};

use super::{super::caller::Scene, ids};

#[tokio::test]
async fn a_budget_is_a_policy_of_that_kind() {
    let scene = Scene::new().await;
    let body = json!({"name": "nightly-cap", "window": "day", "limit_micro_usd": 5_000_000});
    let made = scene.ask(Method::POST, "budgets", body).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    let expected =
        json!({"id": id, "name": "nightly-cap", "window": "day", "limit_micro_usd": 5_000_000, "disabled_at": null});
    assert_eq!(made, expected);
    let path = format!("budgets/{id}");
    assert_eq!(scene.get(&path).await.ok(), made);
    assert_eq!(scene.get("budgets").await.ok(), json!({"data": [made]}));
    let policy = scene.get(&format!("policies/{id}")).await.ok();
    assert_eq!(
        (&policy["kind"], &policy["spec"]),
        (&json!("budget"), &json!({"window": "day", "limit_micro_usd": 5_000_000}))
    );
    // What is not said stays.
    for (body, name, window, limit, funding) in [
        (json!({"limit_micro_usd": 7}), "nightly-cap", "day", 7, None),
        (json!({"window": "total", "name": null}), "nightly-cap", "total", 7, None),
        (json!({"name": "x", "limit_micro_usd": null, "window": null}), "x", "total", 7, None),
        (json!({"funding": "credit"}), "x", "total", 7, Some("credit")),
        (json!({}), "x", "total", 7, Some("credit")),
    ] {
        let changed = scene.ask(Method::PUT, &path, body.clone()).await.ok();
        let mut expected =
            json!({"id": id, "name": name, "window": window, "limit_micro_usd": limit, "disabled_at": null});
        if let Some(funding) = funding {
            expected["funding"] = json!(funding);
        }
        assert_eq!(changed, expected, "{body}");
    }
    scene.ask(Method::POST, &format!("policies/{id}/disable"), Value::Null).await.ok();
    assert!(scene.get(&path).await.ok()["disabled_at"].is_string());
    assert_eq!(scene.ask(Method::DELETE, &path, Value::Null).await.ok(), json!({"deleted": true}));
    assert_eq!(scene.get(&format!("policies/{id}")).await.refusal(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_budget_is_checked_as_its_policy_is() {
    let scene = Scene::new().await;
    for (body, field) in [
        (json!({"window": "day", "limit_micro_usd": 1}), "name"),
        (json!({"name": "x", "limit_micro_usd": 1}), "window"),
        (json!({"name": "x", "window": "day"}), "limit_micro_usd"),
        (json!({"name": "x", "window": "day", "limit_micro_usd": 0}), "limit_micro_usd"),
        (json!({"name": "x", "window": "day", "limit_micro_usd": -5}), "limit_micro_usd"),
        (json!({"name": "x", "window": "day", "limit_micro_usd": 1, "kind": "budget"}), "kind"),
        (json!({"name": "x", "window": "day", "limit_micro_usd": 1, "spec": {}}), "spec"),
    ] {
        let refused = scene.ask(Method::POST, "budgets", body.clone()).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{body}");
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    let id = scene.policy("budget", json!({"window": "day", "limit_micro_usd": 1})).await;
    for (body, field) in [(json!({"window": "week"}), "window"), (json!({"limit": 1}), "limit")] {
        let refused = scene.ask(Method::PUT, &format!("budgets/{id}"), body.clone()).await;
        assert_eq!(refused.json()["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_preset_is_changed_clause_by_clause() {
    let scene = Scene::new().await;
    let (rail, budget) = (json!({"model_deny": ["gpt-*"]}), json!({"window": "day", "limit_micro_usd": 1}));
    let rate = json!({"window_secs": 60, "max_requests": 1});
    let body = json!({"name": "engineering", "guardrail": rail, "budget": budget, "rate_limit": null});
    let made = scene.ask(Method::POST, "presets", body).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made,
        json!({"id": id, "name": "engineering", "guardrail": rail, "budget": budget, "disabled_at": null})
    );
    let path = format!("presets/{id}");
    let clauses = |preset: &Value| {
        ["guardrail", "budget", "rate_limit"].map(|clause| preset.get(clause).cloned().unwrap_or_default())
    };
    for (body, expected) in [
        (json!({}), [rail.clone(), budget.clone(), Value::Null]),
        (json!({"guardrail": null}), [rail.clone(), budget.clone(), Value::Null]),
        (json!({"rate_limit": rate}), [rail.clone(), budget.clone(), rate.clone()]),
        (json!({"clear_budget": true, "clear_guardrail": false}), [rail, Value::Null, rate.clone()]),
        (json!({"guardrail": {"byok": "required"}}), [json!({"byok": "required"}), Value::Null, rate.clone()]),
        (json!({"clear_guardrail": true, "name": "y"}), [Value::Null, Value::Null, rate]),
    ] {
        let changed = scene.ask(Method::PUT, &path, body.clone()).await.ok();
        assert_eq!(clauses(&changed), expected, "{body}");
    }
    assert_eq!(scene.get(&path).await.ok()["name"], "y");
    let without_clause = [
        scene.ask(Method::PUT, &path, json!({"clear_rate_limit": true})).await,
        scene.ask(Method::POST, "presets", json!({"name": "x"})).await,
        scene.ask(Method::POST, "presets", json!({"name": "x", "guardrail": null})).await,
    ];
    for refused in without_clause {
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()));
        let refused = refused.json();
        assert_eq!(refused.get("field"), None, "{refused}");
        let words = "a preset needs at least one of `guardrail`, `budget` and `rate_limit`";
        assert_eq!(refused["error_description"], words);
    }
    for (body, field) in [
        (json!({"clear_rate_limit": "yes"}), "clear_rate_limit"),
        (json!({"clear_budget": true, "budget": {"window": "day", "limit_micro_usd": 1}}), "clear_budget"),
        (json!({"rate_limit": {"window_secs": 1}}), "rate_limit.max_requests"),
        (json!({"budget": {"window": "day", "limit_micro_usd": 0}}), "budget.limit_micro_usd"),
        (json!({"spec": {}}), "spec"),
    ] {
        let refused = scene.ask(Method::PUT, &path, body.clone()).await;
        assert_eq!(refused.refusal(), (400, "bad_request".to_owned()), "{body}");
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    for (body, field) in [
        (json!({"guardrail": {}}), "name"),
        (json!({"name": "x", "rate_limit": {"window_secs": 5}}), "rate_limit.max_requests"),
        (json!({"name": "x", "guardrail": {}, "clear_budget": true}), "clear_budget"),
    ] {
        assert_eq!(scene.ask(Method::POST, "presets", body.clone()).await.json()["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_row_of_another_kind_is_not_there() {
    let scene = Scene::new().await;
    let budget = scene.policy("budget", json!({"window": "day", "limit_micro_usd": 1})).await;
    let preset = scene.policy("preset", json!({"guardrail": {}})).await;
    for (path, there) in [("budgets", &budget), ("presets", &preset)] {
        for id in [&budget, &preset] {
            for method in [Method::GET, Method::PUT] {
                let reply = scene.ask(method, &format!("{path}/{id}"), Value::Null).await;
                assert_eq!(reply.status.as_u16(), if id == there { 200 } else { 404 }, "{path} {id}");
            }
        }
        assert_eq!(ids(&scene.get(path).await.ok()), std::slice::from_ref(there));
    }
    assert_eq!(scene.ask(Method::DELETE, &format!("budgets/{preset}"), Value::Null).await.status.as_u16(), 404);
    scene.ask(Method::DELETE, &format!("presets/{preset}"), Value::Null).await.ok();
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_budget_is_a_policy_of_that_kind,
    a_budget_is_checked_as_its_policy_is,
    a_preset_is_changed_clause_by_clause,
    a_row_of_another_kind_is_not_there,
);
