//! Requests as no client should write them, and long ones: what is in them is judged all the same.

use bitrouter_tests::{Answer, Reply};
use serde_json::{Value, json};

use crate::bound::{Bound, Key, Speech, With as _, content_rule};

const PATTERN: &str = "sk-[a-z]{4,10}-[0-9]{4}";

#[track_caller]
fn chat(bound: &Bound, body: impl AsRef<[u8]>, key: &Key) -> Answer {
    bound.http().post("/v1/chat/completions").json(body).with(key).send()
}

#[test]
fn p12_what_is_no_text_hides_none() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    for content in [
        // Half a character beside it, in the value and in the name of a member before it.
        r#""\ud83e sk-secret-4711""#,
        r#""sk-secret-4711\udd11""#,
        r#"[{"\ud800":1,"type":"text","text":"sk-secret-4711"}]"#,
        r#"[{"type":"text","text":"sk-secret\u002d4711"},{"type":"\ud800"}]"#,
        r#"[{"type":"text","te\u0078t":"sk-secret-4711"}]"#,
        r#"[{"type":"input_text","text":"sk-secret-4711"}]"#,
        r#"[[["sk-secret-4711"]]]"#,
        "\"\u{0}sk-secret-4711\"",
    ] {
        let body = format!(r#"{{"model":"acme:m","messages":[{{"role":"user","content":{content}}}]}}"#);
        let answer = chat(&bound, &body, &block);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(bound.acme.count(), 0, "{body}");
    }
    // What is no UTF-8 is no JSON.
    for bytes in [
        &b"{\"model\":\"acme:m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff sk-secret-4711\"}]}"[..],
        b"\xef\xbb\xbf{\"model\":\"acme:m\",\"messages\":[{\"role\":\"user\",\"content\":\"sk-secret-4711\"}]}",
    ] {
        let answer = chat(&bound, bytes, &block);
        assert_eq!((answer.status, bound.acme.count()), (400, 0), "{}", answer.text());
    }
    // Nor does depth.
    let deep = format!("{}\"sk-secret-4711\"{}", "[".repeat(50_000), "]".repeat(50_000));
    let answer =
        chat(&bound, format!(r#"{{"model":"acme:m","messages":[{{"role":"user","content":{deep}}}]}}"#), &block);
    assert_eq!((answer.status, bound.acme.count()), (400, 0), "{}", answer.text());
}

#[test]
fn p12_a_reply_with_half_a_character_is_judged() {
    let bound = Bound::new();
    let block = bound.guarded(&content_rule(PATTERN, "block"));
    let whole = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"\ud83e sk-secret-4711"},"finish_reason":"stop"}]}"#;
    bound.acme.next(Reply::json(200, whole));
    let answer = bound.http().chat("acme:m", "x").with(&block).send();
    Speech::Chat.refused(&answer, 400, "content_blocked", Some(block.policy()));
    let chunk = whole.replace("message", "delta");
    bound.acme.next(Reply::stream().event(&chunk).done());
    let answer = bound.http().chat_stream("acme:m", "x").with(&block).send();
    assert!(!answer.text().contains("4711") && answer.text().contains("content_blocked"), "{}", answer.text());
}

#[test]
fn p12_long_bodies_are_redacted_and_capped_in_one_go() {
    let bound = Bound::new();
    bound.acme.always(|_| Reply::json(200, "{}"));
    let key = bound
        .key(&[("guardrail", &content_rule(PATTERN, "redact")), ("guardrail", &json!({"max_request_tokens": 300}))]);
    for length in [10, 100_000, 300_000, 2_000_000] {
        let filler = "é word ".repeat(length / 8);
        let text = |secret: &str| format!("{secret} {filler} {secret}");
        let body = |secret: &str, model: &str| json!({"model": model, "stream": true, "messages": [{"role": "system", "content": text(secret)}, {"role": "user", "content": [{"type": "text", "text": text(secret)}]}]});
        let answer = chat(&bound, body("sk-secret-4711", "acme:m").to_string(), &key);
        assert_eq!((answer.status, answer.header("x-bitrouter-capped")), (200, Some("300")), "{}", answer.text());
        let mut sent: Value = bound.acme.last().request.json();
        let members = sent.as_object_mut().expect("an object");
        let cap = members.remove("max_tokens").or_else(|| members.remove("max_completion_tokens"));
        assert_eq!(cap, Some(json!(300)));
        members.remove("stream_options");
        assert!(sent == body("[REDACTED]", "m"), "a body of {length} bytes is another");
    }
}
