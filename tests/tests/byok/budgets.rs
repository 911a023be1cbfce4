//! What calls on stored keys cost counts in budgets that say nothing else, and is reserved while they run.

use bitrouter_tests::{Gate, Reply, wait};
use serde_json::{Value, json};

use super::place::Place;

/// A budget of the owner's namespace that says `more`.
#[track_caller]
fn bound(place: &Place, more: &[&str]) -> String {
    let create = ["cloud", "budget", "create", "--local", "--json", "--window", "day"];
    let made = place.world.cli(create.into_iter().chain(more.iter().copied())).with_code(0).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let to = ["--principal-type", "namespace", "--principal-id", &place.owner.namespace, "--local"];
    place.world.cli(["cloud", "policy", "bind", &id].into_iter().chain(to)).expect_code(0);
    id
}

/// The budget as it stands now.
#[track_caller]
fn in_force(place: &Place, id: &str) -> Value {
    let query =
        format!("/v1/namespaces/me/policies/effective?principal_type=namespace&principal_id={}", place.owner.namespace);
    let effective = place.api(&place.owner.access_token, "GET", &query, None).ok().json();
    let budgets = effective["budgets"].as_array().expect("budgets").clone();
    budgets.into_iter().find(|budget| budget["policy_id"] == *id).unwrap_or_else(|| panic!("none: {effective}"))
}

#[test]
fn p12_a_budget_counts_calls_on_stored_keys_unless_it_says_credit() {
    let place = Place::new("", Some("sk-of-the-node"));
    let owner = place.owner.access_token.clone();
    place.set("sk-of-the-owner", &[]);
    let any = bound(&place, &["--name", "any", "--limit-micro-usd", "8000"]);
    let credit = bound(&place, &["--name", "credit", "--limit-micro-usd", "1", "--funding", "credit"]);
    let gate = Gate::new();
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}});
    place.provider.next(Reply::stream().token("one ").gate(&gate).event(usage.to_string()).event("[DONE]").end());
    let call = place.http().chat_stream("acme:m", "hello").bearer(&owner);
    let mut running = call.open();
    running.until_contains("one ");
    let reserved = in_force(&place, &any);
    assert!(reserved["reserved_micro_usd"].as_i64().is_some_and(|sum| sum >= 5_000), "{reserved}");
    assert_eq!(in_force(&place, &credit)["reserved_micro_usd"], 0);
    gate.open();
    running.finish();
    let spent = wait::until("a settled call", || {
        Some(in_force(&place, &any)).filter(|now| now["spent_micro_usd"].as_i64() > Some(0))
    });
    assert_eq!((&spent["spent_micro_usd"], &spent["reserved_micro_usd"]), (&json!(1_500), &json!(0)), "{spent}");
    assert_eq!(in_force(&place, &credit)["spent_micro_usd"], 0);
    let row = place.row(&owner, 1);
    assert_eq!((&row["funding_source"], &row["final_charge_micro_usd"]), (&json!("byok"), &json!(0)), "{row}");
    for _ in 0..5 {
        place.chat(&owner).send();
    }
    let refused = place.chat(&owner).send().refused(402, "budget_exceeded");
    assert_eq!(refused["policy_id"], json!(any), "{refused}");
    place.daemon.stop();
}
