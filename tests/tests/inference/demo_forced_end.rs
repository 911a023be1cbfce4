//! The forced end of streams of the provider `demo`: each ends once, with its dialect's error.

use bitrouter_tests::{Answer, End, World};
use serde_json::{Value, json};

/// So many words are not said before the end, unless somebody reads them.
const WORDS: usize = 500_000;

#[test]
fn p15_a_forced_stream_ends_with_its_dialects_error_in_each_dialect() {
    let world = World::new();
    let mut daemon = world.demo();
    let text = "a ".repeat(WORDS);
    let messages = json!([{"role": "user", "content": text}]);
    let contents = json!({"contents": [{"parts": [{"text": text}]}]});
    let calls = [
        ("/v1/chat/completions", json!({"model": "demo/echo", "stream": true, "messages": messages})),
        ("/v1/completions", json!({"model": "demo/echo", "stream": true, "prompt": text})),
        ("/v1/responses", json!({"model": "demo/echo", "stream": true, "input": text})),
        ("/v1/messages", json!({"model": "demo/echo", "stream": true, "max_tokens": WORDS, "messages": messages})),
        ("/v1beta/models/demo/echo:streamGenerateContent?alt=sse", contents.clone()),
        ("/v1beta/models/demo/echo:streamGenerateContent", contents),
    ];
    let open = calls.map(|(path, body)| (path, daemon.http().post(path).json(body.to_string()).open()));
    let mut stop = world.command(["stop", "--timeout", "1"]).spawn();
    daemon.stderr().until("the bound", |text| text.contains("running requests are ended"));
    let readers = open.map(|(path, open)| (path, std::thread::spawn(move || open.finish())));
    for (path, reader) in readers {
        let answer = reader.join().expect("a reader");
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{path}");
        let text = answer.text();
        assert!(!text.contains("[DONE]") && !text.contains("\"STOP\"") && !text.contains("message_stop"), "{path}");
        ended(path, &answer);
    }
    assert!(stop.wait(bitrouter_tests::wait::PATIENCE).success());
    assert!(!daemon.is_running());
}

/// Checks that the last event, or the last two of a response, tell the end.
#[track_caller]
fn ended(path: &str, answer: &Answer) {
    let events = if path.ends_with("streamGenerateContent") {
        answer.json().as_array().expect("an array").clone()
    } else {
        answer.data()
    };
    let number = events.len();
    let (before, last) = (&events[number - 2], &events[number - 1]);
    let error = if path == "/v1/responses" { &before["error"] } else { &last["error"] };
    let tells = |event: &Value| event["error"].is_object() || event["type"] == "response.failed";
    assert_eq!(
        events.iter().filter(|event| tells(event)).count(),
        if path == "/v1/responses" { 2 } else { 1 },
        "{path}"
    );
    match path {
        "/v1/chat/completions" | "/v1/completions" => assert_eq!(error["code"], "upstream_interrupted", "{path}"),
        "/v1/responses" => {
            assert_eq!((&before["type"], &error["code"]), (&json!("error"), &json!("upstream_interrupted")));
            let expected = (&json!("response.failed"), &events[0]["response"]["id"]);
            assert_eq!((&last["type"], &last["response"]["id"]), expected);
            let numbers = (&before["sequence_number"], &last["sequence_number"]);
            assert_eq!(numbers, (&json!(number - 2), &json!(number - 1)));
        }
        "/v1/messages" => {
            assert_eq!((&last["type"], &error["type"]), (&json!("error"), &json!("api_error")));
            assert!(answer.text().contains("event: error\ndata: "), "{path}");
        }
        _ => {
            assert_eq!((&error["code"], &error["status"]), (&json!(502), &json!("UNAVAILABLE")), "{path}");
            assert_eq!(error["details"][0]["reason"], "UPSTREAM_INTERRUPTED", "{path}");
        }
    }
}
