//! Which texts of a stream are one and which are several, what is held of them, and what stands around them.

use bitrouter_proto::account::policy::ContentAction::Redact;
use serde_json::{Value, json};

use super::{
    tests::{chat, events, key_rules, run},
    *,
};
use crate::content_rules::tests::rules;

/// What a stream of these events gives, whatever the pieces; the rule that blocked, if one did.
fn judged(dialect: Dialect, data: &[Value]) -> (Vec<Value>, bool) {
    let texts: Vec<String> = data.iter().map(Value::to_string).collect();
    let units = events(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let (whole, blocked) = run(&key_rules(), dialect, Form::Events, &units, &[]);
    let (passed, one_by_one) = run(&key_rules(), dialect, Form::Events, &units, &[1]);
    assert_eq!((&passed, &one_by_one), (&whole, &blocked));
    let read = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    (whole.split_terminator("\n\n").map(read).collect(), blocked.is_some())
}

#[test]
fn what_is_held_has_a_bound() {
    let rules = Arc::new(rules(&[("begin[^!]*end", Redact, Some(1 << 16))]));
    let filler = format!(r#"{{"content":"{}"}}"#, "x".repeat(1000));
    for (fillers, is_blocked) in [(55, false), (70, true)] {
        let mut deltas = vec![r#"{"content":"ok. begin"}"#];
        deltas.extend(std::iter::repeat_n(filler.as_str(), fillers));
        deltas.push(r#"{"content":"end!"}"#);
        let (passed, blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &chat(&deltas), &[1]);
        assert_eq!(blocked.is_some(), is_blocked, "{fillers}");
        assert_eq!(passed.contains("[REDACTED]"), !is_blocked);
    }
}

/// Providers write a token an event: what stands around it is no text.
#[test]
fn small_events_have_room_for_all_the_text_that_may_be_held() {
    let rules = Arc::new(rules(&[("begin[^!]*end", Redact, Some(1 << 16))]));
    let around = "a".repeat(180);
    let delta = |text: &str| format!(r#"{{"content":"{text}"}},"service_tier":"{around}","x":{{}}"#);
    let stream = |count: usize, text: &str| {
        let mut deltas = vec![delta("ok. begin")];
        deltas.extend(std::iter::repeat_n(delta(text), count));
        deltas.push(delta("end!"));
        chat(&deltas.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for (count, text, is_blocked) in
        [(8_000, "word ", false), (14_000, "word ", true), (16_000, "", false), (20_000, "", true)]
    {
        let units = stream(count, text);
        let (passed, blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &units, &[1]);
        assert_eq!((blocked.is_some(), passed.contains("[REDACTED]")), (is_blocked, !is_blocked), "{count} {text:?}");
    }
}

#[test]
fn arguments_in_pieces_are_one_text_by_call_and_path() {
    let call = |call: Value| json!({"candidates": [{"content": {"parts": [{"functionCall": call}]}}]});
    let piece = |path: &str, text: &str| {
        call(
            json!({"partialArgs": [{"jsonPath": path, "stringValue": text, "willContinue": true}], "willContinue": true}),
        )
    };
    let begin = || call(json!({"name": "f", "willContinue": true}));
    let end = || call(json!({}));
    for (stream, expected) in [
        (
            vec![begin(), piece("$.a", "sk-ab"), piece("$.a", "cd"), end()],
            vec![begin(), piece("$.a", "[REDACTED]"), piece("$.a", ""), end()],
        ),
        // Another argument, another call.
        (vec![begin(), piece("$.a", "sk-ab"), piece("$.b", "cd"), end()], vec![]),
        (vec![begin(), piece("$.a", "sk-ab"), end(), piece("$.a", "cd")], vec![]),
        (vec![begin(), piece("$.a", "sk-ab"), begin(), piece("$.a", "cd"), end()], vec![]),
        // One goes on while another one is told.
        (
            vec![begin(), piece("$.a", "sk-ab"), piece("$.b", "x"), piece("$.a", "cd"), end()],
            vec![begin(), piece("$.a", "[REDACTED]"), piece("$.b", "x"), piece("$.a", ""), end()],
        ),
    ] {
        let expected = if expected.is_empty() { stream.clone() } else { expected };
        assert_eq!(judged(Dialect::GenerateContent, &stream), (expected, false));
    }
    assert!(judged(Dialect::GenerateContent, &[begin(), piece("$.a", "forb"), piece("$.a", "idden")]).1);
    // The end of the call is the end of its texts: nothing of them is held any longer.
    let mut guard = ReplyGuard::new(key_rules(), Dialect::GenerateContent, Form::Events);
    for (event, passes) in [(begin(), true), (piece("$.a", "sk-ab"), false), (end(), true)] {
        assert_eq!(!guard.push(format!("data: {event}\n\n").into()).bytes.is_empty(), passes, "{event}");
    }
}

#[test]
fn parts_of_one_event_are_texts_of_their_own() {
    let chunk = |parts: Value| json!({"candidates": [{"content": {"parts": parts}}]});
    let [begin, end, redacted, nothing] = ["sk-ab", "cd", "[REDACTED]", ""].map(|text| json!({ "text": text }));
    let message = |content: Value| json!({"choices": [{"index": 0, "delta": {"content": content}}]});
    for (dialect, stream, expected) in [
        (Dialect::GenerateContent, vec![chunk(json!([begin, end]))], None),
        (
            Dialect::GenerateContent,
            vec![chunk(json!([begin])), chunk(json!([end]))],
            Some(vec![chunk(json!([redacted])), chunk(json!([nothing]))]),
        ),
        // The last part of one event goes on with the next event's first.
        (
            Dialect::GenerateContent,
            vec![chunk(json!([{"text": "x"}, begin])), chunk(json!([end, {"text": "y"}]))],
            Some(vec![chunk(json!([{"text": "x"}, redacted])), chunk(json!([nothing, {"text": "y"}]))]),
        ),
        (Dialect::ChatCompletions, vec![message(json!([begin, end]))], None),
    ] {
        let expected = expected.unwrap_or_else(|| stream.clone());
        assert_eq!(judged(dialect, &stream), (expected, false));
    }
}

#[test]
fn thinking_waits_for_its_signature_where_something_of_it_is_to_be_redacted() {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let think = |text: &str| delta(json!({"type": "thinking_delta", "thinking": text}));
    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
    let start = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let stop = json!({"type": "content_block_stop", "index": 0});
    let sign = delta(json!({"type": "signature_delta", "signature": "abc"}));
    let other = json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "sk-abcd."}});
    let other_redacted =
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "[REDACTED]."}});
    let unsigned =
        [start.clone(), think("a sk-ab"), think("cd."), other.clone(), think("more"), stop.clone(), other.clone()];
    let redacted = [
        start.clone(),
        think("a [REDACTED]"),
        think("."),
        other_redacted.clone(),
        think("more"),
        stop.clone(),
        other_redacted,
    ];
    assert_eq!(judged(Dialect::Messages, &unsigned), (redacted.to_vec(), false));
    let signed = [start.clone(), think("a sk-ab"), think("cd."), sign.clone(), stop.clone()];
    assert_eq!(judged(Dialect::Messages, &signed), (vec![start.clone()], true));
    // Nothing waits where nothing is found.
    let clean = [start.clone(), think("a sk-."), think("b."), sign.clone(), stop.clone()];
    assert_eq!(judged(Dialect::Messages, &clean), (clean.to_vec(), false));
    let mut guard = ReplyGuard::new(key_rules(), Dialect::Messages, Form::Events);
    for (event, passes) in
        [(&start, true), (&think("a."), true), (&think("sk-abcd."), false), (&think("b."), false), (&stop, true)]
    {
        assert_eq!(!guard.push(format!("data: {event}\n\n").into()).bytes.is_empty(), passes, "{event}");
    }
    // What is signed before it is told, or in the midst of a find, is signed all the same.
    assert!(judged(Dialect::Messages, &[start.clone(), think("a."), sign.clone(), think("sk-abcd."), stop.clone()]).1);
    assert!(judged(Dialect::Messages, &[start, think("sk-ab"), sign, think("cd."), stop]).1);
}

#[test]
fn lines_that_are_no_data_carry_no_text_past_the_rules() {
    let rules = key_rules();
    let data = "data: {\"type\":\"ping\"}";
    for (stream, expected) in [
        (format!(": sk-abcd\n\n{data}\n\n"), Some(format!(":\n\n{data}\n\n"))),
        (
            format!(":x\r\nid: 7\r\nretry: 10\r\n{data}\r\n\r\n"),
            Some(format!(":\r\nid: 7\r\nretry: 10\r\n{data}\r\n\r\n")),
        ),
        (
            format!("event: sk-abcd\nid:sk-abcd\n{data}\n\n"),
            Some(format!("event: [REDACTED]\nid:[REDACTED]\n{data}\n\n")),
        ),
        (format!("\u{feff}secret\n{data}\nretry: sk-abcd\n\n"), Some(format!("\u{feff}:\n{data}\n:\n\n"))),
        (format!("event: ping\n{data}\n\n"), Some(format!("event: ping\n{data}\n\n"))),
        (format!("{data}\nevent: forbidden\n\n"), None),
        (format!(": forbidden\n{data}\n\n"), Some(format!(":\n{data}\n\n"))),
    ] {
        let (passed, blocked) = run(&rules, Dialect::Messages, Form::Events, std::slice::from_ref(&stream), &[]);
        assert_eq!((blocked.is_some(), passed), (expected.is_none(), expected.unwrap_or_default()), "{stream:?}");
    }
    // One that is held goes on without its comment too.
    let units = [
        format!(": a\n{}", chat(&[r#"{"content":"sk-ab"}"#])[0]),
        format!(": b\n{}", chat(&[r#"{"content":"."}"#])[0]),
    ];
    let (passed, _) = run(&rules, Dialect::ChatCompletions, Form::Events, &units, &[1]);
    assert_eq!(passed, units.concat().replace(": a", ":").replace(": b", ":"));
}

#[test]
fn members_that_nobody_knows_are_texts() {
    for (dialect, event) in [
        (Dialect::ChatCompletions, json!({"choices": [{"index": 0, "delta": {}, "note": "§"}], "notes": [{"a": "§"}]})),
        (
            Dialect::ChatCompletions,
            json!({"choices": [], "usage": {"x": "sk-abcd"}, "system_fingerprint": "sk-abcd", "note": "§"}),
        ),
        (
            Dialect::Messages,
            json!({"type": "note", "index": 0, "note": "§", "message": {"note": "§", "usage": {"tier": "sk-abcd"}}}),
        ),
        (
            Dialect::Responses,
            json!({"type": "response.note", "item_id": "sk-abcd", "obfuscation": "sk-abcd", "note": "§"}),
        ),
        (
            Dialect::Responses,
            json!({"type": "response.created", "response": {"note": "§", "metadata": {"a": "sk-abcd"}, "instructions": "sk-abcd"}}),
        ),
        (
            Dialect::GenerateContent,
            json!({"note": "§", "responseId": "sk-abcd", "candidates": [{"note": "§", "finishReason": "sk-abcd",
                "content": {"note": "§", "parts": [{"note": "§", "functionCall": {"id": "sk-abcd", "note": {"a": "§"}}}]}}]}),
        ),
    ] {
        let with = |text: &str| vec![serde_json::from_str(&event.to_string().replace('§', text)).unwrap()];
        assert_eq!(judged(dialect, &with("sk-abcd")), (with("[REDACTED]"), false), "{dialect}");
        assert!(judged(dialect, &with("forbidden")).1, "{event}");
    }
}

#[test]
fn a_document_in_base64_is_encoded_anew() {
    let part = |data: &str| {
        let blob = json!({"mimeType": "text/plain", "data": data});
        json!({"candidates": [{"content": {"parts": [{"text": "a"}, {"inlineData": blob}]}}]})
    };
    // "my sk-abcd", "my [REDACTED]", "forbidden".
    let redacted = vec![part("bXkgW1JFREFDVEVEXQ==")];
    assert_eq!(judged(Dialect::GenerateContent, &[part("bXkgc2stYWJjZA==")]), (redacted, false));
    assert!(judged(Dialect::GenerateContent, &[part("Zm9yYmlkZGVu")]).1);
}
