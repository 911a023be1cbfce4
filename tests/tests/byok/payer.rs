//! Who pays: the key of the namespace's owner, then the node's own; and nobody in the place of a key that cannot be used.

use bitrouter_tests::{Gate, Reply, http::End, wait};
use serde_json::{Value, json};

use super::place::Place;

fn models(place: &Place, token: &str) -> Vec<String> {
    let list = place.http().get("/v1/models").bearer(token).send().ok().json();
    let ids = list["data"].as_array().expect("models").iter();
    ids.map(|model| model["id"].as_str().expect("an id").to_owned()).filter(|id| id.starts_with("acme")).collect()
}

#[test]
fn p07_an_owners_key_pays_before_the_nodes_and_for_nobody_else() {
    let nodes = "sk-of-the-node";
    let mut place = Place::new("", Some(nodes));
    let eve = place.person("eve");
    let owner = place.owner.access_token.clone();
    let (owners, eves) = (place.world.canary("owner"), place.world.canary("eve"));
    place.chat(&owner).send().ok();
    assert_eq!((place.seen(), &place.row(&owner, 1)["funding_source"]), (nodes.to_owned(), &json!("local")));
    place.set(&owners, &[]);
    let seen_for = |place: &Place, token: &str| {
        place.chat(token).send().ok();
        place.seen()
    };
    assert_eq!(seen_for(&place, &owner), owners);
    assert_eq!(seen_for(&place, &eve.access_token), nodes);
    // Programs of the same user call in the owner's first namespace.
    place.http().chat("acme:m", "hello").send().ok();
    assert_eq!(place.seen(), owners);
    place.set_as(&eve.access_token, &eves);
    let connections = place.provider.connections();
    assert_eq!(seen_for(&place, &eve.access_token), eves);
    assert_eq!(place.provider.connections(), connections + 1, "no connection is shared between two people's keys");
    assert_eq!(seen_for(&place, &owner), owners);
    let row = place.row(&owner, 4);
    assert_eq!(row["funding_source"], "byok", "{row}");
    assert_eq!((&row["cost_micro_usd"], &row["final_charge_micro_usd"]), (&json!(1_500), &json!(0)), "{row}");
    assert!(!place.stored()["last_used_at"].is_null());
    place.killed_and_started();
    assert_eq!(seen_for(&place, &owner), owners);
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    assert_eq!(seen_for(&place, &owner), nodes);
    assert_eq!(seen_for(&place, &eve.access_token), eves);
    place.daemon.stop();
}

#[test]
fn p14_a_provider_with_a_stored_key_alone_is_there_for_its_owner_and_gone_with_the_key() {
    let place = Place::new("", None);
    let (owner, eve) = (place.owner.access_token.clone(), place.person("eve").access_token);
    let missing = |token: &str| {
        let refused = place.chat(token).send().refused(402, "provider_key_missing");
        assert_eq!(refused["provider"], "acme", "{refused}");
    };
    missing(&owner);
    assert!(models(&place, &owner).is_empty());
    let key = place.world.canary("only");
    place.set(&key, &[]);
    assert_eq!((models(&place, &owner), models(&place, &eve)), (vec!["acme/m".to_owned()], Vec::new()));
    missing(&eve);
    let explained = place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json();
    assert_eq!((&explained["route"][0]["key_source"], &explained["verdict"]), (&json!("byok"), &json!("allow")));
    let provider = place.daemon.provider("acme");
    assert_eq!((&provider["active"], &provider["key_source"]), (&json!(true), &json!("byok")), "{provider}");
    // What runs when the key goes ends whole; what comes next is refused.
    let gate = Gate::new();
    place.provider.next(Reply::stream().token("one ").gate(&gate).token("two").done());
    let call = place.http().chat_stream("acme:m", "hello").bearer(&owner);
    let mut running = call.open();
    running.until_contains("one ");
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    missing(&owner);
    assert!(models(&place, &owner).is_empty());
    gate.open();
    let answer = running.finish();
    assert_eq!((answer.streamed_text().as_str(), answer.end), ("two", End::Complete));
    assert_eq!(place.seen(), key);
    place.daemon.stop();
}

#[test]
fn calls_on_an_owners_key_need_no_credit() {
    let place = Place::new("[node]\ncredit = \"required\"\n", Some("sk-of-the-node"));
    let owner = place.owner.access_token.clone();
    place.chat(&owner).send().refused(402, "insufficient_credit");
    let key = place.world.canary("credit");
    place.set(&key, &[]);
    place.chat(&owner).send().ok();
    let row = place.row(&owner, 1);
    assert_eq!((&row["funding_source"], &row["final_charge_micro_usd"]), (&json!("byok"), &json!(0)), "{row}");
    let usage = place.api(&owner, "GET", "/v1/namespaces/me/usage", None).ok().json();
    assert_eq!((&usage["spend_micro_usd"], &usage["charged_micro_usd"]), (&json!(1_500), &json!(0)), "{usage}");
    place.daemon.stop();
}

#[test]
fn p12_guardrails_say_whose_key_may_pay() {
    let place = Place::new("", Some("sk-of-the-node"));
    let (owner, namespace) = (place.owner.access_token.clone(), place.owner.namespace.clone());
    let bind = |rule: &str| {
        let body = json!({"name": rule, "kind": "guardrail", "spec": {"byok": rule}});
        let made = place.api(&owner, "POST", "/v1/namespaces/me/policies", Some(&body)).ok().json();
        let id = made["id"].as_str().expect("an id").to_owned();
        let to = json!({"principal_type": "namespace", "principal_id": namespace});
        place
            .world
            .cli([
                "cloud",
                "policy",
                "bind",
                &id,
                "--principal-type",
                "namespace",
                "--principal-id",
                &namespace,
                "--local",
            ])
            .expect_code(0);
        drop(to);
        id
    };
    let verdict = || place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json()["verdict"].clone();
    let required = bind("required");
    place.chat(&owner).send().refused(403, "byok_required");
    assert_eq!(verdict(), "byok_required");
    let key = place.world.canary("posture");
    place.set(&key, &[]);
    place.chat(&owner).send().ok();
    assert_eq!((place.seen(), verdict()), (key, json!("allow")));
    place.world.cli(["cloud", "policy", "delete", &required, "--local"]).expect_code(0);
    bind("forbidden");
    place.chat(&owner).send().refused(403, "byok_forbidden");
    assert_eq!(verdict(), "byok_forbidden");
    place.daemon.stop();
}

#[test]
fn a_key_that_its_provider_refuses_is_an_error_and_never_the_next_payer() {
    let place = Place::new("", Some("sk-of-the-node"));
    let (owner, key) = (place.owner.access_token.clone(), place.world.canary("refused"));
    place.set(&key, &[]);
    let said = key.clone();
    place
        .provider
        .next(Reply::json(401, format!(r#"{{"error":{{"message":"bad key {said}","code":"invalid_api_key"}}}}"#)));
    let answer = place.chat(&owner).send();
    assert_eq!((answer.status, place.provider.count()), (401, 1), "{}", answer.text());
    assert!(answer.text().contains("[redacted]") && !answer.text().contains(&key), "{}", answer.text());
    assert_eq!(place.seen(), key);
    let stored = wait::until("the failure", || Some(place.stored()).filter(|row| !row["last_failure_at"].is_null()));
    assert_eq!(stored["last_failure_kind"], "rejected", "{stored}");
    // A budget counts what they cost all the same.
    let spec = json!({"name": "b", "window": "day", "limit_micro_usd": 1});
    let made = place.api(&owner, "POST", "/v1/namespaces/me/budgets", Some(&spec)).ok().json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let namespace = place.owner.namespace.clone();
    place
        .world
        .cli(["cloud", "policy", "bind", &id, "--principal-type", "namespace", "--principal-id", &namespace, "--local"])
        .expect_code(0);
    let refused: Value = place.chat(&owner).send().refused(402, "budget_exceeded");
    assert_eq!(refused["policy_id"], json!(id), "{refused}");
    place.daemon.stop();
}

bitrouter_test_postgres::once_more_on_postgres!(
    p07_an_owners_key_pays_before_the_nodes_and_for_nobody_else,
    p14_a_provider_with_a_stored_key_alone_is_there_for_its_owner_and_gone_with_the_key,
    calls_on_an_owners_key_need_no_credit,
);

/// Whatever a server of somebody's choice calls its responses, the node's own key asks for none of them.
#[test]
fn p07_what_was_stored_with_an_owners_key_is_not_asked_of_the_nodes() {
    let mut place = Place::new("", Some("sk-of-the-node"));
    let both = super::place::manifest("acme", &place.provider, "modes = [\"byok\"]")
        .replace("[\"chat_completions\"]", "[\"chat_completions\", \"responses\"]");
    place.world.write("config/bitrouter/registry/acme.toml", both);
    place.killed_and_started();
    let token = place.owner.access_token.clone();
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}});
    let made = || Reply::json(200, response.to_string());
    let ask =
        |place: &Place, body: &Value| place.http().post("/v1/responses").bearer(&token).json(body.to_string()).send();
    let fetch = |place: &Place| place.http().get("/v1/responses/resp_1").bearer(&token).send();
    place.set("sk-of-the-owner", &[]);
    place.provider.next(made());
    ask(&place, &json!({"model": "acme:m", "input": "hello"})).ok();
    place.provider.next(made());
    fetch(&place).ok();
    assert_eq!(place.seen(), "sk-of-the-owner");
    place.api(&token, "DELETE", "/v1/byok/keys/acme", None).ok();
    let before = place.provider.count();
    for again in 0..2 {
        fetch(&place).refused(404, "not_found");
        let goes_on = json!({"model": "acme:m", "input": "hello", "previous_response_id": "resp_1"});
        assert_eq!(ask(&place, &goes_on).status, 404);
        assert_eq!(place.provider.count(), before);
        if again == 0 {
            place.killed_and_started();
        }
    }
    place.daemon.stop();
}
