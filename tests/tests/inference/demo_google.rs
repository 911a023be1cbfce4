//! The provider `demo` in Google's generateContent.

use bitrouter_tests::{Answer, Daemon, World};
use serde_json::{Value, json};

fn ask(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    daemon.http().post(path).json(body.to_string()).send()
}

fn body() -> Value {
    json!({
        "systemInstruction": {"role": "user", "parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "first"}]}, {"role": "model", "parts": [{"text": "no"}]},
            {"parts": [{"text": "three little "}, {"inlineData": {"mimeType": "image/png", "data": ""}}, {"text": "words"}]},
        ],
    })
}

#[test]
fn content_its_streams_and_its_count_agree() {
    let world = World::new();
    let daemon = world.demo();
    for name in ["v1beta/models/demo/echo", "v1/models/demo%2Fecho", "v1beta/demo:echo", "v1/models/echo"] {
        let plain = ask(&daemon, &format!("/{name}:generateContent"), &body()).ok().json();
        let candidate = &plain["candidates"][0];
        assert_eq!(candidate["content"], json!({"role": "model", "parts": [{"text": "three little words"}]}));
        assert_eq!((&candidate["finishReason"], &plain["modelVersion"]), (&json!("STOP"), &json!("demo/echo")));
        let usage = json!({"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10});
        assert_eq!(plain["usageMetadata"], usage);
        let counted = ask(&daemon, &format!("/{name}:countTokens"), &body()).ok().json();
        assert_eq!(counted["totalTokens"], 7);

        let events = ask(&daemon, &format!("/{name}:streamGenerateContent?alt=sse&key=x"), &body()).ok();
        assert_eq!(events.header("content-type"), Some("text/event-stream"));
        let array = ask(&daemon, &format!("/{name}:streamGenerateContent"), &body()).ok();
        assert_eq!(array.header("content-type"), Some("application/json"));
        let array = array.json();
        for chunks in [&events.data(), array.as_array().expect("an array")] {
            let candidates: Vec<&Value> = chunks.iter().map(|chunk| &chunk["candidates"][0]).collect();
            let words: Vec<&Value> = candidates.iter().map(|one| &one["content"]["parts"][0]["text"]).collect();
            assert_eq!(words, ["three ", "little ", "words"]);
            assert_eq!(
                (&candidates[0]["finishReason"], &candidates[2]["finishReason"]),
                (&Value::Null, &json!("STOP"))
            );
            assert_eq!(chunks[2]["usageMetadata"], usage);
        }
    }
}

#[test]
fn both_spellings_are_read() {
    let world = World::new();
    let daemon = world.demo();
    let path = "/v1beta/models/demo/echo:countTokens";
    let body = body();
    let snake = json!({"system_instruction": body["systemInstruction"], "contents": body["contents"]});
    assert_eq!(ask(&daemon, path, &snake).ok().json()["totalTokens"], 7);
    for name in ["generateContentRequest", "generate_content_request"] {
        let inside = json!({name: {"model": "models/demo/echo", "contents": snake["contents"]}});
        assert_eq!(ask(&daemon, path, &inside).ok().json()["totalTokens"], 5);
    }
}

#[test]
fn an_embedding_is_the_one_that_openais_callers_get() {
    let world = World::new();
    let daemon = world.demo();
    let content = |text: &str| json!({"content": {"parts": [{"text": text}]}});
    let one = ask(&daemon, "/v1beta/models/demo/embed:embedContent", &content("a")).ok().json();
    let several = json!({"requests": [content("a"), content("b")]});
    let batch = ask(&daemon, "/v1beta/models/demo/embed:batchEmbedContents", &several).ok().json();
    assert_eq!(batch["embeddings"][0], one["embedding"]);
    assert_ne!(batch["embeddings"][1], one["embedding"]);
    let openai = ask(&daemon, "/v1/embeddings", &json!({"model": "demo/embed", "input": "a"})).ok().json();
    assert_eq!(one["embedding"]["values"], openai["data"][0]["embedding"]);
}

#[test]
fn a_refusal_is_googles() {
    let world = World::new();
    let daemon = world.demo();
    for (path, body, status, word, param) in [
        ("demo/none:generateContent", body(), 404, "NOT_FOUND", "model"),
        ("demo/embed:generateContent", body(), 400, "INVALID_ARGUMENT", "model"),
        ("demo/echo:streamGenerateContent", json!({}), 400, "INVALID_ARGUMENT", "contents"),
        ("demo/echo:streamGenerateContent?alt=xml", body(), 400, "INVALID_ARGUMENT", "alt"),
        ("demo/echo:countTokens", json!({"contents": []}), 400, "INVALID_ARGUMENT", "contents"),
        ("demo/embed:embedContent", json!({"content": {}}), 400, "INVALID_ARGUMENT", "content"),
        ("demo/embed:batchEmbedContents", json!({"requests": []}), 400, "INVALID_ARGUMENT", "requests"),
        ("demo/echo:embedContent", json!({}), 400, "INVALID_ARGUMENT", "model"),
    ] {
        let answer = ask(&daemon, &format!("/v1beta/models/{path}"), &body);
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (status, &json!(status)), "{path}: {error}");
        assert_eq!(
            (&error["status"], &error["details"][0]["metadata"]["param"]),
            (&json!(word), &json!(param)),
            "{error}"
        );
    }
}
