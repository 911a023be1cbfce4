//! What counts in recorded shapes of each dialect, whatever the pieces are in which they come.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Dialect;

/// What counts in `text`, which comes in pieces of these sizes: frames and bytes of the reply, then of its reasoning.
fn counted(
    counter: fn(&'static ContentMap) -> ContentCounter,
    dialect: Dialect,
    text: &str,
    sizes: &[usize],
) -> [u64; 4] {
    let (mut counter, mut rest) = (counter(dialect.rules().content()), text.as_bytes());
    let mut sizes = sizes.iter().cycle();
    let mut sum = Content::default();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        counter.push(&rest[..size]);
        rest = &rest[size..];
    }
    sum += counter.take();
    [sum.visible.frames, sum.visible.bytes, sum.reasoning.frames, sum.reasoning.bytes]
}

fn document(dialect: Dialect, document: &Value) -> [u64; 4] {
    counted(ContentCounter::json, dialect, &document.to_string(), &[])
}

fn events(dialect: Dialect, events: &[Value]) -> [u64; 4] {
    let texts: Vec<String> = events.iter().map(|event| format!("event: x\r\ndata: {event}\r\n\r\n")).collect();
    let text = texts.concat();
    counted(ContentCounter::events, dialect, &text, &[7])
}

#[test]
fn a_document_and_its_stream_hold_the_same() {
    let chat = json!({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hé\n😀",
        "reasoning_content": "abc", "reasoning": "abc", "refusal": null,
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}, "finish_reason": "stop"}],
        "usage": {"content": "no"}});
    assert_eq!(document(Dialect::ChatCompletions, &chat), [1, 8 + 7, 1, 3]);
    let delta = |delta: Value| json!({"choices": [{"delta": delta, "finish_reason": null}]});
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "abc", "reasoning": "abc"})),
        delta(json!({"content": "Hé\n"})),
        delta(json!({"content": "😀"})),
        delta(json!({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]})),
        delta(json!({"tool_calls": [{"function": {"arguments": "{\"a\":1}"}}]})),
        json!({"choices": [], "usage": {"completion_tokens": 3}}),
    ];
    assert_eq!(events(Dialect::ChatCompletions, &chunks), [3, 15, 1, 3]);

    let message = json!({"type": "message", "content": [{"type": "thinking", "thinking": "abcd", "signature": "zzzz"},
        {"type": "text", "text": "xy"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"q": "a\"b"}},
        {"type": "web_search_tool_result", "content": [{"text": "none of the model's"}]}]});
    assert_eq!(document(Dialect::Messages, &message), [1, 2 + 12, 1, 4]);
    let block = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let stream = [
        json!({"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 9}}}),
        json!({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}}),
        block(json!({"type": "thinking_delta", "thinking": "abcd"})),
        block(json!({"type": "signature_delta", "signature": "zzzz"})),
        block(json!({"type": "text_delta", "text": "xy"})),
        json!({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {}}}),
        block(json!({"type": "input_json_delta", "partial_json": "{\"q\":\"a\\\"b\"}"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
    ];
    assert_eq!(events(Dialect::Messages, &stream), [2, 14, 1, 4]);

    let response = json!({"object": "response", "instructions": "none", "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}], "encrypted_content": "zzz"},
        {"type": "message", "content": [{"type": "output_text", "text": "hello", "annotations": []}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "arguments": "{}"}]});
    assert_eq!(document(Dialect::Responses, &response), [1, 9, 1, 3]);
    let stream = [
        json!({"type": "response.created", "response": {"output": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "delta": "why"}),
        json!({"type": "response.reasoning_summary_text.done", "text": "why"}),
        json!({"delta": "hello", "type": "response.output_text.delta"}),
        json!({"type": "response.refusal.delta", "delta": "no"}),
        json!({"type": "response.output_audio.delta", "delta": "AAAAAAAA"}),
        json!({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        json!({"type": "response.output_item.done", "item": response["output"][1]}),
        json!({"type": "response.completed", "response": response}),
    ];
    // Sound is no text, and makes a frame one of content.
    assert_eq!(events(Dialect::Responses, &stream), [4, 9, 1, 3]);

    let candidate = |parts: Value| json!({"candidates": [{"content": {"parts": parts, "role": "model"}}]});
    let thought = json!({"text": "hmm", "thought": true, "thoughtSignature": "zz"});
    let (text, call) = (json!({"text": "four"}), json!({"functionCall": {"name": "f", "args": {"a": [1, "x"]}}}));
    let all = candidate(json!([thought, text, call, {"inlineData": {"data": "AAAA"}}]));
    assert_eq!(document(Dialect::GenerateContent, &all), [1, 4 + 13, 1, 3]);
    let chunks = [candidate(json!([thought])), candidate(json!([text])), candidate(json!([call]))];
    assert_eq!(events(Dialect::GenerateContent, &chunks), [2, 17, 1, 3]);
    assert_eq!(document(Dialect::GenerateContent, &Value::from(chunks.to_vec())), [2, 17, 1, 3]);
}

/// A provider that sends nothing but such frames is neither free nor never cut.
#[test]
fn what_is_no_text_makes_its_frame_one_of_content() {
    let candidate = |part: Value| json!({"candidates": [{"content": {"parts": [part]}}]});
    let argument = |value: Value| candidate(json!({"functionCall": {"partialArgs": [value], "willContinue": true}}));
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let start = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let chunk = |delta: Value| json!({"choices": [{"delta": delta}]});
    let picture = "A".repeat(3_000);
    for (dialect, frame, expected) in [
        (Dialect::Messages, delta(json!({"type": "citations_delta", "citation": {"cited_text": "abc"}})), [1, 0, 0, 0]),
        (Dialect::Messages, delta(json!({"type": "signature_delta", "signature": "abc"})), [0; 4]),
        (Dialect::Messages, start(json!({"type": "tool_use", "input": {"q": "a"}})), [1, 9, 0, 0]),
        (Dialect::Messages, start(json!({"type": "tool_use", "input": {}})), [0; 4]),
        (Dialect::Messages, start(json!({"type": "text", "text": "ab"})), [1, 2, 0, 0]),
        (Dialect::Messages, start(json!({"type": "thinking", "thinking": "ab", "signature": "x"})), [0, 0, 1, 2]),
        (Dialect::Messages, start(json!({"type": "redacted_thinking", "data": "abcd"})), [0, 0, 1, 0]),
        (Dialect::ChatCompletions, chunk(json!({"audio": {"data": picture}})), [1, 0, 0, 0]),
        (Dialect::ChatCompletions, chunk(json!({"audio": {"data": picture, "transcript": "abc"}})), [1, 3, 0, 0]),
        (Dialect::ChatCompletions, chunk(json!({"images": [{"image_url": {"url": picture}}]})), [1, 0, 0, 0]),
        (Dialect::ChatCompletions, chunk(json!({"images": [], "audio": {"id": "x", "data": ""}})), [0; 4]),
        (Dialect::ChatCompletions, chunk(json!({"reasoning_details": [{"data": "abc"}]})), [0, 0, 1, 0]),
        (
            Dialect::GenerateContent,
            candidate(json!({"inlineData": {"mimeType": "image/png", "data": picture}})),
            [1, 0, 0, 0],
        ),
        (Dialect::GenerateContent, candidate(json!({"executableCode": {"code": "1+1"}})), [1, 3, 0, 0]),
        (Dialect::GenerateContent, candidate(json!({"codeExecutionResult": {"output": "2"}})), [1, 0, 0, 0]),
        (Dialect::GenerateContent, argument(json!({"jsonPath": "$.a", "stringValue": "abcd"})), [1, 4, 0, 0]),
        (Dialect::GenerateContent, argument(json!({"jsonPath": "$.a", "numberValue": 1})), [1, 0, 0, 0]),
        (
            Dialect::Responses,
            json!({"type": "response.image_generation_call.partial_image", "partial_image_b64": picture}),
            [1, 0, 0, 0],
        ),
    ] {
        assert_eq!(
            events(dialect, &[frame.clone(), frame.clone()]),
            expected.map(|count| 2 * count),
            "{dialect} {frame}"
        );
        // A frame is one, however often it is asked in its midst.
        let mut counter = ContentCounter::events(dialect.rules().content());
        let mut sum = Content::default();
        for byte in format!("data: {frame}\n\n").as_bytes() {
            counter.push(&[*byte]);
            sum += counter.take();
        }
        assert_eq!(
            [sum.visible.frames, sum.visible.bytes, sum.reasoning.frames, sum.reasoning.bytes],
            expected,
            "{frame}"
        );
    }
}

#[test]
fn an_error_is_no_content() {
    let error = json!({"type": "error", "code": "server_error", "message": "x"});
    assert_eq!(events(Dialect::Responses, &[error]), [0; 4]);
}

#[test]
fn what_is_told_twice_counts_once_and_what_no_delta_told_counts_all_the_same() {
    let text = |kind: &str, text: &str| {
        let name = if kind == "done" { "text" } else { "delta" };
        json!({"type": format!("response.output_text.{kind}"), name: text})
    };
    let part =
        |text: &str| json!({"type": "response.content_part.done", "part": {"type": "output_text", "text": text}});
    let message = |text: &str| json!({"type": "message", "content": [{"type": "output_text", "text": text}]});
    let item = |kind: &str, item: &Value| json!({"type": format!("response.output_item.{kind}"), "item": item});
    let response =
        |kind: &str, output: &[&Value]| json!({"type": format!("response.{kind}"), "response": {"output": output}});
    let call = json!({"type": "function_call", "arguments": "{\"a\":1}"});
    let search = json!({"type": "web_search_call", "action": {"type": "search", "query": "abc"}});
    let picture = json!({"type": "image_generation_call", "result": "AAAA"});
    let thought =
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}], "encrypted_content": "zz"});
    let (hello, long) = (message("hello"), message("hello you"));
    let deltas = [text("delta", "hel"), text("delta", "lo")];
    let done = [text("done", "hello"), part("hello"), item("done", &hello), response("completed", &[&hello])];
    for (stream, expected) in [
        // Told by one event alone, whichever it is.
        (vec![done[0].clone()], [1, 5, 0, 0]),
        (vec![done[1].clone()], [1, 5, 0, 0]),
        (vec![done[2].clone()], [1, 5, 0, 0]),
        (vec![done[3].clone()], [1, 5, 0, 0]),
        (vec![item("added", &hello)], [1, 5, 0, 0]),
        (done.to_vec(), [1, 5, 0, 0]),
        ([&deltas[..], &done].concat(), [2, 5, 0, 0]),
        (vec![item("added", &hello), item("done", &hello), response("completed", &[&hello])], [1, 5, 0, 0]),
        // More is told in the end than before.
        ([&deltas[..], &[item("done", &long)]].concat(), [3, 9, 0, 0]),
        // One of two has deltas.
        (
            [&[item("done", &call)], &deltas[..], &done[..3], &[response("completed", &[&call, &hello])]].concat(),
            [3, 12, 0, 0],
        ),
        (
            [&deltas[..], &done[..3], &[item("done", &call)], &[response("completed", &[&hello, &call])]].concat(),
            [3, 12, 0, 0],
        ),
        ([&deltas[..1], &[item("done", &call)], &deltas[1..], &done[..3]].concat(), [4, 12, 0, 0]),
        // What repeats itself while it runs.
        (vec![response("created", &[&hello]), response("in_progress", &[&hello])], [0; 4]),
        (vec![item("added", &search), item("done", &search), response("completed", &[&search])], [1, 3, 0, 0]),
        (vec![item("done", &picture), response("completed", &[&picture])], [1, 0, 0, 0]),
        (vec![item("done", &thought), response("incomplete", &[&thought, &picture])], [1, 0, 1, 3]),
        (
            vec![
                json!({"type": "response.reasoning_summary_text.delta", "delta": "why"}),
                json!({"type": "response.reasoning_summary_text.done", "text": "why"}),
                json!({"type": "response.reasoning_summary_part.done", "part": {"type": "summary_text", "text": "why"}}),
                item("done", &thought),
            ],
            [0, 0, 1, 3],
        ),
    ] {
        assert_eq!(events(Dialect::Responses, &stream), expected, "{stream:?}");
    }
}

#[test]
fn a_mark_before_the_first_event_hides_nothing() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"abc\"}}]}\n\n";
    for (text, found) in [
        (format!("\u{feff}{event}"), [1, 3, 0, 0]),
        (format!("\u{feff}: x\n\n{event}"), [1, 3, 0, 0]),
        (format!("\u{feff}\u{feff}{event}{event}"), [1, 3, 0, 0]),
    ] {
        for sizes in [[1], [2], [1_000]] {
            assert_eq!(counted(ContentCounter::events, Dialect::ChatCompletions, &text, &sizes), found, "{text:?}");
        }
    }
}

#[test]
fn googles_names_have_two_spellings() {
    let both = |[code, inline]: [&str; 2]| {
        json!({"candidates": [{"content": {"parts": [{code: {"code": "abc"}}, {inline: {"data": "AAAA"}}]}}]})
            .to_string()
    };
    let count = |text: &str| counted(ContentCounter::json, Dialect::GenerateContent, text, &[7]);
    let camel = count(&both(["executableCode", "inlineData"]));
    assert_eq!(count(&both(["executable_code", "inline_data"])), camel);
    assert!(camel[1] > 2, "{camel:?}");
}

#[test]
fn tokens_are_a_third_of_the_bytes_or_one_a_frame() {
    for (frames, bytes, tokens) in [(0, 0, 0), (1, 1, 1), (1, 3, 1), (1, 4, 2), (5, 4, 5), (2, 300, 100)] {
        assert_eq!(Amount { frames, bytes }.tokens(), tokens);
    }
}

#[test]
fn escapes_count_as_what_they_stand_for() {
    for (written, bytes) in
        [(r"a\nb", 3), (r"\u0041", 1), (r"\u00e9\u20ac", 5), (r"\ud83d\ude00", 4), (r#"\"\\\/"#, 3), ("é", 2)]
    {
        let text = format!(r#"{{"choices":[{{"text":"{written}"}}]}}"#);
        for sizes in [&[][..], &[1], &[3, 2]] {
            let counted = counted(ContentCounter::json, Dialect::ChatCompletions, &text, sizes);
            assert_eq!(counted, [1, bytes, 0, 0], "{written} {sizes:?}");
        }
    }
}

#[test]
fn a_frame_that_broke_spoils_no_other() {
    let text = "data: {\"choices\":[{\"text\":\"abc\n\ndata: [DONE]\n\n: x\ndata: {\"choices\":[{\"text\":\ndata: \"de\"}]}\n\n";
    for sizes in [&[][..], &[1], &[5]] {
        assert_eq!(counted(ContentCounter::events, Dialect::ChatCompletions, text, sizes), [2, 5, 0, 0]);
    }
}

proptest! {
    #[test]
    fn any_rechunking_gives_the_same(
        text in "(data: |[{}\\[\\]\":,a\\\\u0d8\r\n ]|\"choices\":|\"text\":|\"output\":|\"type\":|\"thought\":true|\"candidates\":|\"parts\":){0,40}",
        sizes in prop::collection::vec(1usize..9, 1..6),
        dialect in prop::sample::select(Dialect::ALL.to_vec()),
    ) {
        for counter in [ContentCounter::events, ContentCounter::json] {
            let whole = counted(counter, dialect, &text, &[]);
            prop_assert_eq!(counted(counter, dialect, &text, &sizes), whole);
            prop_assert!(whole[1] + whole[3] <= text.len() as u64);
        }
    }

    #[test]
    fn a_text_counts_its_bytes_however_it_is_written(text in any::<String>(), escaped: bool) {
        let mut written = serde_json::to_string(&text).unwrap();
        if escaped {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            written = format!("\"{}\"", units.concat());
        }
        let document = format!(r#"{{"a":[{{"text":"x"}}],"choices":[{{"message":{{"content":{written}}}}}]}}"#);
        let bytes = text.len() as u64;
        prop_assert_eq!(counted(ContentCounter::json, Dialect::ChatCompletions, &document, &[]), [u64::from(bytes > 0), bytes, 0, 0]);
    }
}
