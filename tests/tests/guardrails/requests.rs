//! Guardrails of what a request asks for: streams, tokens, whose provider key pays.

use bitrouter_tests::Reply;
use serde_json::{Value, json};

use crate::bound::{Bound, Speech, With as _};

#[test]
fn p12_the_most_that_a_request_may_ask_for() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let key = bound
        .key(&[("guardrail", &json!({"max_request_tokens": 600})), ("guardrail", &json!({"max_request_tokens": 300}))]);
    let cap = |speech: Speech, tokens: u32| match speech {
        Speech::Chat => json!({"max_completion_tokens": tokens}),
        Speech::Responses => json!({"max_output_tokens": tokens}),
        Speech::Messages => json!({"max_tokens": tokens}),
        Speech::Google => json!({"generationConfig": {"maxOutputTokens": tokens, "topK": 4}}),
    };
    let sent = |speech: Speech| -> Value {
        let body = bound.acme.last().request.json();
        match speech {
            Speech::Chat if body["max_tokens"].is_null() => body["max_completion_tokens"].clone(),
            Speech::Chat | Speech::Messages => body["max_tokens"].clone(),
            Speech::Responses => body["max_output_tokens"].clone(),
            Speech::Google => body["generationConfig"]["maxOutputTokens"].clone(),
        }
    };
    for speech in Speech::ALL {
        let call = |more: &Value| speech.call_with(bound.http(), "acme:m", "x", false, more).with(&key);
        for tokens in [301, 601, 2_000_000] {
            let answer = call(&cap(speech, tokens)).send();
            speech.refused(&answer, 403, "max_request_tokens", Some(&key.policies[1]));
        }
        let answer = call(&cap(speech, 300)).send().ok();
        assert_eq!((answer.header("x-bitrouter-capped"), sent(speech)), (None, json!(300)), "{speech:?}");
        // Where none is stated, it gets the smallest.
        if speech != Speech::Messages {
            let answer = call(&json!({})).send().ok();
            assert_eq!((answer.header("x-bitrouter-capped"), sent(speech)), (Some("300"), json!(300)), "{speech:?}");
        }
    }
    // The greater of two counts.
    let answer = Speech::Chat
        .call_with(bound.http(), "acme:m", "x", false, &json!({"max_tokens": 5, "max_completion_tokens": 301}))
        .with(&key)
        .send();
    Speech::Chat.refused(&answer, 403, "max_request_tokens", Some(&key.policies[1]));
    // It holds where the call costs nothing too, and nowhere where nothing is written.
    let embed = json!({"model": "acme:embeds", "input": "x"}).to_string();
    let answer = bound.http().post("/v1/embeddings").json(&embed).with(&key).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    let answer = bound.http().chat("demo/echo", "x").with(&key).send().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), Some("300"));
}

#[test]
fn p12_streams_are_denied_and_the_rest_is_served() {
    let bound = Bound::new();
    let key = bound.guarded(&json!({"allow_streaming": false}));
    for speech in Speech::ALL {
        for model in ["acme:m", "demo/echo"] {
            let answer = speech.call(bound.http(), model, "x", true).with(&key).send();
            let error = speech.refused(&answer, 403, "streaming_denied", Some(key.policy()));
            assert!(error["message"].as_str().is_some_and(|text| text.contains("`stream`")), "{error}");
            speech.call(bound.http(), model, "x", false).with(&key).send().ok();
        }
    }
    // The form of a stream without `alt` is one too.
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}).to_string();
    let answer = bound.http().post("/v1beta/models/acme:m:streamGenerateContent").json(&body).with(&key).send();
    Speech::Google.refused(&answer, 403, "streaming_denied", Some(key.policy()));
    let odd = r#"{"model":"acme:m","messages":[],"str\u0065am":true}"#;
    let answer = bound.http().post("/v1/chat/completions").json(odd).with(&key).send();
    Speech::Chat.refused(&answer, 403, "streaming_denied", Some(key.policy()));
}

#[test]
fn p12_whose_provider_key_pays() {
    let bound = Bound::new();
    let (required, forbidden) = (json!({"byok": "required"}), json!({"byok": "forbidden"}));
    let only = bound.guarded(&required);
    let never = bound.guarded(&forbidden);
    let either = bound.guarded(&json!({"byok": "optional"}));
    let both = bound.key(&[("guardrail", &required), ("guardrail", &forbidden)]);
    for speech in Speech::ALL {
        let send = |key| speech.call(bound.http(), "acme:m", "x", false).with(key).send();
        speech.refused(&send(&only), 403, "byok_required", Some(only.policy()));
        speech.refused(&send(&both), 403, "byok_conflict", Some(&both.policies[1]));
        send(&never).ok();
        send(&either).ok();
    }
}

#[test]
fn p12_a_background_response_is_refused_where_anything_applies() {
    let bound = Bound::new();
    let body = json!({"model": "acme:m", "input": "x", "background": true}).to_string();
    let send = |key| bound.http().post("/v1/responses").json(&body).with(key).send();
    let rate = bound.key(&[("rate_limit", &json!({"window_secs": 60, "max_requests": 9}))]);
    Speech::Responses.refused(&send(&rate), 400, "invalid_request", None);
    let guarded = bound.guarded(&json!({"allow_streaming": false}));
    Speech::Responses.refused(&send(&guarded), 400, "invalid_request", None);
    let budget = bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000}))]);
    let answer = send(&budget);
    let error = Speech::Responses.error(&answer.json(), 402, "price_unknown");
    assert_eq!((answer.status, &error["member"]), (402, &json!("background")), "{error}");
    assert_eq!(bound.acme.count(), 0);
}

#[test]
fn binding_says_no_more_than_that_it_is_done() {
    let bound = Bound::new();
    let key = bound.guarded(&json!({"allow_streaming": false}));
    let mint = json!({"display_name": "another", "scopes": ["inference:invoke"]});
    let other = crate::bound::text(&bound.post("/keys", &mint).ok().json(), "id");
    let words = ["cloud", "policy", "bind", key.policy(), "--principal-type", "api_key", "--principal-id", &other];
    let said = bound.world.cli([&words[..], &["--local", "--json"]].concat()).with_code(0);
    let members: Vec<String> = said.json().as_object().expect("an object").keys().cloned().collect();
    assert_eq!((members, said.stderr.as_str()), (vec!["binding_id".to_owned()], ""));
    let said = bound.world.cli([&words[..], &["--local"]].concat()).with_code(0);
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(!all.contains("do not act") && !all.contains("not enforced"), "{all}");
    let status = bound.daemon.status();
    let warnings = status["warnings"].as_array().expect("warnings");
    assert!(warnings.iter().all(|warning| warning["code"] != "policies_not_enforced"), "{status}");
}
