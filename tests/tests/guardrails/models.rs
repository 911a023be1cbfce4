//! Rules for models: what is denied stays denied by every name, and what remains of a route serves.

use bitrouter_tests::{Answer, http::Call};
use serde_json::{Value, json};

use crate::bound::{Bound, Key, Speech, With};

#[track_caller]
fn denied(bound: &Bound, key: &Key, speech: Speech, model: &str) {
    let before = (bound.acme.count(), bound.zeta.count());
    let answer = speech.call(bound.http(), model, "x", false).with(key).send();
    let error = speech.refused(&answer, 403, "model_denied", Some(key.policy()));
    assert_eq!((bound.acme.count(), bound.zeta.count()), before, "{model}: {error}");
}

#[test]
fn p12_a_denied_model_is_denied_by_every_name() {
    let bound = Bound::new();
    let cells: &[(&str, &[&str])] = &[
        (
            "m",
            &[
                "acme:m",
                "acme/m",
                "acme:M",
                "ACME:m",
                "m",
                "quick",
                "acme:m:nitro",
                "acme:m@2026",
                "zeta:m",
                "zeta/m",
                "zeta:m-of-zeta",
            ],
        ),
        ("acme:m", &["acme:m", "acme/m", "acme:M", "quick", "acme:m:free"]),
        ("ACME/M", &["acme:m", "quick"]),
        (
            "hidden",
            &["acme:hidden", "acme/hidden", "hidden", "acme:internal-9", "acme:INTERNAL-9", "acme:internal-9:nitro"],
        ),
        ("deep", &["acme:vendor/deep", "vendor/deep", "acme/vendor/deep"]),
        ("acme/batch*", &["acme:batch", "batch", "acme:batch-eu", "acme:batch:nitro", "acme:Batch@1"]),
        ("de?r", &["dear", "acme:dear", "acme:dEar:nitro"]),
        ("*", &["acme:m", "zeta:only", "demo/echo", "acme:never-heard-of"]),
    ];
    for (glob, names) in cells {
        let key = bound.guarded(&json!({ "model_deny": [glob] }));
        for name in *names {
            for speech in Speech::ALL {
                // A provider that no registry knows is no provider, in whatever case its name is written.
                if name.starts_with("ACME") {
                    let answer = speech.call(bound.http(), name, "x", false).with(&key).send();
                    assert!([403, 404].contains(&answer.status), "{name}: {}", answer.text());
                } else {
                    denied(&bound, &key, speech, name);
                }
            }
        }
    }
}

#[test]
fn p12_a_path_spells_a_denied_model_in_vain() {
    let bound = Bound::new();
    let key = bound.guarded(&json!({"model_deny": ["batch", "vendor/deep", "m"]}));
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}).to_string();
    for model in [
        "acme%3Abatch",
        "acme:batch%3Anitro",
        "acme%3abatch%3afree",
        "acme/batch",
        "acme%2Fbatch",
        "batch",
        "b%61tch",
        "models/acme%3Abatch",
        "vendor%2Fdeep",
        "acme:vendor/deep",
        "acme:vendor%2fdeep:nitro",
        "M%3Anitro",
        "acme:%4D",
    ] {
        for (root, verb) in
            [("/v1beta/models/", "generateContent"), ("/v1/", "streamGenerateContent"), ("/v1beta/", "countTokens")]
        {
            let root = if model.starts_with("models/") { "/v1beta/" } else { root };
            let path = format!("{root}{model}:{verb}");
            let answer = bound.http().post(&path).json(&body).with(&key).send();
            if model.starts_with("M%3A") {
                // Nobody serves it: it is no name that is known.
                assert!([403, 404].contains(&answer.status), "{path}: {}", answer.text());
                continue;
            }
            Speech::Google.refused(&answer, 403, "model_denied", Some(key.policy()));
        }
    }
    assert_eq!(bound.acme.count() + bound.zeta.count(), 0);
}

/// Who was asked.
#[track_caller]
fn served_by(bound: &Bound, call: Call) -> &'static str {
    let before = (bound.acme.count(), bound.zeta.count());
    call.send().ok();
    match (bound.acme.count() - before.0, bound.zeta.count() - before.1) {
        (1, 0) => "acme",
        (0, 1) => "zeta",
        other => panic!("{other:?}"),
    }
}

#[test]
fn p12_denied_candidates_leave_the_route() {
    let bound = Bound::new();
    let without = bound.guarded(&json!({"model_deny": ["acme/*"]}));
    let only_zeta = bound.guarded(&json!({"model_allow": ["zeta/*"]}));
    let by_name = bound.guarded(&json!({"model_allow": ["m"]}));
    let none = bound
        .key(&[("guardrail", &json!({"model_allow": ["acme/*"]})), ("guardrail", &json!({"model_allow": ["zeta/*"]}))]);
    for speech in Speech::ALL {
        for stream in [false, true] {
            let call = |model: &str| speech.call(bound.http(), model, "x", stream);
            assert_eq!(served_by(&bound, call("m")), "acme");
            assert_eq!(served_by(&bound, call("m").with(&by_name)), "acme");
            assert_eq!(served_by(&bound, call("m").with(&without)), "zeta");
            assert_eq!(served_by(&bound, call("m").with(&only_zeta)), "zeta");
            assert_eq!(served_by(&bound, call("zeta:m").with(&only_zeta)), "zeta");
        }
        denied(&bound, &without, speech, "acme:m");
        denied(&bound, &only_zeta, speech, "quick");
        denied(&bound, &only_zeta, speech, "dear");
        // What allows compares exactly.
        denied(&bound, &by_name, speech, "acme:M");
        denied(&bound, &by_name, speech, "acme:m:nitro");
        let answer = speech.call(bound.http(), "m", "x", false).with(&none).send();
        let error = speech.error(&answer.json(), 403, "model_denied");
        assert!(none.policies.iter().any(|policy| error["policy_id"] == policy.as_str()), "{error}");
    }
}

/// What chooses another model, tier, payer or place than the one that is judged.
fn choosing(speech: Speech) -> Vec<Value> {
    match speech {
        Speech::Google => vec![
            json!({"serviceTier": "priority"}),
            json!({"service_tier": "priority"}),
            json!({"generationConfig": {"routingConfig": {"autoMode": {}}}}),
            json!({"generation_config": {"model_config": {"x": 1}}}),
            json!({"models": ["acme:dear"]}),
        ],
        _ => vec![
            json!({"models": ["dear"]}),
            json!({"fallbacks": [{"model": "dear"}]}),
            json!({"route": "fallback"}),
            json!({"provider": {"order": ["zeta"]}}),
            json!({"plugins": [{"id": "web"}]}),
            json!({"preset": "x"}),
            json!({"service_tier": "priority"}),
            json!({"service_tier": "fast"}),
            json!({"speed": "fast"}),
            json!({"inference_geo": "us"}),
            json!({"tools": [{"type": "function", "name": "f", "model": "dear", "function": {"name": "f"}}]}),
        ],
    }
}

/// What says no more than what holds anyway.
fn plain(speech: Speech) -> Vec<Value> {
    match speech {
        Speech::Google => vec![json!({"serviceTier": "standard"}), json!({"serviceTier": null})],
        _ => vec![
            json!({"service_tier": "auto"}),
            json!({"service_tier": "default"}),
            json!({"service_tier": "standard_only"}),
            json!({"service_tier": "flex"}),
            json!({"service_tier": null, "models": null, "fallbacks": []}),
            json!({"speed": "standard"}),
            json!({"models": [ ]}),
        ],
    }
}

#[test]
fn p12_a_body_does_not_choose_for_itself() {
    let bound = Bound::new();
    let key = bound.guarded(&json!({"model_deny": ["dear"]}));
    let budget = bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000_000}))]);
    let streams = bound.guarded(&json!({"allow_streaming": false}));
    let send = |speech: Speech, more: &Value, key: Option<&Key>| -> Answer {
        let reply = json!({"scripted": true}).to_string();
        bound.acme.always(move |_| bitrouter_tests::Reply::json(200, &reply));
        let call = speech.call_with(bound.http(), "acme:m", "x", false, more);
        key.into_iter().fold(call, With::with).send()
    };
    for speech in Speech::ALL {
        for more in choosing(speech) {
            let answer = send(speech, &more, Some(&key));
            let error = speech.refused(&answer, 403, "model_denied", Some(key.policy()));
            assert!(error["member"].as_str().is_some_and(|member| !member.is_empty()), "{more}: {error}");
            let answer = send(speech, &more, Some(&budget));
            let error = speech.error(&answer.json(), 402, "price_unknown");
            assert_eq!(answer.status, 402, "{error}");
            // Other rules have nothing to say to it.
            send(speech, &more, Some(&streams)).ok();
            send(speech, &more, None).ok();
        }
        for more in plain(speech) {
            for key in [&key, &budget] {
                let answer = send(speech, &more, Some(key));
                assert_eq!(answer.status, 200, "{speech:?} {more}: {}", answer.text());
            }
        }
    }
}
