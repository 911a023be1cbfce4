//! Bodies that can be read in two ways are refused where rules apply, and pass as they are where none does.

use bitrouter_tests::Reply;
use serde_json::json;

use crate::bound::{Bound, Key, Speech, With};

/// Bodies in which something stands twice: the path, the body, and the dialect.
fn ambiguous() -> Vec<(Speech, &'static str, &'static str)> {
    const CHAT: &str = "/v1/chat/completions";
    const GOOGLE: &str = "/v1beta/models/acme:m:generateContent";
    vec![
        (Speech::Chat, CHAT, r#"{"model":"acme:m","messages":[{"role":"user","content":"a","content":"b"}]}"#),
        (Speech::Chat, CHAT, r#"{"model":"acme:m","messages":[],"max_tokens":5,"max_tokens":900}"#),
        (Speech::Chat, CHAT, r#"{"model":"acme:m","messages":[],"max_tokens":5,"max\u005ftokens":900}"#),
        (Speech::Chat, CHAT, r#"{"model":"acme:m","messages":[],"metadata":{"a":{"b":[{"c":1,"\u0063":2}]}}}"#),
        (Speech::Responses, "/v1/responses", r#"{"model":"acme:m","input":"a","input":"b"}"#),
        (
            Speech::Responses,
            "/v1/responses",
            r#"{"model":"acme:m","input":[{"role":"user","content":"a","role":"user"}]}"#,
        ),
        (
            Speech::Messages,
            "/v1/messages",
            r#"{"model":"acme:m","max_tokens":5,"messages":[],"system":"a","system":"b"}"#,
        ),
        (
            Speech::Messages,
            "/v1/messages",
            r#"{"model":"acme:m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
        ),
        (Speech::Google, GOOGLE, r#"{"contents":[{"parts":[{"text":"a","text":"b"}]}]}"#),
        (Speech::Google, GOOGLE, r#"{"contents":[],"generationConfig":{"maxOutputTokens":5,"max_output_tokens":900}}"#),
        (Speech::Google, GOOGLE, r#"{"contents":[],"generationConfig":{},"generation_config":{"maxOutputTokens":9}}"#),
        (
            Speech::Google,
            GOOGLE,
            r#"{"contents":[],"systemInstruction":{"parts":[]},"system_instruction":{"parts":[]}}"#,
        ),
    ]
}

fn keys(bound: &Bound) -> [Key; 4] {
    [
        bound.guarded(&json!({"model_deny": ["nothing"]})),
        bound.guarded(&crate::bound::content_rule("nothing", "redact")),
        bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000_000}))]),
        bound.key(&[("rate_limit", &json!({"window_secs": 60, "max_requests": 1_000}))]),
    ]
}

#[test]
fn p12_what_stands_twice_is_refused_where_rules_apply_and_passes_elsewhere() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let keys = keys(&bound);
    for (speech, path, body) in ambiguous() {
        let call = || {
            let call = bound.http().post(path).json(body);
            if speech == Speech::Messages { call.header("anthropic-version", "2023-06-01") } else { call }
        };
        for key in &keys {
            let before = bound.acme.count();
            let answer = call().with(key).send();
            speech.refused(&answer, 400, "invalid_request", None);
            assert_eq!(bound.acme.count(), before, "{body}");
        }
        call().send().ok();
        let sent = String::from_utf8_lossy(&bound.acme.last().request.body).into_owned();
        assert_eq!(sent, body.replacen("acme:m", "m", 1));
    }
}

#[test]
fn p12_a_cap_is_a_whole_number_where_one_counts() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let [models, _, budget, _] = keys(&bound);
    for cap in ["-1", "0", "1.5", "\"9\"", "2147483648", "1e3", "true", "[]", "99999999999999999999"] {
        for (speech, path, body) in [
            (Speech::Chat, "/v1/chat/completions", format!(r#"{{"model":"acme:m","messages":[],"max_tokens":{cap}}}"#)),
            (Speech::Chat, "/v1/chat/completions", format!(r#"{{"model":"acme:m","messages":[],"n":{cap}}}"#)),
            (
                Speech::Responses,
                "/v1/responses",
                format!(r#"{{"model":"acme:m","input":"x","max_output_tokens":{cap}}}"#),
            ),
            (
                Speech::Google,
                "/v1beta/models/acme:m:generateContent",
                format!(r#"{{"contents":[],"generation_config":{{"max_output_tokens":{cap}}}}}"#),
            ),
        ] {
            for key in [&models, &budget] {
                let answer = bound.http().post(path).json(&body).with(key).send();
                speech.refused(&answer, 400, "invalid_request", None);
            }
            bound.http().post(path).json(&body).send().ok();
        }
    }
    // Nothing is as good as absent.
    let body = r#"{"model":"acme:m","messages":[],"max_tokens":null,"n":null}"#;
    bound.http().post("/v1/chat/completions").json(body).with(&budget).send().ok();
}

#[test]
fn what_no_rule_binds_passes_byte_for_byte() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{ \"x\" : 1.0e+2 }"));
    let free = bound.key(&[]);
    let body = r#"{ "model" : "acme:m","messages":[ ] , "max_tokens":-1,"models":["dear"], "background":true,"x":1.0e+2,"é":"\u00e9" }"#;
    for key in [None, Some(&free)] {
        let call = bound.http().post("/v1/chat/completions").json(body);
        let answer = key.into_iter().fold(call, With::with).send().ok();
        assert_eq!(answer.text(), "{ \"x\" : 1.0e+2 }");
        let sent = &bound.acme.last().request;
        assert_eq!(String::from_utf8_lossy(&sent.body), body.replacen("acme:m", "m", 1));
    }
}
