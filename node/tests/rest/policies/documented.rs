//! What the page on policies shows is taken.

use http::Method;
use serde_json::Value;

use super::super::caller::Scene;

const PAGE: &str = include_str!("../../../../docs/policies.md");

#[tokio::test]
async fn every_policy_of_the_page_can_be_made() {
    let scene = Scene::new().await;
    let mut kinds = std::collections::BTreeSet::new();
    for block in PAGE.split("```json\n").skip(1) {
        let body: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
        let made = scene.ask(Method::POST, "policies", body.clone()).await.ok();
        assert_eq!(made["spec"], body["spec"]);
        kinds.insert(made["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["budget", "guardrail", "preset", "rate_limit"]);
}
