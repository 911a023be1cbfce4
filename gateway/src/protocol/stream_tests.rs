//! Whatever the pieces are in which the bytes of a stream arrive: what passes, what is counted, how far it has come and how it
//! is ended are the same, in every dialect.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::protocol::{
    Dialect,
    fuzzing::streams::{Form, Outcome, check, run},
};

/// What the events of a dialect may say, right and odd.
fn vocabulary(form: Form) -> Vec<Value> {
    let bait = json!({"usage": {"prompt_tokens": 9, "output_tokens": 9}, "type": "error", "error": {"x": 1}});
    let mut all = match form {
        Form::Chat { .. } => {
            let counted = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
            vec![
                json!({"choices": [{"delta": {"content": "data: [DONE]\n\né"}, "finish_reason": null}], "usage": null}),
                json!({"choices": [{"delta": {"x": bait}, "finish_reason": null}]}),
                json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "model": "gpt"}),
                json!({"choices": [], "usage": counted}),
                json!({"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1}}),
                json!({"error": {"message": "own"}}),
                json!("[DONE]"),
            ]
        }
        Form::Of(Dialect::Messages) => vec![
            json!({"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 5, "output_tokens": 1}}}),
            json!({"type": "content_block_delta", "delta": {"text": "event: message_stop", "x": bait}}),
            json!({"type": "message_delta", "usage": {"output_tokens": 7}}),
            json!({"usage": {"output_tokens": 8, "cache_read_input_tokens": 2}, "type": "message_delta"}),
            json!({"type": "ping"}),
            json!({"type": "message_stop"}),
            json!({"type": "error", "error": {"type": "overloaded_error"}}),
        ],
        Form::Of(Dialect::Responses) => {
            let response = json!({"id": "resp_1", "created_at": 7, "model": "m"});
            let done = json!({"id": "resp_1", "output": [bait], "usage": {"input_tokens": 5, "output_tokens": 6}});
            vec![
                json!({"type": "response.created", "sequence_number": 0, "response": response}),
                json!({"type": "response.in_progress", "sequence_number": 1, "response": {"id": "resp_2"}}),
                json!({"type": "response.output_text.delta", "sequence_number": 41, "delta": "x", "item": bait}),
                json!({"type": "response.completed", "sequence_number": 5, "response": done}),
                json!({"type": "error", "sequence_number": 9, "error": {"code": "x"}}),
                json!({"type": "response.failed", "sequence_number": 10, "response": done}),
            ]
        }
        _ => {
            let counted = json!({"promptTokenCount": 8, "candidatesTokenCount": 2, "totalTokenCount": 10});
            vec![
                json!({"candidates": [{"content": {"parts": [{"text": "]},\"[é"}]}}], "usageMetadata": counted}),
                json!({"candidates": [{"content": {"parts": [{"args": {"finishReason": "STOP", "x": bait}}]}}]}),
                json!({"candidates": [{"index": 1, "finishReason": "STOP"}], "modelVersion": "gemini"}),
                json!({"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"promptTokenCount": 9}}),
                json!({"promptFeedback": {"blockReason": "SAFETY"}}),
                json!({"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}),
                json!({"error": {"code": 503}}),
            ]
        }
    };
    all.extend([bait, json!({}), json!([]), json!(null), json!("text"), json!({"x": {"a": [1, {"b": "\\\""}]}})]);
    all
}

/// One event in one of the spellings that the grammar allows.
fn event(data: &Value, style: u8, ends: &[&str]) -> String {
    let mut ends = ends.iter().cycle();
    let mut line = |text: &str| format!("{text}{}", ends.next().unwrap_or(&"\n"));
    let done = data == "[DONE]";
    let text = if done { "[DONE]".to_owned() } else { data.to_string() };
    let mut event = String::new();
    if style & 1 != 0 {
        event += &line(&format!("event: {}", data["type"].as_str().unwrap_or("message")));
    }
    if style & 2 != 0 {
        event += &line(": {\"usage\":{\"input_tokens\":1}}");
    }
    if style & 4 != 0 {
        event += &line("id: 7");
    }
    if style & 8 != 0 && !done {
        let pretty = serde_json::to_string_pretty(data).unwrap();
        event.extend(pretty.lines().map(|part| line(&format!("data: {part}"))));
    } else {
        event += &line(&format!("data:{}{text}", if style & 16 != 0 { "" } else { " " }));
    }
    if style & 32 != 0 {
        event += &line("retry: 10");
    }
    event + &line("")
}

fn form() -> impl Strategy<Value = Form> {
    prop::sample::select(Form::ALL.to_vec())
}

/// A stream, perhaps cut off somewhere.
fn stream() -> impl Strategy<Value = (Form, Bytes)> {
    let ends = prop_oneof![
        3 => Just(vec!["\n"]),
        3 => Just(vec!["\r\n"]),
        1 => Just(vec!["\r"]),
        1 => prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], 1..6),
    ];
    let parts = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9);
    (form(), parts, ends, any::<bool>(), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(form, parts, ends, mark, cut, is_cut)| {
            let words = vocabulary(form);
            let mut text = if mark && form != Form::Array { "\u{feff}".to_owned() } else { String::new() };
            if form == Form::Array {
                let elements = parts.iter().map(|(word, style)| match style & 1 {
                    0 => word.get(&words).to_string(),
                    _ => serde_json::to_string_pretty(word.get(&words)).unwrap(),
                });
                text = format!("[{}]{}", elements.collect::<Vec<_>>().join(",\r\n"), ends.concat());
            } else {
                for (word, style) in parts {
                    text += &event(word.get(&words), style, &ends);
                    if style & 64 != 0 {
                        text += if style & 128 != 0 { ": ping\n\n" } else { "\n" };
                    }
                }
            }
            let mut text = text.into_bytes();
            if is_cut && !text.is_empty() {
                text.truncate(cut.index(text.len()));
            }
            (form, text.into())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_rechunking_gives_the_same((form, text) in stream(), sizes in prop::collection::vec(1usize..60, 1..6)) {
        check(form, &text, &sizes);
    }
}

#[test]
fn a_chat_does_not_end_in_the_midst_of_its_content() {
    let chunk = |text: &str, reason: Value| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": reason});
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    };
    let (long, other) = ("x".repeat(10_000), chunk("x", Value::Null));
    for (text, is_whole) in [
        (chunk("a", Value::Null), false),
        (chunk("a", json!("stop")), true),
        (chunk("a", json!("stop")) + ": bye\n\n", true),
        (other.repeat(300), false),
        (other.repeat(300) + &chunk("", json!("stop")), true),
        (chunk(&long, Value::Null), false),
        (chunk(&long, json!("stop")), true),
        (other + &chunk(&long, json!("stop")), true),
        ("data: {\"choices\":[],\"usage\":{}}\n\n".to_owned(), true),
        ("data: [DONE]\n\n".to_owned(), true),
        ("data: {\"error\":{\"message\":\"x\"}}\n\n".to_owned(), true),
        (": ping\n\n".to_owned(), false),
    ] {
        let form = Form::Chat { close_delimited: false, hides_usage: false };
        for sizes in [&[][..], &[1], &[4_096], &[9_000]] {
            assert_eq!(
                run(form, text.as_bytes(), sizes).finished.is_some(),
                is_whole,
                "{sizes:?} {}",
                &text[..text.len().min(200)]
            );
        }
    }
}

/// What is not held, because it is too long, is read as what is held.
#[test]
fn a_long_event_tells_what_a_short_one_tells() {
    let chat = Form::Chat { close_delimited: true, hides_usage: false };
    let forms = [
        chat,
        Form::Of(Dialect::Messages),
        Form::Of(Dialect::Responses),
        Form::Of(Dialect::GenerateContent),
        Form::Array,
    ];
    for form in forms {
        for word in vocabulary(form).into_iter().filter(Value::is_object) {
            let stream = |filler: usize| {
                let mut word = word.clone();
                word["a_filler"] = json!({"usage": {"prompt_tokens": 5}, "text": "x\"".repeat(filler)});
                word["z_filler"] = json!(["x".repeat(filler), {"error": {}}]);
                match form {
                    Form::Array => format!("[{word}"),
                    _ => event(&word, 7, &["\r\n"]),
                }
            };
            let short = run(form, stream(1).as_bytes(), &[]);
            let long = stream(500_000);
            let followed = run(form, long.as_bytes(), &[70_000]);
            assert!(followed.passed == long.as_bytes(), "{form:?}");
            // Chat tells an error by what passed last, which a long event is not.
            let told = |outcome: &Outcome| {
                let Outcome { progress, usage, ids, model, broken, .. } = outcome;
                (*progress, *usage, ids.clone(), model.clone(), broken.clone())
            };
            assert_eq!(told(&followed), told(&short), "{form:?}: {word}");
        }
    }
}
