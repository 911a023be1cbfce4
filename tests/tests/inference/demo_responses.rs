//! The provider `demo` in OpenAI's responses, of which it stores none.

use bitrouter_tests::World;
use serde_json::{Value, json};

#[test]
fn a_response_its_stream_and_its_count_agree() {
    let world = World::new();
    let daemon = world.demo();
    let ask = |path: &str, body: &Value| daemon.http().post(path).json(body.to_string()).send().ok();
    for input in [
        json!("three little words"),
        json!([
            {"role": "developer", "content": "no"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "three little words"}]},
            {"type": "reasoning", "summary": [], "content": null},
        ]),
    ] {
        let mut body = json!({"model": "demo/echo", "input": input, "instructions": "be brief"});
        let plain = ask("/v1/responses", &body).json();
        assert_eq!((&plain["object"], &plain["status"]), (&json!("response"), &json!("completed")));
        assert_eq!((&plain["store"], &plain["instructions"]), (&json!(false), &json!("be brief")));
        let content = &plain["output"][0]["content"][0];
        assert_eq!((&content["type"], &content["text"]), (&json!("output_text"), &json!("three little words")));
        let usage = &plain["usage"];
        let sum = usage["input_tokens"].as_u64().unwrap_or(0) + usage["output_tokens"].as_u64().unwrap_or(0);
        assert_eq!((&usage["output_tokens"], &usage["total_tokens"]), (&json!(3), &json!(sum)));
        let counted = ask("/v1/responses/input_tokens", &body).json();
        assert_eq!(counted, json!({"object": "response.input_tokens", "input_tokens": usage["input_tokens"]}));

        body["stream"] = json!(true);
        let events = ask("/v1/responses", &body).data();
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        let expected = [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ];
        assert_eq!(kinds, expected);
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{event}");
        }
        let last = &events[10]["response"];
        assert_eq!((&last["usage"], &last["output"][0]["content"]), (usage, &plain["output"][0]["content"]));
        assert_eq!(events[0]["response"]["id"], last["id"]);
    }
}

#[test]
fn no_response_is_stored() {
    let world = World::new();
    let daemon = world.demo();
    let post = |path: &str, body: &Value| daemon.http().post(path).json(body.to_string()).send();
    let body = json!({"model": "demo/echo", "input": "x", "store": true});
    let id = post("/v1/responses", &body).ok().json()["id"].as_str().expect("an id").to_owned();
    for (method, behind) in [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")] {
        let path = format!("/v1/responses/{id}{behind}");
        daemon.http().request(method, &path).send().refused(404, "not_found");
    }
    let mut next = body;
    next["previous_response_id"] = json!(id);
    let error = post("/v1/responses", &next).refused(404, "not_found");
    assert_eq!(error["param"], "previous_response_id");
    let error = post("/v1/responses", &json!({"model": "demo/echo", "input": []})).refused(400, "invalid_request");
    assert_eq!(error["param"], "input");
}
