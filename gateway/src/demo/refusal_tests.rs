//! What the demo cannot read is refused, and the refusal names what is at fault.

use serde_json::json;

use super::*;

fn ask(dialect: Dialect, verb: Verb, model: &str, body: &Value) -> Result<Answer, InferenceError> {
    answer(&Asked { dialect, verb, model, query: "", body: body.to_string().as_bytes() })
}

#[test]
fn a_refusal_names_what_is_at_fault() {
    use Dialect::{ChatCompletions, GenerateContent, Messages, Responses};
    use Verb::{Complete, CountTokens, Embed, EmbedBatch, Generate};
    let user = json!([{ "role": "user", "content": "x" }]);
    for (dialect, verb, body, param) in [
        (ChatCompletions, Generate, json!({}), "messages"),
        (ChatCompletions, Generate, json!({ "messages": [] }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": "x" }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": ["x"] }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": [{ "content": "x" }] }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": [{ "role": "user", "content": 5 }] }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": [{ "role": "user", "content": ["x"] }] }), "messages"),
        (
            ChatCompletions,
            Generate,
            json!({ "messages": [{ "role": "user", "content": [{ "text": 5 }] }] }),
            "messages",
        ),
        (ChatCompletions, Generate, json!({ "messages": [{ "role": "system", "content": "x" }] }), "messages"),
        (ChatCompletions, Generate, json!({ "messages": user, "stream": "yes" }), "stream"),
        (ChatCompletions, Generate, json!({ "messages": user, "stream_options": true }), "stream_options"),
        (
            ChatCompletions,
            Generate,
            json!({ "messages": user, "stream_options": { "include_usage": 1 } }),
            "stream_options",
        ),
        (ChatCompletions, Complete, json!({}), "prompt"),
        (ChatCompletions, Complete, json!({ "prompt": [1, 2] }), "prompt"),
        (ChatCompletions, Complete, json!({ "prompt": [] }), "prompt"),
        (ChatCompletions, Embed, json!({}), "input"),
        (ChatCompletions, Embed, json!({ "input": [] }), "input"),
        (ChatCompletions, Embed, json!({ "input": [{}] }), "input"),
        (ChatCompletions, Embed, json!({ "input": "x", "encoding_format": "hex" }), "encoding_format"),
        (Messages, Generate, json!({ "system": "x" }), "messages"),
        (Messages, Generate, json!({ "messages": user, "system": 5 }), "system"),
        (Messages, Generate, json!({ "messages": user, "stream": 1 }), "stream"),
        (Messages, CountTokens, json!({ "messages": [] }), "messages"),
        (Responses, Generate, json!({}), "input"),
        (Responses, Generate, json!({ "input": [] }), "input"),
        (Responses, Generate, json!({ "input": ["x"] }), "input"),
        (Responses, Generate, json!({ "input": "x", "instructions": {} }), "instructions"),
        (Responses, Generate, json!({ "input": "x", "previous_response_id": "resp_1" }), "previous_response_id"),
        (Responses, Generate, json!({ "input": "x", "conversation": { "id": "conv_1" } }), "conversation"),
        (Responses, CountTokens, json!({ "input": 5 }), "input"),
        (GenerateContent, Generate, json!({}), "contents"),
        (GenerateContent, Generate, json!({ "contents": [] }), "contents"),
        (GenerateContent, Generate, json!({ "contents": "x" }), "contents"),
        (GenerateContent, Generate, json!({ "contents": [{ "role": "model", "parts": [] }] }), "contents"),
        (GenerateContent, Generate, json!({ "contents": [{ "parts": ["x"] }] }), "contents"),
        (
            GenerateContent,
            Generate,
            json!({ "contents": [{}], "systemInstruction": {}, "system_instruction": {} }),
            "systemInstruction",
        ),
        (GenerateContent, CountTokens, json!({ "generateContentRequest": 5 }), "generateContentRequest"),
        (GenerateContent, CountTokens, json!({ "contents": [{}], "generateContentRequest": {} }), "contents"),
        (GenerateContent, Embed, json!({ "content": {} }), "content"),
        (GenerateContent, Embed, json!({ "content": "x" }), "content"),
        (GenerateContent, EmbedBatch, json!({}), "requests"),
        (GenerateContent, EmbedBatch, json!({ "requests": ["x"] }), "requests"),
        (GenerateContent, EmbedBatch, json!({ "requests": [{}] }), "requests"),
    ] {
        let model = if matches!(verb, Embed | EmbedBatch) { "embed" } else { "echo" };
        let error = ask(dialect, verb, model, &body).err().unwrap_or_else(|| panic!("{dialect} {verb:?} {body}"));
        assert_eq!(error.param(), Some(param), "{dialect} {verb:?} {body}: {}", error.message());
        let stored = param == "previous_response_id" || param == "conversation";
        let code = if stored { InferenceCode::NotFound } else { InferenceCode::InvalidRequest };
        assert_eq!(error.code(), code, "{body}");
    }
    // The fixed text is said to anybody.
    assert!(ask(ChatCompletions, Generate, "lorem", &json!({ "messages": [{ "role": "system" }] })).is_ok());
}
