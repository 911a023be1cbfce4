//! The provider `demo` in Anthropic's messages.

use bitrouter_tests::{Answer, Daemon, World};
use serde_json::{Value, json};

fn ask(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    let call = daemon.http().post(path).header("anthropic-version", "2023-06-01");
    call.json(body.to_string()).send()
}

fn body() -> Value {
    json!({
        "model": "demo/echo", "max_tokens": 100, "system": [{"type": "text", "text": "be brief"}],
        "messages": [
            {"role": "user", "content": "first"}, {"role": "assistant", "content": "no"},
            {"role": "user", "content": [{"type": "text", "text": "three little "}, {"type": "text", "text": "words"}]},
        ],
    })
}

#[test]
fn a_message_its_stream_and_its_count_agree() {
    let world = World::new();
    let daemon = world.demo();
    let mut body = body();
    let plain = ask(&daemon, "/v1/messages", &body).ok().json();
    assert_eq!(
        (&plain["type"], &plain["role"], &plain["model"]),
        (&json!("message"), &json!("assistant"), &body["model"])
    );
    assert_eq!(plain["content"], json!([{"type": "text", "text": "three little words"}]));
    assert_eq!((&plain["stop_reason"], &plain["stop_sequence"]), (&json!("end_turn"), &Value::Null));
    assert_eq!((&plain["usage"]["input_tokens"], &plain["usage"]["output_tokens"]), (&json!(7), &json!(3)));
    let counted = ask(&daemon, "/v1/messages/count_tokens", &body).ok().json();
    assert_eq!(counted, json!({"input_tokens": 7}));

    body["stream"] = json!(true);
    let answer = ask(&daemon, "/v1/messages?beta=true", &body).ok();
    let text = answer.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    let events = answer.data();
    assert!(events.iter().zip(&names).all(|(event, name)| event["type"] == *name), "{text}");
    assert_eq!((&events[0]["message"]["id"].is_string(), &events[0]["message"]["content"]), (&true, &json!([])));
    let words: Vec<&str> = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(words, ["three ", "little ", "words"]);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], plain["usage"]["input_tokens"]);
    assert_eq!(events[6]["usage"]["output_tokens"], plain["usage"]["output_tokens"]);
    assert_eq!(events[6]["delta"]["stop_reason"], "end_turn");
}

#[test]
fn the_fixed_text_and_what_is_no_model_of_this_dialect() {
    let world = World::new();
    let daemon = world.demo();
    let mut body = body();
    body["model"] = json!("lorem");
    let text = ask(&daemon, "/v1/messages", &body).ok().json()["content"][0]["text"].clone();
    assert!(text.as_str().is_some_and(|text| text.starts_with("Lorem ipsum")), "{text}");
    for (change, status, kind, param) in [
        (json!({"model": "demo/none"}), 404, "not_found_error", "model"),
        (json!({"model": "demo/embed"}), 400, "invalid_request_error", "model"),
        (json!({"model": "demo/echo", "messages": []}), 400, "invalid_request_error", "messages"),
        (json!({"model": "demo/echo", "system": 5}), 400, "invalid_request_error", "system"),
        (json!({"model": "demo/echo", "stream": "yes"}), 400, "invalid_request_error", "stream"),
    ] {
        let mut odd = body.clone();
        odd.as_object_mut().expect("a body").extend(change.as_object().expect("members").clone());
        let answer = ask(&daemon, "/v1/messages", &odd);
        let error = answer.json();
        assert_eq!((answer.status, &error["type"]), (status, &json!("error")), "{error}");
        assert_eq!((&error["error"]["type"], &error["error"]["param"]), (&json!(kind), &json!(param)), "{error}");
    }
}
