//! Where streams are cut, in every dialect: what passed is within the limit, and with its end it is a whole reply by the
//! dialect's grammar, whatever the pieces are in which it came.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::{
    Dialect,
    fuzzing::streams::{Form, cut, named_where_cut},
    usage::{InputTokens, OutputTokens},
};

const CHAT: Form = Form::Chat { close_delimited: false, hides_usage: false };
const FORMS: [Form; 5] =
    [CHAT, Form::Of(Dialect::Messages), Form::Of(Dialect::Responses), Form::Of(Dialect::GenerateContent), Form::Array];

/// A frame, and the bytes of content in it.
type Frame = (Value, usize);

/// What stands before the content.
fn begin(form: Form) -> Vec<Frame> {
    let frames = match form {
        Form::Chat { .. } => vec![json!({"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant"}}]})],
        Form::Of(Dialect::Messages) => vec![
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 3}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ],
        Form::Of(Dialect::Responses) => {
            let item = json!({"type": "message", "id": "msg_1", "status": "in_progress", "content": []});
            let part = json!({"type": "output_text", "text": "", "annotations": []});
            vec![
                json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress"}}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
                json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0, "part": part}),
            ]
        }
        _ => vec![],
    };
    frames.into_iter().map(|frame| (frame, 0)).collect()
}

/// Content.
fn content(form: Form, text: &str, thinks: bool) -> Frame {
    let frame = match form {
        Form::Chat { .. } => {
            let name = if thinks { "reasoning" } else { "content" };
            json!({"id": "c1", "choices": [{"index": usize::from(thinks), "delta": {name: text}, "finish_reason": null}]})
        }
        Form::Of(Dialect::Messages) => {
            let (kind, name) = if thinks { ("thinking_delta", "thinking") } else { ("text_delta", "text") };
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}})
        }
        Form::Of(Dialect::Responses) => {
            json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text})
        }
        _ => {
            json!({"candidates": [{"index": usize::from(thinks), "content": {"parts": [{"text": text, "thought": thinks}]}}]})
        }
    };
    (frame, text.len())
}

/// The stream, with a comment now and then.
fn written(form: Form, frames: &[Frame], style: u8) -> String {
    if form == Form::Array {
        let elements: Vec<String> = frames.iter().map(|(frame, _)| frame.to_string()).collect();
        return format!("[{}]", elements.join(",\r\n"));
    }
    let end = ["\n", "\r\n", "\r"][usize::from(style % 3)];
    let mut text = String::new();
    for (number, (frame, _)) in frames.iter().enumerate() {
        let mut frame = frame.clone();
        if form == Form::Of(Dialect::Responses) {
            frame["sequence_number"] = number.into();
        }
        if style & 4 != 0 {
            text.extend([": ping", end, end]);
        }
        if style & 8 != 0 {
            text.extend(["event: x", end]);
        }
        text.extend(["data: ", &frame.to_string(), end, end]);
    }
    text
}

/// How many of these frames pass.
fn fitting(frames: &[Frame], most: u64) -> usize {
    let (mut count, mut bytes) = (0, 0);
    let over = frames.iter().position(|(_, length)| {
        count += u64::from(*length > 0);
        bytes += *length as u64;
        count.max(bytes / 12) > most
    });
    over.unwrap_or(frames.len())
}

/// The frames of a reply, `[DONE]` included.
fn read(form: Form, reply: &[u8]) -> Vec<Value> {
    if form == Form::Array {
        return serde_json::from_slice(reply)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(reply)));
    }
    data_of(reply)
        .map(|data| serde_json::from_slice(&data).unwrap_or_else(|_| json!(String::from_utf8_lossy(&data))))
        .collect()
}

/// A whole reply that was cut, by the grammar of its dialect.
fn check(form: Form, reply: &[Value]) {
    let kinds: Vec<&str> = reply.iter().filter_map(|frame| frame["type"].as_str()).collect();
    let indexes = |list: &str, reason: &str| {
        let mut ends = BTreeMap::<u64, Vec<&Value>>::new();
        for choice in reply.iter().filter_map(|frame| frame[list].as_array()).flatten() {
            let reasons = ends.entry(choice["index"].as_u64().unwrap()).or_default();
            assert!(reasons.is_empty(), "something behind the end: {reply:?}");
            reasons.extend(choice.get(reason).filter(|reason| reason.is_string()));
        }
        assert!(!ends.is_empty());
        ends.into_values().collect::<Vec<_>>()
    };
    match form {
        Form::Chat { .. } => {
            assert_eq!(reply.last().unwrap(), "[DONE]");
            assert!(
                indexes("choices", "finish_reason").iter().all(|reasons| *reasons == [&json!("length")]),
                "{reply:?}"
            );
            assert_eq!(reply[reply.len() - 2]["choices"], json!([]));
            assert!(reply[reply.len() - 2]["usage"]["total_tokens"].is_u64());
        }
        Form::Of(Dialect::Messages) => {
            assert_eq!(kinds.first(), Some(&"message_start"));
            let (open, end) = kinds.split_at(kinds.len() - 2);
            assert_eq!(end, ["message_delta", "message_stop"]);
            let count = |kind: &str| open.iter().filter(|found| **found == kind).count();
            assert_eq!(count("content_block_start"), count("content_block_stop"));
            assert_eq!(reply[reply.len() - 2]["delta"]["stop_reason"], "max_tokens");
        }
        Form::Of(Dialect::Responses) => {
            assert!(reply.iter().enumerate().all(|(number, event)| event["sequence_number"] == number), "{reply:?}");
            let said: String = reply.iter().filter_map(|event| event["delta"].as_str()).collect();
            let response = &reply.last().unwrap()["response"];
            assert_eq!((kinds.last(), &response["id"]), (Some(&"response.incomplete"), &json!("resp_1")));
            assert_eq!(response["output"][0]["content"][0]["text"], said);
            assert_eq!(
                kinds[kinds.len() - 4..kinds.len() - 1],
                ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
            );
        }
        _ => {
            assert!(
                indexes("candidates", "finishReason").iter().all(|reasons| *reasons == [&json!("MAX_TOKENS")]),
                "{reply:?}"
            );
            assert!(reply.last().unwrap()["usageMetadata"]["totalTokenCount"].is_u64());
        }
    }
}

#[test]
fn the_count_is_one_a_frame_or_a_twelfth_of_the_bytes() {
    for form in FORMS {
        for (text, frames, most, passed) in [
            ("x", 5, 3, 3),
            ("x", 5, 5, 5),
            ("twelve bytes", 5, 3, 3),
            // 13 bytes are no more than 12, 26 are.
            ("thirteen byte", 3, 2, 2),
            // Of 24 bytes two fit in five, with 12 to spare.
            ("twenty-four bytes, really"[..24].into(), 5, 5, 2),
            ("", 5, 0, 5),
            ("x", 1, 0, 0),
        ] {
            let all: Vec<Frame> =
                begin(form).into_iter().chain((0..frames).map(|_| content(form, text, false))).collect();
            let whole = written(form, &all, 0);
            let (found, end) = cut(form, whole.as_bytes(), &[], most);
            assert_eq!(end.is_some(), passed < frames, "{form:?} {text} {most}");
            if let Some(end) = end {
                let found = read(form, &[&found[..], &end].concat());
                let contents =
                    found.iter().filter(|frame| frame.to_string().contains(&json!(text).to_string())).count();
                assert!(contents >= passed, "{form:?} {text} {most}");
                check(form, &found);
            } else {
                assert!(whole.as_bytes().starts_with(&found), "{form:?}");
            }
        }
    }
}

#[test]
fn escapes_count_as_what_they_are_and_choices_together() {
    let text = r#"data: {"choices":[{"index":0,"delta":{"content":"\u00e9\n\ud83d\ude00"}},{"index":1,"delta":{"content":"12345"}}]}"#;
    // Two, one and four bytes, and five.
    let stream = format!("{text}\n\n{text}\n\n");
    assert_eq!(cut(CHAT, stream.as_bytes(), &[], 2).1, None);
    assert_eq!(cut(CHAT, stream.as_bytes(), &[], 1).0.len(), text.len() + 2);
}

#[test]
fn an_event_without_its_empty_line_is_counted_too() {
    for form in FORMS.into_iter().filter(|form| *form != Form::Array) {
        let all: Vec<Frame> =
            begin(form).into_iter().chain([content(form, "x", false), content(form, "y", false)]).collect();
        let whole = written(form, &all, 0);
        let (passed, end) = cut(form, whole.trim_end().as_bytes(), &[], 1);
        let end = end.unwrap_or_else(|| panic!("{form:?} is cut"));
        check(form, &read(form, &[&passed[..], &end].concat()));
    }
}

#[test]
fn what_is_too_long_to_be_held_is_counted_as_it_comes() {
    for form in FORMS {
        let long = "x".repeat(3 << 20);
        let all: Vec<Frame> =
            begin(form).into_iter().chain([content(form, "a", false), content(form, &long, false)]).collect();
        let whole = written(form, &all, 0);
        // The beginning is over the limit already: none of it passes.
        let (passed, end) = cut(form, whole.as_bytes(), &[64 << 10], 100);
        check(form, &read(form, &[&passed[..], &end.unwrap()].concat()));
        // It is passed in the middle, of which nothing makes an event or an array.
        let (passed, end) = cut(form, whole.as_bytes(), &[64 << 10], 150_000);
        assert!(passed.len() < (150_000 * 12) + (200 << 10), "{form:?} {}", passed.len());
        let end = end.unwrap();
        if form == Form::Array {
            assert!(end.is_empty());
        } else {
            assert!(end.starts_with(b"\n\n"), "{form:?}");
        }
        // All of it fits, and what comes behind it does not.
        let more: Vec<Frame> = all.into_iter().chain((0..9).map(|_| content(form, "0123456789ab", false))).collect();
        let (passed, end) = cut(form, written(form, &more, 0).as_bytes(), &[64 << 10], (3 << 20) / 12 + 4);
        let reply = read(form, &[&passed[..], &end.unwrap()].concat());
        match form {
            // What is said there at last is bounded.
            Form::Of(Dialect::Responses) => assert_eq!(reply.last().unwrap()["type"], "response.incomplete"),
            _ => check(form, &reply),
        }
    }
}

/// What is charged, in the classes that every dialect tells apart.
fn usage() -> impl Strategy<Value = TokenUsage> {
    prop::array::uniform4(0u64..1 << 32).prop_map(|[uncached, cache_read, visible, reasoning]| TokenUsage {
        input: Some(InputTokens { uncached, cache_read, ..InputTokens::default() }),
        output: Some(OutputTokens { visible, reasoning, ..OutputTokens::default() }),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_end_is_one_to_our_own_readers_and_tells_what_is_charged(usage in usage()) {
        for dialect in Dialect::ALL {
            let rules = dialect.rules();
            let mut stream = rules.events(false, false);
            let end = rules.open_reply(true).ending(&usage, false);
            prop_assert_eq!(&stream.push(end.clone().into()), &end);
            let told = stream.take_usage().unwrap();
            let (input, output) = (told.input.unwrap(), told.output.unwrap());
            prop_assert_eq!(Some(input), usage.input);
            prop_assert_eq!(output.total(), usage.output.unwrap().total());
            // Messages tell no thinking apart.
            prop_assert!(dialect == Dialect::Messages || Some(output) == usage.output);
            prop_assert!(stream.is_complete() && !stream.has_failed());
        }
    }

    #[test]
    fn what_passes_is_within_the_limit_and_ends_as_a_reply_does(
        form in prop::sample::select(FORMS.to_vec()),
        texts in prop::collection::vec(("[aé😀\"\\\\\n]{0,20}", any::<bool>()), 0..12),
        most in 0u64..8,
        style: u8,
        sizes in prop::collection::vec(1usize..60, 1..6),
    ) {
        let mut frames = begin(form);
        frames.extend(texts.iter().map(|(text, thinks)| content(form, text, *thinks)));
        let whole = written(form, &frames, style);
        let (passed, end) = cut(form, whole.as_bytes(), &sizes, most);
        let fitting = fitting(&frames, most);
        prop_assert_eq!(end.is_some(), fitting < frames.len());
        let found = match &end {
            Some(end) => read(form, &[&passed[..], end].concat()),
            None if form == Form::Array => read(form, whole.as_bytes()),
            None => read(form, &passed),
        };
        let mut told: Vec<Value> = read(form, written(form, &frames, style).as_bytes());
        told.truncate(fitting);
        prop_assert_eq!(&found[..fitting], &told[..]);
        if end.is_some() {
            check(form, &found);
        }
    }
}

/// What is charged of a reply is charged at the price of the model that made it, also where nothing of it passed.
#[test]
fn the_frame_that_is_cut_names_its_model_all_the_same() {
    for form in FORMS {
        let (mut frame, _) = content(form, &"x".repeat(100), false);
        match form {
            Form::Chat { .. } => frame["model"] = json!("dear"),
            Form::Of(Dialect::Messages) => frame["message"] = json!({"model": "dear"}),
            Form::Of(Dialect::Responses) => frame["response"] = json!({"model": "dear"}),
            _ => frame["modelVersion"] = json!("dear"),
        }
        assert_eq!(named_where_cut(form, written(form, &[(frame, 100)], 0).as_bytes(), 2), ["dear"], "{form:?}");
    }
}
