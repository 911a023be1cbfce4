//! The scripted providers refuse what the real ones refuse, in their shape.

use bitrouter_tests::{
    Answer, Provider, World,
    dialects::{Script, Vendor},
};
use serde_json::{Value, json};

use super::client;

const KEY: &str = "the-key";

/// A provider that wants a certain key.
struct Played {
    vendor: Vendor,
    provider: Provider,
    world: World,
}

impl Played {
    fn new(vendor: Vendor) -> Self {
        let provider = Provider::start();
        vendor.play(&provider, &Script::new().key(KEY));
        Self { vendor, provider, world: World::new() }
    }

    /// A call with the headers of the vendor, but for `changed`: name and value, an empty one leaves it out.
    fn call(&self, path: &str, changed: Option<(&str, &str)>, body: &Value) -> Answer {
        let headers = match self.vendor {
            Vendor::OpenAi => vec![("authorization", "Bearer the-key")],
            Vendor::Anthropic => vec![("x-api-key", KEY), ("anthropic-version", "2023-06-01")],
            Vendor::Google => vec![("x-goog-api-key", KEY)],
        };
        let call = client(&self.provider, &self.world).post(path).json(body.to_string());
        let headers = headers.into_iter().map(|(name, value)| match changed {
            Some((other, instead)) if other == name => (name, instead),
            _ => (name, value),
        });
        headers.filter(|(_, value)| !value.is_empty()).fold(call, |call, (name, value)| call.header(name, value)).send()
    }

    #[track_caller]
    fn refuses(&self, path: &str, body: &Value, status: u16, words: &str) {
        let answer = self.call(path, None, body);
        let said = answer.json();
        let error = if said.is_array() { &said[0]["error"] } else { &said["error"] };
        let message = error["message"].as_str().unwrap_or_default();
        assert!(answer.status == status && message.contains(words), "{} {said:#}", answer.status);
    }
}

fn with(mut body: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn as_anthropic_does() {
    let played = Played::new(Vendor::Anthropic);
    let (path, user) = ("/v1/messages", json!({"role": "user", "content": "x"}));
    let body = json!({"model": "m", "max_tokens": 2000, "messages": [user]});
    assert_eq!(played.call(path, None, &body).json()["content"][0]["text"], "You said: x");
    let kind = |header, value, body: &Value| {
        let answer = played.call(path, Some((header, value)), body);
        let said = answer.json();
        assert_eq!(said["type"], "error", "{said:#}");
        (answer.status, said["error"]["type"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(kind("x-api-key", "", &body), (401, "authentication_error".into()));
    assert_eq!(kind("x-api-key", "another", &body), (401, "authentication_error".into()));
    assert_eq!(kind("anthropic-version", "", &body), (400, "invalid_request_error".into()));
    assert_eq!(kind("anthropic-version", "2026-01-01", &body), (400, "invalid_request_error".into()));
    let sampled = with(body.clone(), &json!({"temperature": 1.0}));
    assert_eq!(played.call(path, None, &sampled).status, 200);
    assert_eq!(kind("anthropic-version", "2026-10-21", &sampled), (400, "invalid_request_error".into()));
    for (changes, words) in [
        (json!({"max_tokens": null}), "max_tokens: Field required"),
        (json!({"odd": 1}), "odd: Extra inputs are not permitted"),
        (json!({"messages": []}), "at least one message"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages.0.role"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), "must be greater than"),
        (
            json!({"messages": [user, {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}]}),
            "`tool_use` ids were found without `tool_result`",
        ),
    ] {
        played.refuses(path, &with(body.clone(), &changes), 400, words);
    }
    played.refuses("/v1/messages/count_tokens", &body, 400, "max_tokens: Extra inputs are not permitted");
    played.refuses("/v1/message", &body, 404, "Not Found");
}

#[test]
fn as_google_does() {
    let played = Played::new(Vendor::Google);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    let path = "/v1beta/models/m:generateContent";
    let answer = played.call(path, None, &body).json();
    assert_eq!(answer["candidates"][0]["content"]["parts"][0]["text"], "You said: x");
    assert_eq!(played.call(path, Some(("x-goog-api-key", "")), &body).status, 403);
    let wrong = played.call(path, Some(("x-goog-api-key", "another")), &body);
    assert_eq!((wrong.status, &wrong.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    assert_eq!(played.call(&format!("{path}?key={KEY}"), Some(("x-goog-api-key", "")), &body).status, 200);
    for (changes, words) in [
        (json!({"contents": []}), "contents is not specified"),
        (json!({"odd": 1}), "Unknown name \"odd\""),
        (json!({"model": "models/another"}), "does not match the model in the URL"),
        (json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}), "valid role: user, model"),
        (
            json!({"contents": [{"role": "model", "parts": [{"text": "x", "thoughtSignature": "AAAA"}]}]}),
            "Thought signature is not valid",
        ),
        (
            json!({"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}]}),
            "number of function response parts",
        ),
        (
            json!({"generation_config": {"response_json_schema": {"type": "object"}}}),
            "Response schema is not supported with mime type",
        ),
    ] {
        played.refuses(path, &with(body.clone(), &changes), 400, words);
    }
    played.refuses(&format!("{path}?alt=media"), &body, 400, "Invalid value \"media\"");
    // Where an array was asked for, an error stands in one.
    let array = played.call("/v1beta/models/refuse-500:streamGenerateContent", None, &body).json();
    assert_eq!(array[0]["error"]["status"], "INTERNAL");
    let batch = json!({"requests": [{"model": "models/another", "content": {"parts": [{"text": "x"}]}}]});
    played.refuses("/v1beta/models/m:batchEmbedContents", &batch, 400, "must match the model in the URL");
    played.refuses("/v1beta/models/m:sing", &body, 404, "is not found");
    played.refuses("/v2/models/m:generateContent", &body, 404, "not found");
}

#[test]
fn as_openai_does() {
    let played = Played::new(Vendor::OpenAi);
    let (path, user) = ("/v1/chat/completions", json!({"role": "user", "content": "x"}));
    let body = json!({"model": "m", "messages": [user]});
    assert_eq!(played.call(path, None, &body).content(), "You said: x");
    assert_eq!(played.call(path, Some(("authorization", "")), &body).status, 401);
    played.call(path, Some(("authorization", "Bearer another")), &body).refused(401, "invalid_api_key");
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    for (changes, words) in [
        (json!({"model": null}), "must provide a model"),
        (json!({"messages": null}), "Missing required parameter: 'messages'"),
        (json!({"odd": 1}), "Unrecognized request argument supplied: odd"),
        (json!({"stream_options": {"include_usage": true}}), "only allowed when 'stream' is enabled"),
        (json!({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}), "preceding message"),
        (json!({"messages": [user, call, user]}), "did not have response messages: c1"),
    ] {
        played.refuses(path, &with(body.clone(), &changes), 400, words);
    }
    let (path, body) = ("/v1/responses", json!({"model": "m", "input": "x"}));
    assert_eq!(played.call(path, None, &body).json()["output"][0]["content"][0]["text"], "You said: x");
    let output = json!({"type": "function_call_output", "call_id": "c1", "output": "x"});
    for (changes, words) in [
        (json!({"input": null}), "Missing required parameter: 'input'"),
        (json!({"odd": 1}), "Unknown parameter: 'odd'"),
        (json!({"previous_response_id": "resp_nobody"}), "Previous response with id 'resp_nobody' not found"),
        (json!({"input": [output]}), "No tool call found"),
        (
            json!({"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AAAA"}]}),
            "could not be verified",
        ),
    ] {
        played.refuses(path, &with(body.clone(), &changes), 400, words);
    }
    played.refuses("/v1/responses/resp_nobody/cancel", &json!({}), 404, "not found");
    played.refuses("/v1/chat", &body, 404, "Invalid URL");
}
