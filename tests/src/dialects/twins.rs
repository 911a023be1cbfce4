//! A stream and its whole twin say and count the same, in each dialect.

use serde_json::{Value, json};

use super::{Event, Newline, Stop, Turn, chat, google, messages, responses};

fn turns() -> Vec<Turn> {
    let said = Turn { calls: Vec::new(), stop: Stop::End, ..Turn::sample() };
    let called = Turn { text: Vec::new(), ..Turn::sample() };
    vec![Turn::sample(), called, Turn { thought: None, ..said.clone() }, said]
}

fn joined(events: &[Event], pick: impl Fn(&Value) -> Option<String>) -> String {
    events.iter().filter_map(|event| pick(&event.json())).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[test]
fn of_chat() {
    for turn in turns() {
        let (whole, events) = (chat::whole(&turn, "m"), chat::events(&turn, "m", true));
        let message = &whole["choices"][0]["message"];
        let said = joined(&events, |chunk| text(&chunk["choices"][0]["delta"]["content"]));
        assert_eq!(said, text(&message["content"]).unwrap_or_default());
        let called =
            joined(&events, |chunk| text(&chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]));
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls: String = calls.filter_map(|call| text(&call["function"]["arguments"])).collect();
        assert_eq!(called, calls);
        assert_eq!(events[events.len() - 2].json()["usage"], whole["usage"]);
        assert_eq!(events[events.len() - 2].json()["choices"], json!([]));
        assert_eq!(events.last(), Some(&Event::done()));
        assert!(chat::events(&turn, "m", false).iter().all(|event| event.json()["usage"].is_null()));
    }
}

#[test]
fn of_messages() {
    for turn in turns() {
        let (whole, events) = (messages::whole(&turn, "m"), messages::events(&turn, "m"));
        let said = joined(&events, |event| text(&event["delta"]["text"]));
        assert_eq!(said, turn.all_text());
        let signature = joined(&events, |event| text(&event["delta"]["signature"]));
        assert_eq!(signature, turn.thought.as_ref().map(|thought| thought.signature.clone()).unwrap_or_default());
        let (start, delta) = (events[0].json(), events[events.len() - 2].json());
        assert_eq!(start["message"]["usage"]["input_tokens"], whole["usage"]["input_tokens"]);
        assert_eq!(delta["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
        assert_eq!(delta["delta"]["stop_reason"], whole["stop_reason"]);
        assert_eq!(events.last().expect("an end").name.as_deref(), Some("message_stop"));
    }
}

#[test]
fn of_responses() {
    for turn in turns() {
        let (whole, events) = (responses::whole(&turn, "m", "resp_1"), responses::events(&turn, "m", "resp_1"));
        let last = events.last().expect("an end").json();
        assert_eq!(last["response"], whole);
        assert_eq!(last["type"], "response.completed");
        let numbers: Vec<Value> = events.iter().map(|event| event.json()["sequence_number"].clone()).collect();
        assert_eq!(numbers, (0..events.len()).map(|number| json!(number)).collect::<Vec<_>>());
        let done = events.iter().map(Event::json).filter(|event| event["type"] == "response.output_item.done");
        assert_eq!(done.map(|event| event["item"].clone()).collect::<Value>(), whole["output"]);
    }
}

#[test]
fn of_google() {
    for turn in turns() {
        let (whole, answers) = (google::whole(&turn, "m"), google::answers(&turn, "m"));
        let parts =
            |answer: &Value| answer["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default();
        let said = |answer: &Value| parts(answer).iter().filter_map(|part| text(&part["text"])).collect::<String>();
        assert_eq!(answers.iter().map(said).collect::<String>(), said(&whole));
        let last = answers.last().expect("an end");
        assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
        assert_eq!(last["candidates"][0]["finishReason"], whole["candidates"][0]["finishReason"]);
        let array: Value = serde_json::from_str(&google::array(&answers).concat()).expect("an array");
        assert_eq!(array, json!(answers));
    }
}

#[test]
fn an_event_is_written_in_either_line_end() {
    let event = Event::typed(&json!({"a": 1, "type": "x"}));
    assert_eq!(event.frame(Newline::Lf), "event: x\ndata: {\"type\":\"x\",\"a\":1}\n\n");
    assert_eq!(Event::done().frame(Newline::CrLf), "data: [DONE]\r\n\r\n");
    assert_eq!(Event::typed(&json!({"type": "ping"})).data, "{\"type\":\"ping\"}");
}
