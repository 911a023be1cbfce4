//! Whether a change of what a policy says takes anything back: whatever is not a lower limit may.

use bitrouter_proto::account::policy::{BudgetSpec, Funding, GuardrailSpec, PresetSpec, RateLimitSpec};

use super::Spec;

/// True where going from `before` to `after` changes more than that limits become lower.
pub fn is_looser(before: &Spec, after: &Spec) -> bool {
    match (before, after) {
        (Spec::Preset(before), Spec::Preset(after)) => plain(before.clone()) != lifted(plain(after.clone()), before),
        _ => {
            let before = before.clauses();
            plain(before.clone()) != lifted(plain(after.clauses()), &before)
        }
    }
}

/// The same with what is usual left out.
fn plain(mut spec: PresetSpec) -> PresetSpec {
    if let Some(budget) = &mut spec.budget {
        budget.funding = budget.funding.filter(|funding| *funding != Funding::Any);
    }
    spec
}

/// `after` with every limit that is lower raised to what it is in `before`.
fn lifted(mut after: PresetSpec, before: &PresetSpec) -> PresetSpec {
    if let (Some(after), Some(before)) = (&mut after.budget, &before.budget) {
        budget(after, before);
    }
    if let (Some(after), Some(before)) = (&mut after.rate_limit, &before.rate_limit) {
        rate_limit(after, before);
    }
    if let (Some(after), Some(before)) = (&mut after.guardrail, &before.guardrail) {
        guardrail(after, before);
    }
    after
}

fn budget(after: &mut BudgetSpec, before: &BudgetSpec) {
    after.limit_micro_usd = after.limit_micro_usd.max(before.limit_micro_usd);
}

fn rate_limit(after: &mut RateLimitSpec, before: &RateLimitSpec) {
    raise(&mut after.max_requests, before.max_requests);
    raise(&mut after.max_tokens, before.max_tokens);
}

fn guardrail(after: &mut GuardrailSpec, before: &GuardrailSpec) {
    raise(&mut after.max_request_tokens, before.max_request_tokens);
}

fn raise(after: &mut Option<i64>, before: Option<i64>) {
    if let (Some(after), Some(before)) = (after, before) {
        *after = before.max(*after);
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::account::policy::PolicyKind;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{
        super::{fields::Path, samples},
        *,
    };

    fn looser(kind: &str, before: &Value, after: &Value) -> bool {
        let read = |value: &Value| Spec::read(PolicyKind::parse(kind).unwrap(), value.clone(), Path::Body).unwrap();
        is_looser(&read(before), &read(after))
    }

    #[test]
    fn only_a_lower_limit_is_no_looser() {
        let budget = json!({"window": "day", "limit_micro_usd": 5});
        for (after, expected) in [
            (json!({"window": "day", "limit_micro_usd": 5}), false),
            (json!({"window": "day", "limit_micro_usd": 5, "funding": "any"}), false),
            (json!({"window": "day", "limit_micro_usd": 4}), false),
            (json!({"window": "day", "limit_micro_usd": 6}), true),
            (json!({"window": "month", "limit_micro_usd": 5}), true),
            (json!({"window": "day", "limit_micro_usd": 4, "funding": "credit"}), true),
        ] {
            assert_eq!(looser("budget", &budget, &after), expected, "{after}");
            let preset = |clause: &Value| json!({"budget": clause, "guardrail": {}});
            assert_eq!(looser("preset", &preset(&budget), &preset(&after)), expected, "{after}");
        }
        let rate = json!({"window_secs": 60, "max_requests": 5});
        for (after, expected) in [
            (json!({"window_secs": 60, "max_requests": 4}), false),
            (json!({"window_secs": 60, "max_requests": 6}), true),
            (json!({"window_secs": 61, "max_requests": 5}), true),
            (json!({"window_secs": 59, "max_requests": 5}), true),
            (json!({"window_secs": 60, "max_tokens": 5}), true),
            (json!({"window_secs": 60, "max_requests": 5, "max_tokens": 5}), true),
        ] {
            assert_eq!(looser("rate_limit", &rate, &after), expected, "{after}");
        }
        let rail = json!({"model_deny": ["a"], "max_request_tokens": 9, "allow_streaming": false});
        for (after, expected) in [
            (json!({"model_deny": ["a"], "max_request_tokens": 8, "allow_streaming": false}), false),
            (json!({"model_deny": ["a"], "allow_streaming": false}), true),
            (json!({"model_deny": ["a", "b"], "max_request_tokens": 9, "allow_streaming": false}), true),
            (json!({"model_deny": ["a"], "max_request_tokens": 9, "allow_streaming": true}), true),
            (json!({}), true),
        ] {
            assert_eq!(looser("guardrail", &rail, &after), expected, "{after}");
        }
        assert!(looser("preset", &json!({"budget": budget, "guardrail": {}}), &json!({"budget": budget})));
        assert!(looser("preset", &json!({"budget": budget}), &json!({"budget": budget, "guardrail": {}})));
    }

    proptest! {
        #[test]
        fn nothing_is_looser_than_itself(spec in samples::spec()) {
            prop_assert!(!is_looser(&spec, &spec));
        }

        #[test]
        fn no_two_are_stricter_than_each_other_and_different(one in samples::spec(), other in samples::spec()) {
            if !is_looser(&one, &other) && !is_looser(&other, &one) {
                prop_assert_eq!(plain(one.clauses()), plain(other.clauses()));
            }
        }
    }
}
