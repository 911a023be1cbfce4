//! OpenAI-shaped answers: what a provider says without a script. Each names the key it was called with by its
//! [`fingerprint`], so that a test can tell keys apart without a secret travelling back.

use serde_json::{Value, json};

use crate::provider::{Reply, Request};

/// The header that carries the fingerprint of the key that was used.
pub const KEY_HEADER: &str = "x-provider-key";

/// Answers chat completions (streamed or not), embeddings and model lists as OpenAI would.
pub fn answer(request: &Request) -> Reply {
    let print = request.key().map_or_else(|| "none".to_owned(), fingerprint);
    let path = request.target.split('?').next().unwrap_or_default();
    if path.ends_with("/models") {
        return keyed(&print, &json!({"object": "list", "data": [{"id": "scripted", "object": "model"}]}));
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        let error = json!({"message": "not JSON", "type": "invalid_request_error", "code": null, "param": null});
        return Reply::json(400, json!({ "error": error }).to_string());
    };
    let model = body["model"].as_str().unwrap_or("?").to_owned();
    if path.ends_with("/embeddings") {
        let data = json!([{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]);
        let usage = json!({"prompt_tokens": 2, "total_tokens": 2});
        return keyed(&print, &json!({"object": "list", "data": data, "model": model, "usage": usage}));
    }
    let text = format!("key {print} model {model}");
    if body["stream"] == true {
        let head = [("content-type", "text/event-stream"), (KEY_HEADER, print.as_str())];
        let reply = Reply::stream_with(200, &head);
        return text.split_inclusive(' ').fold(reply, Reply::token).done();
    }
    keyed(&print, &completion(&model, &text))
}

fn keyed(print: &str, body: &Value) -> Reply {
    Reply::with(200, &[("content-type", "application/json"), (KEY_HEADER, print)], body.to_string())
}

/// A chat completion.
pub fn completion(model: &str, text: &str) -> Value {
    json!({
        "id": "chatcmpl-scripted", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    })
}

/// One chunk of a streamed chat completion.
pub fn chunk(text: &str) -> String {
    let choice = json!({"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": null});
    frame(&choice)
}

/// The last chunk of a streamed chat completion.
pub fn last_chunk() -> String {
    frame(&json!({"index": 0, "delta": {}, "finish_reason": "stop"}))
}

fn frame(choice: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "scripted",
        "choices": [choice],
    });
    chunk.to_string()
}

/// A short name of a key that does not reveal it (FNV-1a).
pub fn fingerprint(key: &str) -> String {
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
