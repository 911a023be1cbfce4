//! Streams under content rules: any pieces give what the whole gives, and what is not redacted stays as it was.

use bitrouter_proto::account::policy::ContentAction::{Block, Redact};
use proptest::prelude::*;

use super::*;
use crate::{content_rules::tests::rules, protocol::sse_event::data_of};

/// What a stream gives that comes in pieces of so many events each; the rule that blocked, if one did.
pub(super) fn run(
    rules: &Arc<ContentRules>,
    dialect: Dialect,
    form: Form,
    units: &[String],
    sizes: &[usize],
) -> (String, Option<String>) {
    let mut guard = ReplyGuard::new(Arc::clone(rules), dialect, form);
    let (mut out, mut blocked) = (Vec::new(), None);
    let mut take = |passed: Passed| {
        out.extend_from_slice(&passed.bytes);
        blocked = blocked.take().or(passed.blocked.map(|blocked| blocked.rule));
    };
    let (mut rest, mut sizes) = (units, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        take(guard.push(rest[..size].concat().into()));
        rest = &rest[size..];
    }
    take(guard.finish());
    (String::from_utf8(out).unwrap(), blocked)
}

pub(super) fn events(data: &[&str]) -> Vec<String> {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

pub(super) fn chat(deltas: &[&str]) -> Vec<String> {
    let event = |delta: &&str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    deltas.iter().map(event).collect()
}

pub(super) fn key_rules() -> Arc<ContentRules> {
    Arc::new(rules(&[("sk-[a-z0-9]{4,8}", Redact, None), ("(?i)forbidden", Block, None)]))
}

fn chat_run(deltas: &[&str]) -> (String, Option<String>) {
    let units = chat(deltas);
    let whole = run(&key_rules(), Dialect::ChatCompletions, Form::Events, &units, &[]);
    assert_eq!(run(&key_rules(), Dialect::ChatCompletions, Form::Events, &units, &[1]), whole);
    whole
}

/// Clients put the halves of a pair together that came in two events.
#[test]
fn halves_of_a_character_in_two_events_are_one() {
    let redacts = || Arc::new(rules(&[("\u{1f511}.{0,9}", Redact, None)]));
    let blocks = Arc::new(rules(&[("\u{1f511}", Block, None)]));
    for [first, second, third] in [
        [r#"{"content":"a \ud83d"}"#, r#"{"content":"\uDD11 hunter2"}"#, r#"{"content":"0 b"}"#],
        [
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"a \ud83d"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"\udd11 hunter2"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"0 b\""}}]}"#,
        ],
    ] {
        let units = chat(&[first, second, third]);
        for sizes in [&[][..], &[1]] {
            let (out, blocked) = run(&redacts(), Dialect::ChatCompletions, Form::Events, &units, sizes);
            assert!(blocked.is_none() && out.contains("a [REDACTED]") && !out.contains("hunter2"), "{out}");
            assert!(!out.contains("ud83d") && !out.contains("DD11") && !out.contains("dd11"), "{out}");
            let (out, blocked) = run(&blocks, Dialect::ChatCompletions, Form::Events, &units, sizes);
            assert!(blocked.is_some() && !out.contains("ud83d"), "{out}");
        }
    }
    // What never comes together stays as it is.
    for deltas in [
        &[r#"{"content":"a\ud83d"}"#, r#"{"content":"b"}"#][..],
        &[r#"{"content":"a\ud83d"}"#],
        &[r#"{"content":"\ud83d"}"#, r#"{"content":""}"#, r#"{"content":"\ud83d"}"#, r#"{"content":"\udd12"}"#],
        &[r#"{"content":"a\udd11"}"#, r#"{"content":"\udd11\ud83d"}"#, r#"{"reasoning":"\udd11"}"#],
    ] {
        let units = chat(deltas);
        for sizes in [&[][..], &[1]] {
            assert_eq!(run(&redacts(), Dialect::ChatCompletions, Form::Events, &units, sizes), (units.concat(), None));
        }
    }
}

#[test]
fn a_find_over_several_events_is_redacted_once() {
    for (deltas, expected) in [
        (
            &[r#"{"content":"my s"}"#, r#"{"content":"k-ab"}"#, r#"{"content":"cd ok"}"#][..],
            &[r#"{"content":"my [REDACTED]"}"#, r#"{"content":""}"#, r#"{"content":" ok"}"#][..],
        ),
        (&[r#"{"content":"s\u006b-\u0061bcd\u00e9\n"}"#], &[r#"{"content":"[REDACTED]\u00e9\n"}"#]),
        // Two texts are not one.
        (&[r#"{"content":"sk-"}"#, r#"{"reasoning":"abcd"}"#], &[r#"{"content":"sk-"}"#, r#"{"reasoning":"abcd"}"#]),
        (
            &[
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":\"sk-ab"}}]}"#,
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"\"cd"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"cd\\n\",\"b\":\"sk-\"}"}}]}"#,
            ],
            &[
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":\"[REDACTED]"}}]}"#,
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"\"cd"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"\\n\",\"b\":\"sk-\"}"}}]}"#,
            ],
        ),
        // An escape within an escape, cut in the middle.
        (
            &[
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"[\"\\u00"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"73k-abcd.\"]"}}]}"#,
            ],
            &[
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"[\"[REDACTED]"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":".\"]"}}]}"#,
            ],
        ),
        (
            &[r#"{"content":[{"type":"text","text":"sk-ab"}]}"#, r#"{"content":[{"type":"text","text":"cd"}]}"#],
            &[r#"{"content":[{"type":"text","text":"[REDACTED]"}]}"#, r#"{"content":[{"type":"text","text":""}]}"#],
        ),
    ] {
        assert_eq!(chat_run(deltas), (chat(expected).concat(), None), "{deltas:?}");
    }
}

#[test]
fn a_block_ends_what_goes_on() {
    let (passed, blocked) = chat_run(&[r#"{"content":"a forb"}"#, r#"{"content":"IDDEN"}"#, r#"{"content":"x"}"#]);
    assert_eq!((passed.as_str(), blocked.as_deref()), ("", Some("(?i)forbidden")));
    let (passed, blocked) = chat_run(&[r#"{"content":"fine. "}"#, r#"{"reasoning_content":"forbidden."}"#]);
    assert_eq!((passed, blocked.is_some()), (chat(&[r#"{"content":"fine. "}"#]).concat(), true));
    // What is signed, or what goes with log probabilities, is blocked.
    for delta in [
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"sk-abcd."}]}"#,
        r#"{"content":"sk-abcd."},"logprobs":{"content":[{"token":"sk"}]},"x":{}"#,
    ] {
        assert!(chat_run(&[delta]).1.is_some(), "{delta}");
    }
    assert!(chat_run(&[r#"{"content":"sk-abcd."},"logprobs":null,"x":{}"#]).1.is_none());
}

#[test]
fn what_cannot_be_read_is_blocked() {
    for piece in ["data: {\"choices\":", "data: x\n", "data: \u{0}\n\ndata: {"] {
        let mut guard = ReplyGuard::new(key_rules(), Dialect::ChatCompletions, Form::Events);
        assert!(guard.push(piece.to_owned().into()).blocked.is_some(), "{piece:?}");
    }
    let mut guard = ReplyGuard::new(key_rules(), Dialect::ChatCompletions, Form::Events);
    assert!(guard.push(Bytes::from_static(b"data: \xff\n\n")).blocked.is_some());
    let begun = ["\u{feff}data: {\"choices\":[{\"delta\":{\"content\":\"forbidden\"}}]}\n\n".to_owned()];
    assert!(run(&key_rules(), Dialect::ChatCompletions, Form::Events, &begun, &[]).1.is_some());
    // Text that is no JSON is text.
    let (passed, _) = run(
        &key_rules(),
        Dialect::Messages,
        Form::Events,
        &["data: a\ndata: sk-abcd!\n\n".to_owned(), ": ping\n\n".to_owned()],
        &[1],
    );
    assert_eq!(passed, "data: a\ndata: [REDACTED]!\n\n:\n\n");
}

#[test]
fn messages_hold_blocks_each_with_its_texts() {
    let units = events(&[
        r#"{"type":"message_start","message":{"content":[]}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"sk-"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"abcd"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"sk-abcd","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"k\":\"sk-a"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"bcd\"}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let (passed, blocked) = run(&key_rules(), Dialect::Messages, Form::Events, &units, &[1]);
    assert_eq!(blocked, None);
    let expected = [(1, "\"sk-\"", "\"[REDACTED]\""), (2, "abcd", ""), (5, "sk-a", "[REDACTED]"), (6, "bcd", "")];
    let mut wanted = units.clone();
    for (unit, from, to) in expected {
        wanted[unit] = wanted[unit].replacen(from, to, 1);
    }
    assert_eq!(passed, wanted.concat());
}

#[test]
fn responses_repeat_their_texts() {
    let units = events(&[
        r#"{"type":"response.output_text.delta","item_id":"a","output_index":0,"content_index":0,"delta":"sk-ab","logprobs":[]}"#,
        r#"{"type":"response.output_text.delta","item_id":"b","output_index":0,"content_index":0,"delta":"cd"}"#,
        r#"{"type":"response.output_text.done","item_id":"a","output_index":0,"content_index":0,"text":"sk-abcd"}"#,
        r#"{"type":"response.content_part.done","output_index":0,"part":{"type":"output_text","text":"sk-abcd"}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"a\":\"sk-abcd\"}"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":1,"arguments":"{\"a\":\"sk-abcd\"}"}"#,
        r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"sk-abcd"}]}]}}"#,
    ]);
    let (passed, blocked) = run(&key_rules(), Dialect::Responses, Form::Events, &units, &[1]);
    assert_eq!(blocked, None);
    let wanted = units
        .concat()
        .replacen("sk-ab\"", "[REDACTED]\"", 1)
        .replacen("\"cd\"", "\"\"", 1)
        .replace("sk-abcd", "[REDACTED]");
    assert_eq!(passed, wanted);
    // The repetition of what was decided before has a verdict of its own: nothing is held between.
    let mut guard = ReplyGuard::new(key_rules(), Dialect::Responses, Form::Events);
    assert!(guard.push(units[0].clone().into()).bytes.is_empty());
    assert!(guard.push(units[1].clone().into()).bytes.is_empty());
    assert!(!guard.push(units[2].clone().into()).bytes.is_empty());
    let signed = events(&[
        r#"{"type":"response.output_item.done","item":{"type":"reasoning","summary":[{"text":"sk-abcd."}],"encrypted_content":"x"}}"#,
    ]);
    assert!(run(&key_rules(), Dialect::Responses, Form::Events, &signed, &[]).1.is_some());
}

#[test]
fn contents_are_events_or_elements() {
    let chunk = |part: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}}}}]}}"#);
    let parts = [
        r#"{"text":"a sk-"}"#,
        r#"{"text":"sk-abcd ","thought":true}"#,
        r#"{"text":"abcd"}"#,
        r#"{"functionCall":{"name":"f","args":{"a":["sk-abcd"]}},"thoughtSignature":"s"}"#,
        r#"{"text":"."}"#,
    ];
    let expected = [
        r#"{"text":"a [REDACTED]"}"#,
        r#"{"text":"[REDACTED] ","thought":true}"#,
        r#"{"text":""}"#,
        r#"{"functionCall":{"name":"f","args":{"a":["[REDACTED]"]}},"thoughtSignature":"s"}"#,
        r#"{"text":"."}"#,
    ];
    let sse =
        |parts: &[&str]| -> Vec<String> { parts.iter().map(|part| format!("data: {}\r\n\r\n", chunk(part))).collect() };
    let array = |parts: &[&str]| -> Vec<String> {
        parts
            .iter()
            .enumerate()
            .map(|(at, part)| format!("{}\n{}", if at == 0 { "[" } else { "," }, chunk(part)))
            .collect()
    };
    for sizes in [&[][..], &[1], &[2]] {
        let passed = run(&key_rules(), Dialect::GenerateContent, Form::Events, &sse(&parts), sizes);
        assert_eq!(passed, (sse(&expected).concat(), None));
        let passed = run(&key_rules(), Dialect::GenerateContent, Form::Array, &array(&parts), sizes);
        assert_eq!(passed, (array(&expected).concat(), None));
    }
    let signed = r#"{"text":"sk-abcd.","thought":true,"thoughtSignature":"s"}"#;
    assert!(run(&key_rules(), Dialect::GenerateContent, Form::Events, &sse(&[signed]), &[]).1.is_some());
}

/// The content of a chat stream.
fn content(stream: &str) -> String {
    let text = |data: &[u8]| {
        let chunk: serde_json::Value = serde_json::from_slice(data).unwrap();
        chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    };
    data_of(stream.as_bytes()).map(|data| text(&data)).collect()
}

proptest! {
    /// Whatever the deltas, and whatever the pieces in which their events come.
    #[test]
    fn any_deltas_give_what_the_whole_gives(
        deltas in prop::collection::vec("(sk-|[a-c0-9]{1,4}|\"|\\\\|\n|e\u{301}|😀|forb|idden| ){0,3}", 1..8),
        sizes in prop::collection::vec(1usize..4, 1..4),
    ) {
        let list = [("sk-[a-z0-9]{4,8}", Redact, None), ("forbidden", Block, None), ("[\"\\\\]+é?", Redact, Some(6)), ("\\bab", Redact, None)];
        let rules = Arc::new(rules(&list));
        let unit = |text: &String| format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
        let units: Vec<String> = deltas.iter().map(unit).collect();
        let whole = unit(&deltas.concat());
        let (expected, is_blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &[whole], &[]);
        let (passed, blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &units, &sizes);
        prop_assert_eq!(blocked.is_some(), is_blocked.is_some());
        if blocked.is_none() {
            prop_assert_eq!(content(&passed), content(&expected));
            if content(&passed) == deltas.concat() {
                prop_assert_eq!(passed, units.concat());
            }
        }
        prop_assert_eq!(run(&rules, Dialect::ChatCompletions, Form::Events, &units, &[1]).1, blocked);
    }

    /// The same of tool arguments: any cut of the JSON, between escapes or within.
    #[test]
    fn any_cut_of_arguments_gives_the_same(
        values in prop::collection::vec("(sk-|[a-c0-9]{1,4}|\"|\\\\|\n|é|😀|forb|idden| ){0,4}", 1..5),
        is_cut_off: bool,
        escaped: bool,
        sizes in prop::collection::vec(1usize..7, 1..6),
    ) {
        let list = [("sk-[a-z0-9]{4,8}", Redact, None), ("forbidden", Block, None), ("[\"\\\\😀]+", Redact, Some(6))];
        let rules = Arc::new(rules(&list));
        let mut json = serde_json::json!({"sk-abcd": values, "n": [1.5e3, true, null, {}]}).to_string();
        if escaped {
            json = json.replace('😀', "\\ud83d\\ude00").replace('a', "\\u0061");
        }
        if is_cut_off {
            json.truncate((0..json.len() / 2).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0));
        }
        let unit = |text: &str| {
            let call = serde_json::json!([{"index": 0, "function": {"arguments": text}}]);
            format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": {"tool_calls": call}}]}))
        };
        let chars: Vec<char> = json.chars().collect();
        let (mut units, mut rest, mut next) = (Vec::new(), &chars[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let size = next.next().map_or(1, |size| (*size).min(rest.len()));
            units.push(unit(&rest[..size].iter().collect::<String>()));
            rest = &rest[size..];
        }
        let arguments = |stream: &str| -> String {
            let text = |data: &[u8]| {
                let chunk: serde_json::Value = serde_json::from_slice(data).unwrap();
                chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default().to_owned()
            };
            data_of(stream.as_bytes()).map(|data| text(&data)).collect()
        };
        let (expected, is_blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &[unit(&json)], &[]);
        let (passed, blocked) = run(&rules, Dialect::ChatCompletions, Form::Events, &units, &[1]);
        prop_assert_eq!(blocked.is_some(), is_blocked.is_some());
        if blocked.is_none() {
            prop_assert_eq!(arguments(&passed), arguments(&expected));
            if !is_cut_off {
                // It is JSON still, and its names are what they were.
                let judged: serde_json::Value = serde_json::from_str(&arguments(&passed)).unwrap();
                prop_assert!(judged.get("sk-abcd").is_some());
            }
        }
    }
}
