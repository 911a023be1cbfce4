//! What is read, and what is refused by which name.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::samples;

fn read(kind: &str, value: Value) -> Result<Spec, SpecError> {
    Spec::read(PolicyKind::parse(kind).unwrap(), value, Path::Member(&Path::Body, "spec"))
}

#[test]
fn what_can_be_said_is_kept_as_it_was_said() {
    for (kind, spec) in [
        ("budget", json!({"window": "day", "limit_micro_usd": 1})),
        ("budget", json!({"window": "total", "limit_micro_usd": i64::MAX, "funding": "credit"})),
        ("rate_limit", json!({"window_secs": 2_592_000, "max_requests": 1})),
        ("rate_limit", json!({"window_secs": 1, "max_tokens": i64::MAX})),
        ("guardrail", json!({})),
        (
            "guardrail",
            json!({
                "model_allow": ["openai/*"], "model_deny": [], "max_request_tokens": 1, "allow_streaming": false,
                "byok": "optional",
                "content_patterns": [
                    {"name": "key", "pattern": "sk-[a-z]{3}"},
                    {"name": "all", "pattern": "a+", "action": "redact", "max_length": 65_536},
                ],
            }),
        ),
        ("preset", json!({"guardrail": {}})),
        (
            "preset",
            json!({"budget": {"window": "day", "limit_micro_usd": 1}, "rate_limit": {"window_secs": 1, "max_requests": 1}}),
        ),
    ] {
        let read = read(kind, spec.clone()).unwrap();
        assert_eq!(read.to_value().unwrap(), spec);
        assert_eq!(Spec::stored(PolicyKind::parse(kind).unwrap(), &spec.to_string()).unwrap(), read);
    }
}

#[test]
fn nothing_is_null() {
    let spec = json!({"window": "day", "limit_micro_usd": 1, "funding": null});
    assert_eq!(read("budget", spec).unwrap().to_value().unwrap(), json!({"window": "day", "limit_micro_usd": 1}));
    let spec = json!({"guardrail": null, "budget": {"window": "day", "limit_micro_usd": 1}});
    assert!(read("preset", spec).unwrap().clauses().guardrail.is_none());
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let patterns = |pattern: Value| json!({"content_patterns": [{"name": "a", "pattern": "a"}, pattern]});
    for (kind, spec, field) in [
        ("budget", json!(null), "spec"),
        ("budget", json!([]), "spec"),
        ("budget", json!({}), "spec.window"),
        ("budget", json!({"window": null, "limit_micro_usd": 1}), "spec.window"),
        ("budget", json!({"window": "week", "limit_micro_usd": 1}), "spec.window"),
        ("budget", json!({"window": "day"}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": 0}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": -1}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": 1.5}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": "1"}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": 9_223_372_036_854_775_808_u64}), "spec.limit_micro_usd"),
        ("budget", json!({"window": "day", "limit_micro_usd": 1, "kind": "budget"}), "spec.kind"),
        ("budget", json!({"window": "day", "limit_micro_usd": 1, "funding": "cash"}), "spec.funding"),
        ("rate_limit", json!({"window_secs": 60}), "spec.max_requests"),
        ("rate_limit", json!({"max_requests": 1}), "spec.window_secs"),
        ("rate_limit", json!({"window_secs": 0, "max_requests": 1}), "spec.window_secs"),
        ("rate_limit", json!({"window_secs": 2_592_001, "max_requests": 1}), "spec.window_secs"),
        ("rate_limit", json!({"window_secs": 1, "max_requests": 0}), "spec.max_requests"),
        ("rate_limit", json!({"window_secs": 1, "max_tokens": 0}), "spec.max_tokens"),
        ("rate_limit", json!({"window_secs": 1, "max_tokens": 1, "x": 1}), "spec.x"),
        ("guardrail", json!({"model_allow": []}), "spec.model_allow"),
        ("guardrail", json!({"model_allow": "a"}), "spec.model_allow"),
        ("guardrail", json!({"model_allow": ["a", "b", "c", 1]}), "spec.model_allow[3]"),
        ("guardrail", json!({"model_deny": ["a", ""]}), "spec.model_deny[1]"),
        ("guardrail", json!({"max_request_tokens": 0}), "spec.max_request_tokens"),
        ("guardrail", json!({"allow_streaming": "no"}), "spec.allow_streaming"),
        ("guardrail", json!({"byok": "never"}), "spec.byok"),
        ("guardrail", json!({"models_deny": []}), "spec.models_deny"),
        ("guardrail", patterns(json!(1)), "spec.content_patterns[1]"),
        ("guardrail", patterns(json!({"pattern": "a"})), "spec.content_patterns[1].name"),
        ("guardrail", patterns(json!({"name": "", "pattern": "a"})), "spec.content_patterns[1].name"),
        ("guardrail", patterns(json!({"name": "x"})), "spec.content_patterns[1].pattern"),
        ("guardrail", patterns(json!({"name": "x", "pattern": "("})), "spec.content_patterns[1].pattern"),
        ("guardrail", patterns(json!({"name": "x", "pattern": "a+"})), "spec.content_patterns[1].max_length"),
        ("guardrail", patterns(json!({"name": "x", "pattern": ""})), "spec.content_patterns[1].pattern"),
        ("guardrail", patterns(json!({"name": "x", "pattern": "^|$"})), "spec.content_patterns[1].pattern"),
        (
            "guardrail",
            patterns(json!({"name": "x", "pattern": "a", "max_length": 0})),
            "spec.content_patterns[1].max_length",
        ),
        (
            "guardrail",
            patterns(json!({"name": "x", "pattern": "aaaaaa", "max_length": 5})),
            "spec.content_patterns[1].max_length",
        ),
        (
            "guardrail",
            patterns(json!({"name": "x", "pattern": "a+", "max_length": 65_537})),
            "spec.content_patterns[1].max_length",
        ),
        (
            "guardrail",
            patterns(json!({"name": "x", "pattern": "a", "action": "drop"})),
            "spec.content_patterns[1].action",
        ),
        ("guardrail", patterns(json!({"name": "x", "pattern": "a", "flags": "i"})), "spec.content_patterns[1].flags"),
        ("preset", json!({}), "spec"),
        ("preset", json!({"guardrail": null}), "spec"),
        ("preset", json!({"guardrail": []}), "spec.guardrail"),
        ("preset", json!({"guardrail": {"model_allow": []}}), "spec.guardrail.model_allow"),
        ("preset", json!({"budget": {"window": "day", "limit_micro_usd": 0}}), "spec.budget.limit_micro_usd"),
        ("preset", json!({"rate_limit": {"window_secs": 5}}), "spec.rate_limit.max_requests"),
        ("preset", json!({"preset": {}}), "spec.preset"),
    ] {
        let error = read(kind, spec.clone()).unwrap_err();
        assert_eq!((error.field.as_str(), error.is_limit), (field, false), "{kind} {spec}: {error}");
        assert!(error.message.starts_with(&format!("`{field}` ")), "{error}");
    }
}

#[test]
fn too_much_is_told_as_a_limit() {
    let pattern = |text: &str| json!({"name": "x", "pattern": text});
    let some = |count: usize| json!({"content_patterns": vec![pattern("a"); count]});
    assert!(read("guardrail", some(32)).is_ok());
    for (spec, field) in [
        (some(33), "spec.content_patterns"),
        (json!({"content_patterns": [pattern(&"a".repeat(1025))]}), "spec.content_patterns[0].pattern"),
        (json!({"content_patterns": [pattern(r"\w{1000}")]}), "spec.content_patterns[0].pattern"),
        (json!({"model_deny": vec!["a"; 513]}), "spec.model_deny"),
        (json!({"model_deny": ["a".repeat(513)]}), "spec.model_deny[0]"),
    ] {
        let error = read("guardrail", spec).unwrap_err();
        assert_eq!((error.field.as_str(), error.is_limit), (field, true), "{error}");
    }
}

#[test]
fn a_long_name_is_cut_where_it_is_repeated() {
    let error = read("guardrail", json!({"é".repeat(1000): 1})).unwrap_err();
    assert!(error.field.len() < 200 && error.field.ends_with('…'), "{error}");
}

#[test]
fn a_flat_body_has_flat_paths() {
    let error = Spec::read(PolicyKind::Preset, json!({"guardrail": {"model_deny": [1]}}), Path::Body).unwrap_err();
    assert_eq!(error.field, "guardrail.model_deny[0]");
    for body in [json!({}), json!({"guardrail": null, "budget": null})] {
        let error = Spec::read(PolicyKind::Preset, body, Path::Body).unwrap_err();
        assert_eq!(error.field, "", "{error}");
        assert_eq!(error.message, "a preset needs at least one of `guardrail`, `budget` and `rate_limit`");
    }
}

proptest! {
    #[test]
    fn what_was_read_reads_back(spec in samples::spec()) {
        let kind = match spec {
            Spec::Budget(_) => PolicyKind::Budget,
            Spec::RateLimit(_) => PolicyKind::RateLimit,
            Spec::Guardrail(_) => PolicyKind::Guardrail,
            Spec::Preset(_) => PolicyKind::Preset,
        };
        let value = spec.to_value().unwrap();
        prop_assert_eq!(&Spec::read(kind, value.clone(), Path::Body).unwrap(), &spec);
        prop_assert_eq!(&Spec::stored(kind, &value.to_string()).unwrap(), &spec);
    }
}
