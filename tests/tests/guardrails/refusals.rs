//! Which refusal comes first, and what stays as it was under policies.

use bitrouter_tests::Reply;
use serde_json::json;

use crate::bound::{Bound, Speech, With as _, content_rule};

#[test]
fn p12_refusals_have_an_order() {
    // A provider without a key, so that 402 is due before policies.
    let bound = Bound::new();
    let guard = json!({"model_deny": ["acme/*", "openai/*"], "allow_streaming": false, "max_request_tokens": 5, "content_patterns": [{"name": "w", "pattern": "word"}]});
    let budget = json!({"window": "day", "limit_micro_usd": 1});
    let rate = json!({"window_secs": 86_400, "max_requests": 1});
    let all = bound.key(&[("guardrail", &guard), ("budget", &budget), ("rate_limit", &rate)]);
    let counted = bound.key(&[("budget", &budget), ("rate_limit", &rate)]);
    let money = bound.key(&[("budget", &budget)]);
    // The one request that may be made; it costs nothing.
    let count = json!({"model": "acme:m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let free = |key| {
        bound
            .http()
            .post("/v1/messages/count_tokens")
            .header("anthropic-version", "2023-06-01")
            .json(&count)
            .with(key)
            .send()
    };
    free(&counted).ok();
    let chat = |body: &str, key| bound.http().post("/v1/chat/completions").json(body).with(key).send();
    let twice = r#""x":1,"x":2"#;
    for (body, status, code) in [
        // 400 before 404, 501, 402.
        (format!(r#"{{"model":"nobody:m","messages":[],{twice}}}"#), 400, "invalid_request"),
        (format!(r#"{{"model":"openai:gpt","messages":[],{twice}}}"#), 400, "invalid_request"),
        // 404 and 402 before policies.
        (
            r#"{"model":"nobody:m","stream":true,"messages":[{"role":"user","content":"word"}]}"#.to_owned(),
            404,
            "model_not_found",
        ),
        (
            r#"{"model":"openai:gpt","stream":true,"messages":[{"role":"user","content":"word"}]}"#.to_owned(),
            402,
            "provider_key_missing",
        ),
        // Policies: models first.
        (r#"{"model":"acme:m","stream":true,"messages":[]}"#.to_owned(), 403, "model_denied"),
        (
            r#"{"model":"zeta:m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"word"}]}"#
                .to_owned(),
            403,
            "streaming_denied",
        ),
        (
            r#"{"model":"zeta:m","max_tokens":9,"messages":[{"role":"user","content":"word"}]}"#.to_owned(),
            403,
            "max_request_tokens",
        ),
        (
            r#"{"model":"zeta:m","max_tokens":5,"messages":[{"role":"user","content":"word"}]}"#.to_owned(),
            400,
            "content_blocked",
        ),
    ] {
        let answer = chat(&body, &all);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        answer.refused(status, code);
    }
    // Nothing of that counted: the one request is still there, and the budget refuses it.
    let body = r#"{"model":"zeta:m","max_tokens":5,"messages":[]}"#;
    Speech::Chat.refused(&chat(body, &all), 402, "budget_exceeded", Some(&all.policies[1]));
    Speech::Chat.refused(&chat(body, &money), 402, "budget_exceeded", Some(money.policy()));
    // 429 before the budget.
    Speech::Chat.refused(&chat(body, &counted), 429, "rate_limited", Some(&counted.policies[1]));
    let answer = free(&counted);
    Speech::Messages.refused(&answer, 429, "rate_limited", Some(&counted.policies[1]));
    let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("`Retry-After`");
    let millis: u64 = answer.header("retry-after-ms").and_then(|text| text.parse().ok()).expect("`retry-after-ms`");
    assert!((86_000..=86_400).contains(&seconds) && millis.div_ceil(1_000) == seconds, "{seconds} {millis}");
}

#[test]
fn p12_googles_queries_hide_nothing() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule("word", "block"));
    let budget = bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000_000}))]);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}).to_string();
    for key in [&key, &budget] {
        let post = |query: &str| {
            let path = format!("/v1beta/models/acme:m:generateContent?{query}");
            bound.http().post(&path).json(&body).with(key).send()
        };
        for query in ["alt=proto", "alt=media", "%61lt=proto", "alt=sse&alt=proto", "$.xgafv=2&alt=PROTO"] {
            let before = bound.acme.count();
            Speech::Google.refused(&post(query), 400, "invalid_request", None);
            assert_eq!(bound.acme.count(), before, "{query}");
        }
        for query in [
            "fields=candidates",
            "callback=x",
            "fields=candidates&alt=json&prettyPrint=false",
            "key=secret",
            "$fields=usageMetadata",
        ] {
            post(query).ok();
            let target = bound.acme.last().request.target.clone();
            let rest = target.split_once('?').map(|(_, query)| query.to_owned());
            assert!(rest.is_none() || rest.as_deref() == Some("alt=json"), "{query}: {target}");
        }
    }
}

#[test]
fn p12_what_another_namespace_has_stored_is_not_there() {
    let bound = Bound::new();
    bound.world.cli(["node", "namespace", "create", "other"]).expect_code(0);
    let other = bound.owner.program(&["inference:invoke"], Some("other"));
    let made = Speech::Responses.call(bound.http(), "acme:m", "x", false).bearer(&other.access_token).send();
    let id = crate::bound::text(&made.ok().json(), "id");
    let free = bound.key(&[]);
    let guarded = bound.key(&[
        ("guardrail", &json!({"allow_streaming": false, "model_deny": ["nothing"]})),
        ("budget", &json!({"window": "day", "limit_micro_usd": 1_000_000})),
    ]);
    for key in [&free, &guarded] {
        for (method, below) in [("GET", ""), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")] {
            let answer = bound.http().request(method, &format!("/v1/responses/{id}{below}")).with(key).send();
            Speech::Responses.refused(&answer, 404, "not_found", None);
        }
        let more = json!({"previous_response_id": id});
        let answer = Speech::Responses.call_with(bound.http(), "acme:m", "x", false, &more).with(key).send();
        Speech::Responses.refused(&answer, 404, "not_found", None);
    }
    bound.http().get(&format!("/v1/responses/{id}")).bearer(&other.access_token).send().ok();
}

#[test]
fn p12_a_reply_that_nobody_can_judge_is_none() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule("word", "block"));
    for body in [&b"\xff\xfe\x00"[..], b"<html>word</html>"] {
        for kind in ["application/json", "text/html", "application/octet-stream"] {
            bound.acme.next(Reply::body(200, kind, body));
            let answer = bound.http().chat("acme:m", "x").with(&key).send();
            assert!(answer.status == 502 || answer.status == 400, "{kind}: {} {}", answer.status, answer.text());
            assert!(!answer.text().contains("<html>"), "{}", answer.text());
        }
    }
}
