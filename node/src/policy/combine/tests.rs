//! What policies come to together: cases, and what holds of any.

use bitrouter_proto::account::policy::PolicyKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{
        Path,
        decide::{Decision, Facts, Refusal, Rules},
        samples,
    },
    *,
};

fn shown(policies: &[(&str, Value)]) -> Value {
    let bound = |(number, (kind, spec)): (usize, &(&str, Value))| {
        let spec = Spec::read(PolicyKind::parse(kind).unwrap(), spec.clone(), Path::Body).unwrap();
        samples::bound(number as u128, 0, spec, true)
    };
    let policies: Vec<Bound> = policies.iter().enumerate().map(bound).collect();
    serde_json::to_value(Combined::all(&policies).shown()).unwrap()
}

/// The guardrails `specs` as one, without where they come from.
fn guardrail(specs: &[Value]) -> Value {
    let policies: Vec<_> = specs.iter().map(|spec| ("guardrail", spec.clone())).collect();
    let mut shown = shown(&policies)["guardrail"].take();
    let ids = shown.as_object_mut().unwrap().remove("policy_ids").unwrap();
    assert_eq!(ids.as_array().unwrap().len(), specs.len());
    shown
}

#[test]
fn guardrails_collapse_to_the_strictest() {
    for (specs, expected) in [
        (vec![json!({})], json!({})),
        (vec![json!({"model_deny": ["a"]}), json!({"model_deny": ["b", "a"]})], json!({"model_deny": ["a", "b"]})),
        (vec![json!({"model_allow": ["a", "b"]}), json!({})], json!({"model_allow": ["a", "b"]})),
        (vec![json!({"model_allow": ["a", "b"]}), json!({"model_allow": ["b", "c"]})], json!({"model_allow": ["b"]})),
        (vec![json!({"model_allow": ["a"]}), json!({"model_allow": ["b"]})], json!({"model_allow": []})),
        (
            vec![json!({"max_request_tokens": 9}), json!({"max_request_tokens": 7}), json!({})],
            json!({"max_request_tokens": 7}),
        ),
        (vec![json!({"allow_streaming": true}), json!({})], json!({"allow_streaming": true})),
        (vec![json!({"allow_streaming": true}), json!({"allow_streaming": false})], json!({"allow_streaming": false})),
        (vec![json!({"byok": "optional"}), json!({"byok": "required"})], json!({"byok": "required"})),
        (vec![json!({"byok": "optional"}), json!({"byok": "forbidden"})], json!({"byok": "forbidden"})),
        (
            vec![json!({"byok": "required"}), json!({"byok": "optional"}), json!({"byok": "forbidden"})],
            json!({"byok": "forbidden", "byok_conflict": true}),
        ),
        (
            vec![
                json!({"content_patterns": [{"name": "x", "pattern": "x"}]}),
                json!({"content_patterns": [{"name": "x", "pattern": "x"}, {"name": "y", "pattern": "y", "action": "redact"}]}),
            ],
            json!({"content_patterns": [{"name": "x", "pattern": "x"}, {"name": "y", "pattern": "y", "action": "redact"}]}),
        ),
    ] {
        assert_eq!(guardrail(&specs), expected, "{specs:?}");
    }
}

#[test]
fn budgets_and_rate_limits_stay_apart_and_presets_are_their_clauses() {
    let budget = json!({"window": "day", "limit_micro_usd": 5});
    let rate = json!({"window_secs": 60, "max_requests": 5});
    let all = shown(&[
        ("budget", budget.clone()),
        ("budget", budget.clone()),
        ("rate_limit", rate.clone()),
        ("preset", json!({"budget": budget, "rate_limit": rate, "guardrail": {"max_request_tokens": 1}})),
    ]);
    assert_eq!(all["budgets"].as_array().unwrap().len(), 3);
    assert_eq!(all["rate_limits"].as_array().unwrap().len(), 2);
    assert_eq!(all["guardrail"], json!({"policy_ids": ["pol_00000000000000000000000003"], "max_request_tokens": 1}));
    assert_eq!(
        all["budgets"][2],
        json!({
            "policy_id": "pol_00000000000000000000000003", "name": "policy 3", "principal_type": "namespace",
            "principal_id": "x", "window": "day", "limit_micro_usd": 5, "spent_micro_usd": 0,
            "reserved_micro_usd": 0, "resets_at": null,
        })
    );
    assert_eq!(shown(&[]), json!({"budgets": [], "rate_limits": [], "guardrail": null}));
}

#[test]
fn a_conflict_that_is_shown_is_one_that_refuses_every_call() {
    for (first, second, conflicts) in [
        ("required", "forbidden", true),
        ("forbidden", "required", true),
        ("required", "required", false),
        ("optional", "forbidden", false),
    ] {
        let spec = |word| Spec::read(PolicyKind::Guardrail, json!({"byok": word}), Path::Body).unwrap();
        let combined =
            Combined::all(&[samples::bound(1, 0, spec(first), true), samples::bound(2, 0, spec(second), true)]);
        let facts = Facts { candidates: &[], is_streamed: false, max_tokens: None };
        let decision = Rules::of(&combined).decide(facts);
        let is_refused = matches!(decision, Decision::Refused { code: Refusal::ByokConflict, .. });
        assert_eq!(combined.shown().guardrail.unwrap().byok_conflict, conflicts, "{first} {second}");
        assert_eq!(is_refused, conflicts, "{first} {second}");
    }
}

proptest! {
    #[test]
    fn the_order_of_bindings_never_matters(
        (policies, shuffled) in samples::policies().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (one, other) = (Combined::all(&policies), Combined::all(&shuffled));
        prop_assert_eq!(one.shown(), other.shown());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn together_is_idempotent_associative_and_has_nothing_in_its_middle(policies in samples::policies(), cut: u8, other_cut: u8) {
        let at = |cut: u8| usize::from(cut) % (policies.len() + 1);
        let (low, high) = (at(cut).min(at(other_cut)), at(cut).max(at(other_cut)));
        let part = |range: std::ops::Range<usize>| Combined::all(&policies[range]);
        let (one, two, three) = (part(0..low), part(low..high), part(high..policies.len()));
        let left = one.clone().and(two.clone()).and(three.clone());
        let right = one.and(two.and(three));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left.clone().and(left.clone()), &left);
        prop_assert_eq!(&left.clone().and(Combined::default()), &left);
    }

    #[test]
    fn what_is_disabled_says_nothing(mut policies in samples::policies()) {
        let acting: Vec<Bound> = policies.iter().filter(|bound| bound.is_enabled).cloned().collect();
        prop_assert_eq!(Combined::all(&policies), Combined::all(&acting));
        for bound in &mut policies {
            bound.is_enabled = false;
        }
        prop_assert_eq!(Combined::all(&policies), Combined::default());
    }
}
