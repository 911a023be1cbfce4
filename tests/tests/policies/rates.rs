//! Limits on requests and tokens in a sliding window.

use std::time::Duration;

use bitrouter_proto::clock::monotonic_now;
use bitrouter_tests::{Answer, Gate, Reply, dialects::Turn, dialects::responses, wait};
use serde_json::{Value, json};

use crate::bound::{Bound, chat_body, document};

fn rate(bound: &Bound, spec: &Value) -> String {
    let policy = bound.policy("rate_limit", spec);
    bound.bind(&policy, "namespace", &bound.namespace);
    policy
}

/// Refused for now; how long for.
#[track_caller]
fn limited(answer: &Answer, policy: &str) -> Duration {
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, &error["policy_id"]), (429, &json!(policy)), "{error}");
    let number = |name: &str| -> u64 { answer.header(name).expect("a wait").parse().expect("a number") };
    let (seconds, millis) = (number("retry-after"), number("retry-after-ms"));
    assert_eq!(seconds, millis.div_ceil(1_000));
    assert!(error["resets_at"].is_string(), "{error}");
    Duration::from_millis(millis)
}

#[test]
fn p12_a_rate_lets_so_many_requests_pass_and_says_when_the_next_one_will() {
    let bound = Bound::new();
    let policy = rate(&bound, &json!({"window_secs": 3, "max_requests": 2}));
    let start = monotonic_now();
    let call = || bound.chat("acme:free", &json!({})).send();
    call().ok();
    call().ok();
    // Those that are refused do not count, however many they are.
    let mut last = Duration::from_secs(3);
    for _ in 0..20 {
        let answer = call();
        let error = answer.refused(429, "rate_limited");
        assert_eq!(error["type"], "rate_limit_error", "{error}");
        let left = limited(&answer, &policy);
        assert!(left <= last, "{left:?} after {last:?}");
        last = left;
    }
    assert_eq!(bound.provider.count(), 2);
    // It is no sooner, and no later.
    wait::pass(last);
    call().ok();
    // The time since the boot is told in hundredths of a second.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(2_985), "{took:?}, of it the last {last:?}");
}

#[test]
fn p12_a_rate_of_tokens_counts_what_is_declared_before_and_what_is_true_after() {
    let bound = Bound::new();
    let policy = rate(&bound, &json!({"window_secs": 3_600, "max_tokens": 1_000}));
    let call = |members: &Value| bound.chat("acme:m", members).send();
    let error = call(&json!({"max_tokens": 1_001})).refused(400, "exceeds_limit");
    assert_eq!((&error["policy_id"], &error["param"]), (&json!(policy), &json!(null)), "{error}");
    call(&json!({"max_tokens": 251, "n": 4})).refused(400, "exceeds_limit");
    // A call that declares nothing gets half.
    let answer = call(&json!({})).ok();
    assert_eq!(answer.header("x-bitrouter-capped"), Some("500"));
    assert_eq!(bound.provider.last().request.json()["max_tokens"], 500);
    // It used ten: 990 are left.
    call(&json!({"max_tokens": 990})).ok();
    let answer = call(&json!({"max_tokens": 990}));
    limited(&answer, &policy);
    // What it says of itself counts as long as a call is open.
    let gate = Gate::new();
    bound.provider.next(Reply::stream().token("one").gate(&gate).done());
    let mut open = bound.chat("acme:m", &json!({"max_tokens": 900, "stream": true})).open();
    open.until_contains("\"one\"");
    limited(&call(&json!({"max_tokens": 100})), &policy);
    gate.open();
    open.finish().ok();
    wait::holds("the truth", || call(&json!({"max_tokens": 900})).status == 200);
    // What is neither of so many tokens nor free: a cap that is none.
    call(&json!({"max_tokens": -1})).refused(400, "invalid_request");
    bound.chat("acme:free", &json!({"max_tokens": -1})).send().refused(400, "invalid_request");
}

#[test]
fn p12_windows_survive_restarts_and_crashes() {
    let mut bound = Bound::new();
    let spec = json!({"window_secs": 3_600, "max_requests": 5, "max_tokens": 100_000});
    let policy = rate(&bound, &spec);
    bound.provider.always(|request| document(request, 10, 990));
    for _ in 0..3 {
        bound.chat("acme:m", &json!({})).send().ok();
    }
    bound.killed_and_started();
    bound.chat("acme:m", &json!({})).send().ok();
    bound.stopped_and_started();
    bound.chat("acme:m", &json!({})).send().ok();
    let left = limited(&bound.chat("acme:m", &json!({})).send(), &policy);
    assert!(left > Duration::from_secs(3_400), "{left:?}");
    // A limit that is bound later knows of the requests before it, and what they wrote.
    let tokens = rate(&bound, &json!({"window_secs": 3_600, "max_tokens": 5_000}));
    bound.api("DELETE", &format!("/policies/{policy}"), None);
    limited(&bound.chat("acme:m", &json!({"max_tokens": 100})).send(), &tokens);
}

#[test]
fn p12_rates_of_requests_hold_on_every_path_that_reaches_a_provider() {
    let bound = Bound::new();
    let hello = json!([{"role": "user", "content": "hello"}]);
    let stored = responses::whole(&Turn::saying("kept"), "m", "resp_kept");
    bound.provider.next(Reply::json(200, stored.to_string()));
    bound.post("/v1/responses", &json!({"model": "acme:m", "input": "hello"})).send().ok();
    let policy = bound.policy("rate_limit", &json!({"window_secs": 3_600, "max_requests": 1}));
    let contents = json!({"contents": [{"parts": [{"text": "hello"}]}]});
    let content = json!({"content": {"parts": [{"text": "hello"}]}});
    let body = Some(contents.clone());
    let paths: [(&str, &str, Option<Value>); 14] = [
        ("POST", "/v1/chat/completions", Some(chat_body("acme:m", &json!({})))),
        ("POST", "/v1/completions", Some(json!({"model": "acme:m", "prompt": "x"}))),
        ("POST", "/v1/embeddings", Some(json!({"model": "acme:embeds", "input": "x"}))),
        ("POST", "/v1/messages", Some(json!({"model": "acme:m", "max_tokens": 5, "messages": hello}))),
        ("POST", "/v1/messages/count_tokens", Some(json!({"model": "acme:m", "messages": hello}))),
        ("POST", "/v1/responses", Some(json!({"model": "acme:m", "input": "x"}))),
        ("POST", "/v1/responses/input_tokens", Some(json!({"model": "acme:m", "input": "x"}))),
        ("GET", "/v1/responses/resp_kept", None),
        ("GET", "/v1/responses/resp_kept/input_items", None),
        ("POST", "/v1/responses/resp_kept/cancel", None),
        ("POST", "/v1beta/models/acme:m:generateContent", body.clone()),
        ("POST", "/v1beta/models/acme:m:countTokens", body),
        ("POST", "/v1beta/models/acme:embeds:embedContent", Some(content)),
        ("DELETE", "/v1/responses/resp_kept", None),
    ];
    for (method, path, body) in paths {
        let key = bound.mint(path.trim_start_matches('/').rsplit(':').next().unwrap_or("key"));
        let binding = bound.bind(&policy, "api_key", &key.id);
        let call = || {
            let call = bound.http().request(method, path).bearer(&key.token);
            body.iter().fold(call, |call, body| call.json(body.to_string())).send()
        };
        if method == "DELETE" {
            // It stays, to be asked for once more.
            bound.provider.next(Reply::json(500, r#"{"error":{"message":"not now"}}"#));
        }
        // What the provider makes of it is its own affair.
        call();
        let second = call();
        limited(&second, &policy);
        bound.api("DELETE", &format!("/policies/{policy}/bind/{binding}"), None);
        assert_ne!(call().status, 429, "{path}");
    }
}

bitrouter_test_postgres::once_more_on_postgres!(p12_windows_survive_restarts_and_crashes);
