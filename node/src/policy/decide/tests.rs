//! What rules make of requests: cases, and what holds of any.

use bitrouter_proto::account::policy::PolicyKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{Bound, Path, Spec, samples},
    *,
};

fn rules(guardrails: &[Value]) -> Rules {
    let bound = |(number, spec): (usize, &Value)| {
        let spec = Spec::read(PolicyKind::Guardrail, spec.clone(), Path::Body).unwrap();
        samples::bound(number as u128, 0, spec, true)
    };
    let policies: Vec<Bound> = guardrails.iter().enumerate().map(bound).collect();
    Rules::of(&Combined::all(&policies))
}

const fn candidate(provider: &'static str, id: &'static str, uses_byok: bool) -> Candidate<'static> {
    Candidate { model: Model { provider, id }, uses_byok }
}

const GPT: Candidate<'static> = candidate("openai", "gpt-4o", false);
const CLAUDE: Candidate<'static> = candidate("anthropic", "claude", true);

/// Where a request may go and its cap, or the code and the number of the policy.
type Decided = Result<(Vec<usize>, Option<i64>), (&'static str, usize)>;

/// What becomes of a request that could go to both.
fn decided(guardrails: &[Value], is_streamed: bool, max_tokens: Option<i64>) -> Decided {
    match rules(guardrails).decide(Facts { candidates: &[GPT, CLAUDE], is_streamed, max_tokens }) {
        Decision::Allowed { candidates, cap } => Ok((candidates, cap)),
        Decision::Refused { code, policy } => Err((code.as_str(), usize::try_from(policy.ulid().0).unwrap())),
    }
}

#[test]
fn denied_candidates_leave_and_none_left_is_refused() {
    for (guardrails, expected) in [
        (vec![], Ok(vec![0, 1])),
        (vec![json!({"model_deny": ["gpt-4o"]})], Ok(vec![1])),
        (vec![json!({"model_allow": ["gpt-4o"]})], Ok(vec![0])),
        (vec![json!({"model_allow": ["gpt-4o"], "model_deny": ["gpt-4o"]})], Err(("model_denied", 0))),
        (vec![json!({"model_allow": ["gpt-4o"]}), json!({"model_allow": ["claude"]})], Err(("model_denied", 1))),
        (vec![json!({}), json!({"model_deny": ["*"]})], Err(("model_denied", 1))),
        (vec![json!({"model_allow": ["GPT-4o"]})], Err(("model_denied", 0))),
        (vec![json!({"byok": "required"})], Ok(vec![1])),
        (vec![json!({"byok": "forbidden"})], Ok(vec![0])),
        (vec![json!({"byok": "optional"})], Ok(vec![0, 1])),
        (vec![json!({"byok": "required"}), json!({"model_deny": ["claude"]})], Err(("byok_required", 0))),
        (vec![json!({"byok": "forbidden"}), json!({"model_deny": ["gpt*"]})], Err(("byok_forbidden", 0))),
        (vec![json!({"byok": "required"}), json!({"byok": "forbidden"})], Err(("byok_conflict", 1))),
        (vec![json!({"byok": "required"}), json!({"byok": "optional"})], Ok(vec![1])),
    ] {
        let decided = decided(&guardrails, false, None).map(|(candidates, _)| candidates);
        assert_eq!(decided, expected, "{guardrails:?}");
    }
}

#[test]
fn streams_and_tokens_have_their_limits() {
    let tokens = [json!({"max_request_tokens": 100}), json!({"max_request_tokens": 50})];
    for (guardrails, is_streamed, asked, expected) in [
        (vec![json!({"allow_streaming": false})], true, None, Err(("streaming_denied", 0))),
        (vec![json!({"allow_streaming": false})], false, None, Ok(None)),
        (
            vec![json!({"allow_streaming": true}), json!({"allow_streaming": false})],
            true,
            None,
            Err(("streaming_denied", 1)),
        ),
        (vec![json!({"allow_streaming": true})], true, None, Ok(None)),
        (tokens.to_vec(), false, None, Ok(Some(50))),
        (tokens.to_vec(), false, Some(50), Ok(None)),
        (tokens.to_vec(), false, Some(51), Err(("max_request_tokens", 1))),
        (tokens.to_vec(), false, Some(i64::MAX), Err(("max_request_tokens", 1))),
        (vec![json!({})], false, Some(i64::MAX), Ok(None)),
    ] {
        let decided = decided(&guardrails, is_streamed, asked).map(|(_, cap)| cap);
        assert_eq!(decided, expected, "{guardrails:?} {is_streamed} {asked:?}");
    }
}

fn candidates() -> impl Strategy<Value = Vec<(String, String, bool)>> {
    prop::collection::vec(("[ab]{1,2}", "[ab/:]{0,3}", any::<bool>()), 0..4)
}

fn decide(
    rules: &Rules,
    candidates: &[(String, String, bool)],
    is_streamed: bool,
    max_tokens: Option<i64>,
) -> Decision {
    let candidate = |(provider, id, uses_byok): &'static (String, String, bool)| Candidate {
        model: Model { provider, id },
        uses_byok: *uses_byok,
    };
    let kept: &'static [(String, String, bool)] = Box::leak(candidates.to_vec().into_boxed_slice());
    let candidates: Vec<Candidate<'_>> = kept.iter().map(candidate).collect();
    rules.decide(Facts { candidates: &candidates, is_streamed, max_tokens })
}

proptest! {
    #[test]
    fn adding_a_policy_never_permits_more(
        policies in samples::policies(), added in samples::spec(), candidates in candidates(),
        is_streamed: bool, asked in prop::option::of(1..5_i64),
    ) {
        let before = Rules::of(&Combined::all(&policies));
        let added = samples::bound(1_000, 0, added, true);
        let after = Rules::of(&Combined::all(policies.iter().chain([&added])));
        let permitted = |rules: &Rules| match decide(rules, &candidates, is_streamed, asked) {
            Decision::Allowed { candidates, cap } => Some((candidates, cap.or(asked).unwrap_or(i64::MAX))),
            Decision::Refused { .. } => None,
        };
        if let Some((may, most)) = permitted(&after) {
            let (could, at_most) = permitted(&before).expect("was refused before");
            prop_assert!(may.iter().all(|place| could.contains(place)) && most <= at_most);
        }
    }

    #[test]
    fn the_order_of_bindings_decides_nothing(
        (policies, shuffled) in samples::policies().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        candidates in candidates(), is_streamed: bool, asked in prop::option::of(1..5_i64),
    ) {
        let decided = |policies: &[Bound]| decide(&Rules::of(&Combined::all(policies)), &candidates, is_streamed, asked);
        prop_assert_eq!(decided(&policies), decided(&shuffled));
    }

    #[test]
    fn what_is_shown_permits_no_more_than_what_decides(policies in samples::policies(), candidates in candidates()) {
        let combined = Combined::all(&policies);
        let shown = combined.shown().guardrail.map(|shown| shown.spec);
        let Some(spec) = shown.filter(|spec| spec.model_allow.as_ref().is_none_or(|list| !list.is_empty())) else { return Ok(()) };
        let one = Rules::of(&Combined::of(&samples::bound(1, 0, Spec::Guardrail(spec), true)));
        let rules = Rules::of(&combined);
        for (provider, id, _) in &candidates {
            let model = Model { provider, id };
            prop_assert!(one.refuses(model).is_some() || rules.refuses(model).is_none());
        }
    }
}
