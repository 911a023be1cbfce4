//! What a stream of a response ends with where it is cut, event by event, however much of it had come.

use super::*;
use crate::protocol::usage::{InputTokens, OutputTokens};

/// What a stream of these events, which are numbered, ends with where it is cut.
fn cut(events: &[Value]) -> Vec<Value> {
    let mut open = OpenResponse::default();
    for (number, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event["sequence_number"] = (number + 10).into();
        open.read(event.to_string().as_bytes());
    }
    open.cut_before(b"{}");
    let input = InputTokens { uncached: 5, cache_read: 2, ..InputTokens::default() };
    let output = OutputTokens { visible: 3, reasoning: 1, ..OutputTokens::default() };
    let ending = open.ending(&TokenUsage { input: Some(input), output: Some(output) }, false);
    let ending = String::from_utf8(ending).unwrap();
    let events: Vec<Value> = ending
        .split_terminator("\n\n")
        .map(|event| {
            let (kind, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], kind);
            data
        })
        .collect();
    let first = events[0]["sequence_number"].as_u64().unwrap();
    assert!((first..).zip(&events).all(|(number, event)| event["sequence_number"] == number));
    events
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "object": "response", "created_at": 7, "model": "m",
        "status": "in_progress", "instructions": "be brief", "temperature": 1.0, "output": [], "usage": null}})
}

fn added(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn of(kind: &str, index: u64, more: &Value) -> Value {
    let mut event = json!({"type": format!("response.{kind}"), "item_id": format!("i{index}"), "output_index": index});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// The events without their numbers.
fn bare(mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        event.as_object_mut().unwrap().remove("sequence_number");
    }
    events
}

#[test]
fn a_text_that_is_open_is_done_as_far_as_it_came() {
    let message = json!({"id": "i0", "type": "message", "status": "in_progress", "role": "assistant", "content": []});
    let part = |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text});
    let events = [
        created(),
        added(0, &message),
        of("content_part.added", 0, &json!({"content_index": 0, "part": part("")})),
        of("output_text.delta", 0, &json!({"content_index": 0, "delta": "Hé\"", "logprobs": []})),
        of("output_text.delta", 0, &json!({"content_index": 0, "delta": "llo"})),
    ];
    let found = cut(&events);
    assert_eq!(found[0]["sequence_number"], 15);
    let mut item = message;
    item["status"] = "incomplete".into();
    item["content"] = json!([part("Hé\"llo")]);
    let mut response = created()["response"].clone();
    response["status"] = "incomplete".into();
    response["error"] = Value::Null;
    response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    response["output"] = json!([item]);
    response["usage"] = json!({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 11});
    let expected = [
        of("output_text.done", 0, &json!({"content_index": 0, "text": "Hé\"llo", "logprobs": []})),
        of("content_part.done", 0, &json!({"content_index": 0, "part": part("Hé\"llo")})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.incomplete", "response": response}),
    ];
    assert_eq!(bare(found), expected);
}

#[test]
fn what_is_done_is_told_as_it_was_and_what_is_open_as_it_is() {
    let reasoning = json!({"id": "i0", "type": "reasoning", "summary": []});
    let summary = |text: &str| json!({"type": "summary_text", "text": text});
    let done = json!({"id": "i0", "type": "reasoning", "summary": [summary("one")], "encrypted_content": "abc"});
    let call = |status: &str, arguments: &str| json!({"id": "i1", "type": "function_call", "call_id": "c", "name": "f", "arguments": arguments, "status": status});
    let events = [
        created(),
        added(0, &reasoning),
        of("reasoning_summary_part.added", 0, &json!({"summary_index": 0, "part": summary("")})),
        of("reasoning_summary_text.delta", 0, &json!({"summary_index": 0, "delta": "one"})),
        of("reasoning_summary_text.done", 0, &json!({"summary_index": 0, "text": "one"})),
        of("reasoning_summary_part.done", 0, &json!({"summary_index": 0, "part": summary("one")})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        added(1, &call("in_progress", "")),
        of("function_call_arguments.delta", 1, &json!({"delta": "{\"a\":"})),
        added(2, &json!({"id": "i2", "type": "custom_tool_call", "name": "p", "input": ""})),
        of("custom_tool_call_input.delta", 2, &json!({"delta": "*** Begin"})),
        of("custom_tool_call_input.done", 2, &json!({"input": "*** Begin"})),
        added(3, &json!({"id": "i3", "type": "web_search_call", "status": "in_progress"})),
    ];
    let found = bare(cut(&events));
    let call = call("incomplete", "{\"a\":");
    let tool =
        json!({"id": "i2", "type": "custom_tool_call", "name": "p", "input": "*** Begin", "status": "incomplete"});
    let search = json!({"id": "i3", "type": "web_search_call", "status": "incomplete"});
    let item =
        |index: u64, item: &Value| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let (last, before) = found.split_last().unwrap();
    let expected = [
        of("function_call_arguments.done", 1, &json!({"arguments": "{\"a\":"})),
        item(1, &call),
        item(2, &tool),
        item(3, &search),
    ];
    assert_eq!(before, expected);
    assert_eq!(last["response"]["output"], json!([done, call, tool, search]));
    // Between the text and its part, and where the item itself is not done.
    for (events, kinds) in [
        (&events[..3], &["reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"][..]),
        (&events[..5], &["reasoning_summary_part.done", "output_item.done"]),
        (&events[..6], &["output_item.done"]),
        (&events[..7], &[]),
        (&events[..1], &[]),
    ] {
        let found = cut(events);
        let found: Vec<&str> = found.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let expected = kinds.iter().map(|kind| format!("response.{kind}")).chain(["response.incomplete".to_owned()]);
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_that_leaves_things_out_is_ended_all_the_same() {
    let found = cut(&[]);
    assert_eq!((&found[0]["type"], found.len()), (&json!("response.created"), 2));
    assert_eq!(
        (&found[0]["response"]["status"], &found[0]["response"]["usage"]),
        (&json!("in_progress"), &Value::Null)
    );
    assert_eq!(found[1]["response"]["status"], "incomplete");
    // No index, and no part that begins.
    let delta = json!({"type": "response.output_text.delta", "delta": "x"});
    let found = cut(&[
        created(),
        json!({"type": "response.output_item.added", "item": {"id": "m", "type": "message"}}),
        delta.clone(),
    ]);
    let kinds: Vec<&str> = found.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"]
    );
    assert_eq!(found[1]["part"], json!({"type": "output_text", "text": "x", "annotations": [], "logprobs": []}));
    assert_eq!(found[3]["response"]["output"][0]["content"][0]["text"], "x");
    // Nothing begins.
    assert_eq!(cut(&[created(), delta]).len(), 1);
    for odd in
        [json!({"type": "response.output_item.done"}), json!({"type": "response."}), json!({"type": 7}), json!([])]
    {
        let mut open = OpenResponse::default();
        open.read(odd.to_string().as_bytes());
        open.read(b"[DONE]");
        assert_eq!(open.items.len(), 0);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let message = json!({"id": "i0", "type": "message", "content": []});
    let mut events = vec![created(), added(0, &message)];
    let long = "é".repeat(100_000);
    events.extend((0..20).map(|_| of("output_text.delta", 0, &json!({"content_index": 0, "delta": long}))));
    events.push(added(1, &json!({"id": "i1", "type": "message", "content": []})));
    let found = cut(&events);
    let response = &found.last().unwrap()["response"];
    let text = response["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.len() > 1_000_000 && text.len() <= 1 << 20 && long.repeat(20).starts_with(text), "{}", text.len());
    assert_eq!(response["output"].as_array().unwrap().len(), 1);
}
