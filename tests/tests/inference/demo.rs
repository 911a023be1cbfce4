//! The built-in provider `demo`: everything can be tried offline, here in OpenAI's chat completions and what goes with them.

use bitrouter_tests::{World, wait};
use serde_json::{Value, json};

#[test]
fn echo_returns_the_last_user_text() {
    let world = World::new();
    let daemon = world.demo();
    let messages = json!([
        {"role": "system", "content": "no"}, {"role": "user", "content": "first"},
        {"role": "assistant", "content": "no"}, {"role": "user", "content": "three little words"},
    ]);
    for model in ["demo/echo", "demo:echo", "echo"] {
        let body = json!({"model": model, "messages": messages}).to_string();
        let answer = daemon.http().post("/v1/chat/completions").json(body).send().ok();
        let json = answer.json();
        let message = &json["choices"][0]["message"];
        assert_eq!((&message["role"], &message["content"]), (&"assistant".into(), &"three little words".into()));
        assert_eq!(
            (&json["choices"][0]["finish_reason"], &json["object"]),
            (&json!("stop"), &json!("chat.completion"))
        );
        assert_eq!(json["usage"]["completion_tokens"], 3, "{json}");
        let (input, total) = (json["usage"]["prompt_tokens"].as_u64(), json["usage"]["total_tokens"].as_u64());
        assert_eq!(input.map(|input| input + 3), total, "{json}");
    }
}

#[test]
fn echo_streams_a_word_per_chunk() {
    let world = World::new();
    let daemon = world.demo();
    let answer = daemon.http().chat_stream("demo/echo", "three little words").send().ok();
    assert_eq!(answer.header("content-type").map(|kind| kind.split(';').next()), Some(Some("text/event-stream")));
    assert_eq!(answer.streamed_text(), "three little words");
    let events = answer.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    let words =
        chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|t| !t.is_empty()));
    assert_eq!(words.count(), 3, "{events:?}");
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "stop"), "{events:?}");
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"), "{events:?}");
}

#[test]
fn echo_counts_usage_in_a_stream_when_asked() {
    let world = World::new();
    let daemon = world.demo();
    let body = json!({
        "model": "demo/echo", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "two words"}],
    });
    let answer = daemon.http().post("/v1/chat/completions").json(body.to_string()).send().ok();
    let usage = answer
        .events()
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .find_map(|chunk| chunk["usage"]["completion_tokens"].as_u64());
    assert_eq!(usage, Some(2), "{}", answer.text());
}

#[test]
fn echo_understands_content_parts() {
    let world = World::new();
    let daemon = world.demo();
    let content = json!([{"type": "text", "text": "hello parts"}]);
    let body = json!({"model": "demo/echo", "messages": [{"role": "user", "content": content}]});
    let answer = daemon.http().post("/v1/chat/completions").json(body.to_string()).send().ok();
    assert_eq!(answer.content(), "hello parts");
}

#[test]
fn lorem_is_a_fixed_text() {
    let world = World::new();
    let daemon = world.demo();
    let one = daemon.http().chat("demo/lorem", "a").send().ok().content();
    let two = daemon.http().chat("demo/lorem", "b").send().ok().content();
    assert!(one == two && one.to_lowercase().starts_with("lorem ipsum"), "{one}");
    assert_eq!(daemon.http().chat_stream("demo/lorem", "c").send().ok().streamed_text(), one);
}

#[test]
fn embed_hashes_the_input_into_eight_floats() {
    let world = World::new();
    let daemon = world.demo();
    let embed = |body: Value| daemon.http().post("/v1/embeddings").json(body.to_string()).send().ok().json();
    let floats = embed(json!({"model": "demo/embed", "input": "a"}));
    let vector: Vec<f64> = serde_json::from_value(floats["data"][0]["embedding"].clone()).expect("floats");
    assert_eq!(vector.len(), 8);
    assert_eq!(embed(json!({"model": "demo/embed", "input": "a"}))["data"], floats["data"]);
    assert_ne!(embed(json!({"model": "demo/embed", "input": "b"}))["data"], floats["data"]);
    let several = embed(json!({"model": "demo/embed", "input": ["a", "b"]}));
    assert_eq!(several["data"][0]["embedding"], floats["data"][0]["embedding"]);
    assert_eq!(several["data"][1]["index"], 1);
    let base64 = embed(json!({"model": "demo/embed", "input": "a", "encoding_format": "base64"}));
    // 8 floats of 4 bytes each are 32 bytes, 44 characters of base64.
    assert_eq!(base64["data"][0]["embedding"].as_str().map(str::len), Some(44));
}

#[test]
fn without_demo_the_answer_says_how_to_get_it() {
    let world = World::new();
    let daemon = world.serve().start();
    let error = daemon.http().chat("demo/echo", "x").send().refused(404, "model_not_found");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("serve --demo")), "{error}");
}

#[test]
fn completions_go_on_with_each_prompt() {
    let world = World::new();
    let daemon = world.demo();
    let ask = |body: Value| daemon.http().post("/v1/completions").json(body.to_string()).send().ok();
    let plain = ask(json!({"model": "demo/echo", "prompt": ["one", "two words"]})).json();
    assert_eq!((&plain["object"], &plain["choices"][1]["text"]), (&json!("text_completion"), &json!("two words")));
    assert_eq!(plain["usage"], json!({"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}));
    let options = json!({"include_usage": true});
    let streamed = ask(json!({"model": "demo/echo", "prompt": "two words", "stream": true, "stream_options": options}));
    let chunks = streamed.data();
    let texts: Vec<&str> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!(texts, ["two ", "words", ""]);
    assert_eq!(chunks.last().map(|chunk| &chunk["usage"]["total_tokens"]), Some(&json!(4)));
    assert!(streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());
}

#[test]
fn what_the_demo_cannot_read_is_refused_by_name() {
    let world = World::new();
    let daemon = world.demo();
    for (path, body, param) in [
        ("/v1/chat/completions", json!({"model": "demo/echo"}), "messages"),
        ("/v1/completions", json!({"model": "demo/echo", "prompt": [1, 2]}), "prompt"),
        ("/v1/embeddings", json!({"model": "demo/embed", "input": []}), "input"),
        ("/v1/chat/completions", json!({"model": "demo/embed", "messages": []}), "model"),
        ("/v1/embeddings", json!({"model": "demo/echo", "input": "x"}), "model"),
    ] {
        let error = daemon.http().post(path).json(body.to_string()).send().refused(400, "invalid_request");
        assert_eq!(error["param"], param, "{error}");
    }
}

#[test]
fn only_what_would_cost_is_counted() {
    let world = World::new();
    let daemon = world.demo();
    let tokens = || {
        let text = daemon.http().get("/metrics").send().ok().text();
        let lines = text.lines().filter(|line| line.starts_with("bitrouter_tokens_total{")).map(str::to_owned);
        let counted = lines.filter_map(|line| {
            let class = line.split('"').nth(1)?.to_owned();
            let count = line.rsplit(' ').next()?.parse::<f64>().ok()?;
            (count > 0.0).then(|| format!("{class} {count}"))
        });
        let mut counted: Vec<_> = counted.collect();
        counted.sort();
        counted.join(", ")
    };
    let ask = |path: &str, body: Value| daemon.http().post(path).json(body.to_string()).send().ok();
    let messages = json!([{"role": "user", "content": "two words"}]);
    ask("/v1/messages/count_tokens", json!({"model": "demo/echo", "messages": messages}));
    ask("/v1/responses/input_tokens", json!({"model": "demo/echo", "input": "two words"}));
    ask("/v1beta/models/demo/echo:countTokens", json!({"contents": [{"parts": [{"text": "two words"}]}]}));
    assert_eq!(tokens(), "");
    ask("/v1/messages", json!({"model": "demo/echo", "max_tokens": 9, "messages": messages}));
    ask("/v1/messages", json!({"model": "demo/echo", "max_tokens": 9, "messages": messages, "stream": true}));
    wait::holds("the count", || tokens() == "input 4, output 4");
    ask("/v1beta/models/demo/embed:embedContent", json!({"content": {"parts": [{"text": "two words"}]}}));
    wait::holds("the count", || tokens() == "input 6, output 4");
}
