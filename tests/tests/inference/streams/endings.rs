//! How each dialect ends a stream that failed: what stands behind the whole events is read and checked member by member.

use bitrouter_tests::{Answer, End};
use serde_json::{Value, json};

use super::surface::{RESPONSE, Surface};

/// Checks that `answer` is `before`, then the ending of a failure with this code, once, and an orderly end. `events`: how
/// many events stand in `before`.
#[track_caller]
pub(crate) fn failed(surface: Surface, answer: &Answer, before: &str, events: usize, code: &str) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{surface:?}: {text}");
    let Some(ending) = text.strip_prefix(before) else {
        panic!("{surface:?}: the whole events are missing or changed: {text:?}, expected {before:?}");
    };
    match surface {
        Surface::Chat | Surface::Completions => openai(&events_of(ending), code),
        Surface::Messages => anthropic(&events_of(ending), code),
        Surface::Responses => responses(&events_of(ending), events, code),
        Surface::GoogleEvents => {
            let [(None, error)] = &events_of(ending)[..] else { panic!("{ending:?}") };
            google(error, code);
        }
        Surface::GoogleArray => {
            let array: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("no JSON ({e}): {text}"));
            let array = array.as_array().unwrap_or_else(|| panic!("no array: {text}"));
            assert_eq!(array.len(), events + 1, "{text}");
            google(&array[events], code);
        }
    }
}

/// Checks that `answer` is exactly `body`, and ended in an orderly way.
#[track_caller]
pub(crate) fn exactly(surface: Surface, answer: &Answer, body: &str) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end, text.as_str()), (200, End::Complete, body), "{surface:?}");
}

/// Checks that `answer` is a refusal before any byte of the reply, in the dialect's shape.
#[track_caller]
pub(crate) fn refused(surface: Surface, answer: &Answer, status: u16, code: &str) {
    let (text, error) = (answer.text(), answer.json());
    assert_eq!((answer.status, answer.end), (status, End::Complete), "{surface:?}: {text}");
    match surface {
        Surface::Chat | Surface::Completions | Surface::Responses => openai_error(&error["error"], code),
        Surface::Messages => anthropic(&[(Some("error".into()), error)], code),
        // In the array form too: the status says that it is none.
        Surface::GoogleEvents | Surface::GoogleArray => google(&error, code),
    }
}

/// The events of a text that ends with one: name and data.
fn events_of(text: &str) -> Vec<(Option<String>, Value)> {
    let Some(text) = text.strip_suffix("\n\n") else { panic!("the last event has no end: {text:?}") };
    let event = |event: &str| {
        let (mut name, mut data) = (None, None);
        for line in event.split('\n') {
            match line.split_once(": ") {
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value).ok(),
                _ => panic!("an odd line `{line}` in {event:?}"),
            }
        }
        (name, data.unwrap_or_else(|| panic!("an event without data: {event:?}")))
    };
    text.split("\n\n").map(event).collect()
}

#[track_caller]
fn openai_error(error: &Value, code: &str) {
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    assert_eq!((&error["type"], error.get("param")), (&json!("upstream_error"), Some(&Value::Null)), "{error}");
}

#[track_caller]
fn openai(events: &[(Option<String>, Value)], code: &str) {
    let [(None, event)] = events else { panic!("not one unnamed event: {events:?}") };
    openai_error(&event["error"], code);
}

#[track_caller]
fn anthropic(events: &[(Option<String>, Value)], code: &str) {
    let [(Some(name), event)] = events else { panic!("not one named event: {events:?}") };
    let kind = if code == "upstream_timeout" { "timeout_error" } else { "api_error" };
    assert_eq!((name.as_str(), &event["type"]), ("error", &json!("error")), "{event}");
    assert_eq!((&event["error"]["type"], &event["error"]["code"]), (&json!(kind), &json!(code)), "{event}");
    assert!(event["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{event}");
}

/// The events before are numbered from 0; the id was told in the first of them.
#[track_caller]
fn responses(events: &[(Option<String>, Value)], before: usize, code: &str) {
    let [(Some(first), error), (Some(second), failed)] = events else { panic!("not two named events: {events:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("error", "response.failed"));
    assert_eq!((&error["type"], &failed["type"]), (&json!("error"), &json!("response.failed")));
    let numbers = (&error["sequence_number"], &failed["sequence_number"]);
    assert_eq!(numbers, (&json!(before), &json!(before + 1)), "{error} {failed}");
    openai_error(&error["error"], code);
    let response = &failed["response"];
    assert_eq!(response["id"], if before == 0 { "" } else { RESPONSE }, "{failed}");
    assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!(code)), "{failed}");
    assert_eq!((&response["object"], &response["output"]), (&json!("response"), &json!([])), "{failed}");
    assert!(response["error"]["message"].is_string(), "{failed}");
}

#[track_caller]
fn google(value: &Value, code: &str) {
    let error = &value["error"];
    let (status, word) = if code == "upstream_timeout" { (504, "DEADLINE_EXCEEDED") } else { (502, "UNAVAILABLE") };
    assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(word)), "{value}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
    let info = &error["details"][0];
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo", "{value}");
    assert_eq!((&info["reason"], &info["domain"]), (&json!(code.to_uppercase()), &json!("bitrouter")), "{value}");
}
