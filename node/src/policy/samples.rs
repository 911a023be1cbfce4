//! Policies as property tests make them up.

use bitrouter_proto::account::{
    PolicyId,
    policy::{Origin, PolicyKind, PrincipalType},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use ulid::Ulid;

use super::{Bound, Path, Spec};

fn object(members: Vec<(&'static str, Option<Value>)>) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop::option::of(value).boxed()
}

fn budget() -> impl Strategy<Value = Value> {
    let window = prop::sample::select(vec!["day", "month", "total"]);
    let funding = maybe(prop::sample::select(vec![json!("any"), json!("credit")]));
    (window, 1..4_i64, funding).prop_map(|(window, limit, funding)| {
        object(vec![("window", Some(json!(window))), ("limit_micro_usd", Some(json!(limit))), ("funding", funding)])
    })
}

fn rate_limit() -> impl Strategy<Value = Value> {
    let limit = || maybe((1..4_i64).prop_map(Value::from));
    (1..3_i64, 1..4_i64, limit()).prop_map(|(window, requests, tokens)| {
        object(vec![
            ("window_secs", Some(json!(window))),
            ("max_requests", Some(json!(requests))),
            ("max_tokens", tokens),
        ])
    })
}

fn guardrail() -> impl Strategy<Value = Value> {
    let globs = || maybe(prop::collection::vec("[ab*?/]{1,3}", 1..3).prop_map(|globs| json!(globs)));
    let tokens = maybe((1..4_i64).prop_map(Value::from));
    let flag = maybe(any::<bool>().prop_map(Value::from));
    let byok = maybe(prop::sample::select(vec![json!("required"), json!("forbidden"), json!("optional")]));
    let patterns = prop::collection::vec("[ab]{1,2}", 0..3)
        .prop_map(|texts| texts.iter().map(|text| json!({"name": text, "pattern": text})).collect::<Value>());
    (globs(), globs(), tokens, flag, byok, maybe(patterns)).prop_map(|(allow, deny, tokens, flag, byok, patterns)| {
        object(vec![
            ("model_allow", allow),
            ("model_deny", deny),
            ("max_request_tokens", tokens),
            ("allow_streaming", flag),
            ("byok", byok),
            ("content_patterns", patterns),
        ])
    })
}

/// What a policy can say.
pub(super) fn spec() -> impl Strategy<Value = Spec> {
    let preset = (maybe(budget()), maybe(rate_limit()), guardrail()).prop_map(|(budget, rate_limit, guardrail)| {
        object(vec![("budget", budget), ("rate_limit", rate_limit), ("guardrail", Some(guardrail))])
    });
    let of = |kind, value: BoxedStrategy<Value>| {
        value.prop_map(move |value| Spec::read(kind, value, Path::Body).unwrap()).boxed()
    };
    prop_oneof![
        of(PolicyKind::Budget, budget().boxed()),
        of(PolicyKind::RateLimit, rate_limit().boxed()),
        of(PolicyKind::Guardrail, guardrail().boxed()),
        of(PolicyKind::Preset, preset.boxed()),
    ]
}

/// A policy that is bound: `number` is its id.
pub(super) fn bound(number: u128, principal: u8, spec: Spec, is_enabled: bool) -> Bound {
    let origin = Origin {
        policy_id: PolicyId::new(Ulid(number)),
        name: format!("policy {number}"),
        principal_type: PrincipalType::ALL[usize::from(principal) % PrincipalType::ALL.len()],
        principal_id: "x".to_owned(),
    };
    Bound { origin, spec, is_enabled }
}

/// Some policies, of which each is bound to one thing or several.
pub(super) fn policies() -> impl Strategy<Value = Vec<Bound>> {
    let one = (spec(), any::<bool>(), prop::collection::vec(0..5_u8, 1..3));
    prop::collection::vec(one, 0..6).prop_map(|policies| {
        let bound = |(number, (spec, is_enabled, principals)): (usize, (Spec, bool, Vec<u8>))| {
            principals.into_iter().map(move |principal| bound(number as u128, principal, spec.clone(), is_enabled))
        };
        policies.into_iter().enumerate().flat_map(bound).collect()
    })
}
