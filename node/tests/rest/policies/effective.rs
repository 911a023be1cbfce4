//! What is in force for whom.

use http::Method;
use serde_json::{Value, json};

use super::{super::caller::Scene, ids};

/// The ids of the policies of a part.
fn policies(part: &Value) -> Vec<String> {
    part.as_array().unwrap().iter().map(|row| row["policy_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_above_a_principal_binds_it() {
    let scene = Scene::new().await;
    let owner = scene.owner.clone();
    let principals = [
        ("namespace", owner.namespace.to_string()),
        ("oauth_token", owner.session.to_string()),
        ("oauth_client", "bitrouter-cli".to_owned()),
        ("user", owner.id.to_string()),
    ];
    let mut made = Vec::new();
    for (kind, id) in &principals {
        let policy = scene.some_policy().await;
        scene.bind(&policy, kind, id).await;
        made.push(policy);
    }
    for (place, expected) in [(0, vec![0]), (1, vec![0, 1, 2, 3]), (2, vec![0, 2]), (3, vec![0, 3])] {
        let (kind, id) = &principals[place];
        let mut found = policies(&scene.effective(kind, id).await["rate_limits"]);
        let mut expected: Vec<String> = expected.into_iter().map(|place: usize| made[place].clone()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{kind}");
        let direct = ids(&scene.get(&format!("principals/{kind}/{id}/policies")).await.ok());
        assert_eq!(direct, [made[place].clone()], "{kind}");
    }
    let other = scene.effective("oauth_client", "tokenroute-cli").await;
    assert_eq!(policies(&other["rate_limits"]), [made[0].clone()]);
}

#[tokio::test]
async fn rules_are_combined_and_say_where_they_come_from() {
    let scene = Scene::new().await;
    let namespace = scene.owner.namespace.to_string();
    assert_eq!(
        scene.effective("namespace", &namespace).await,
        json!({"budgets": [], "rate_limits": [], "guardrail": null})
    );
    let strict = scene.policy("guardrail", json!({"model_allow": ["openai/*"], "max_request_tokens": 10})).await;
    let preset = json!({
        "guardrail": {"model_allow": ["*/gpt-4o", "x"], "allow_streaming": false, "max_request_tokens": 20},
        "budget": {"window": "month", "limit_micro_usd": 7, "funding": "credit"},
        "rate_limit": {"window_secs": 60, "max_tokens": 9},
    });
    let preset = scene.policy("preset", preset).await;
    let off = scene.policy("guardrail", json!({"model_deny": ["*"]})).await;
    for policy in [&strict, &preset, &off] {
        scene.bind(policy, "namespace", &namespace).await;
    }
    scene.by_socket(Method::POST, &format!("policies/{off}/disable"), Value::Null).await.ok();
    let effective = scene.effective("namespace", &namespace).await;
    let origin = json!({"policy_id": preset, "name": "made", "principal_type": "namespace", "principal_id": namespace});
    let mut budget = origin.clone();
    budget.as_object_mut().unwrap().extend(
        json!({
            "window": "month", "limit_micro_usd": 7, "funding": "credit", "spent_micro_usd": 0, "reserved_micro_usd": 0,
            "resets_at": null,
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    assert_eq!(effective["budgets"], json!([budget]));
    let mut rate = origin;
    rate["window_secs"] = json!(60);
    rate["max_tokens"] = json!(9);
    assert_eq!(effective["rate_limits"], json!([rate]));
    let rail = &effective["guardrail"];
    let mut from = vec![strict, preset];
    from.sort_unstable();
    assert_eq!(rail["policy_ids"], json!(from));
    assert_eq!(rail["model_allow"], json!(["openai/*/gpt-4o", "openai/gpt-4o", "openai/x"]));
    assert_eq!((&rail["max_request_tokens"], &rail["allow_streaming"]), (&json!(10), &json!(false)));
    assert_eq!(rail.get("model_deny"), None);
}

bitrouter_test_postgres::once_more_on_postgres!(
    everything_above_a_principal_binds_it,
    rules_are_combined_and_say_where_they_come_from,
);
