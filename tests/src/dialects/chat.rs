//! OpenAI's chat completions, with what stands beside them: completions, embeddings, models.
//! <https://platform.openai.com/docs/api-reference/chat>. What was thought is written as the compatible providers
//! write it (`reasoning_content`), with OpenAI's own count.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    chat_read as read,
    event::Event,
    mind::{self, Behaviour},
    openai_shapes as shapes,
    refusal::Refusal,
    script::{self, Script, Stream},
    turn::{Call, Stop, Turn, Usage},
};
use crate::provider::{Reply, Request};

const ID: &str = "chatcmpl-scripted";
const CREATED: u64 = 1_770_000_000;

/// Answers as OpenAI does, but for the responses: `POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings`,
/// `GET /v1/models` and below.
pub fn answer(script: &Script, request: &Request) -> Reply {
    respond(script, request).unwrap_or_else(|refusal| shapes::refuse(script, &refusal))
}

fn respond(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    shapes::key(script, request)?;
    let path = script::path(request);
    let whole = |body: &Value| script.whole(200, &shapes::HEADERS, body.to_string());
    match (request.method.as_str(), path) {
        ("POST", "/v1/chat/completions") => completion(script, request),
        ("POST", "/v1/completions") => legacy(script, request),
        ("POST", "/v1/embeddings") => Ok(whole(&embeddings(&shapes::body(request)?)?)),
        ("GET", _) => {
            let unknown = || Refusal::new(404, format!("Invalid URL (GET {path})"));
            Ok(whole(&shapes::models(path).unwrap_or_else(|| Err(unknown()))?))
        }
        (method, _) => Err(Refusal::new(404, format!("Invalid URL ({method} {path})"))),
    }
}

fn completion(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    let asked = read::body(&shapes::body(request)?)?;
    let behaviour = Behaviour::of(&asked.model);
    if let Behaviour::Refuse(status) = behaviour {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    let turn = mind::answer(&asked);
    if !asked.stream {
        return match behaviour {
            Behaviour::Stall => Ok(Script::silence()),
            Behaviour::Break => Err(Refusal::new(500, "The server had an error while processing your request.")),
            _ => Ok(script.whole(200, &shapes::HEADERS, whole(&turn, &asked.model).to_string())),
        };
    }
    let broken = shapes::error(&Refusal::new(500, "The server had an error while processing your request."));
    let stream = Stream {
        headers: shapes::stream_headers(),
        frames: script.frames(&events(&turn, &asked.model, asked.usage)),
        broken: script.frames(&[Event::data(&broken)]),
    };
    Ok(script.stream(behaviour, &stream))
}

/// The whole answer.
pub fn whole(turn: &Turn, model: &str) -> Value {
    let text = if turn.text.is_empty() { Value::Null } else { json!(turn.all_text()) };
    let mut message = json!({"role": "assistant", "content": text, "refusal": null, "annotations": []});
    if let Some(thought) = &turn.thought {
        message["reasoning_content"] = json!(thought.text);
    }
    if !turn.calls.is_empty() {
        message["tool_calls"] = turn.calls.iter().map(|call| tool_call(call, &call.arguments)).collect();
    }
    json!({
        "id": ID, "object": "chat.completion", "created": CREATED, "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(turn.stop)}],
        "usage": usage(turn.usage), "service_tier": "default", "system_fingerprint": "fp_scripted",
    })
}

/// The events of a stream, `[DONE]` included; with `usage`, as `stream_options.include_usage` asks for it, every chunk
/// has the member and one chunk without choices stands before the end. The calls come one after the other.
pub fn events(turn: &Turn, model: &str, usage: bool) -> Vec<Event> {
    let chunk = |choices: Value, counted: Value| {
        let mut chunk = json!({
            "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": model, "choices": choices,
            "service_tier": "default", "system_fingerprint": "fp_scripted",
        });
        if usage {
            chunk["usage"] = counted;
        }
        Event::data(&chunk)
    };
    let choice = |delta: Value, reason: Option<&str>| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
    let delta = |delta: Value| chunk(choice(delta, None), Value::Null);
    let mut events = vec![delta(
        json!({"role": "assistant", "content": if turn.calls.is_empty() { json!("") } else { Value::Null }, "refusal": null}),
    )];
    let thoughts = turn.thought.iter().flat_map(super::Thought::pieces);
    events.extend(thoughts.map(|piece| delta(json!({"reasoning_content": piece}))));
    events.extend(turn.text.iter().map(|piece| delta(json!({"content": piece}))));
    for (index, call) in turn.calls.iter().enumerate() {
        let mut first = tool_call(call, "");
        first["index"] = json!(index);
        events.push(delta(json!({"tool_calls": [first]})));
        let pieces = call.pieces().into_iter();
        let pieces =
            pieces.map(|piece| delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})));
        events.extend(pieces);
    }
    events.push(chunk(choice(json!({}), Some(finish_reason(turn.stop))), Value::Null));
    if usage {
        events.push(chunk(json!([]), self::usage(turn.usage)));
    }
    events.push(Event::done());
    events
}

fn tool_call(call: &Call, arguments: &str) -> Value {
    let function = json!({"name": call.name, "arguments": arguments});
    json!({"id": format!("call_{}", call.id), "type": "function", "function": function})
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Tools => "tool_calls",
        Stop::Length => "length",
    }
}

/// OpenAI's count: what was read from the cache or written to it is a part of the prompt, what was thought one of the
/// completion.
fn usage(usage: Usage) -> Value {
    let written = usage.cache_write + usage.cache_write_1h;
    json!({
        "prompt_tokens": usage.all_input(), "completion_tokens": usage.all_output(),
        "total_tokens": usage.all_input() + usage.all_output(),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// `POST /v1/completions`.
fn legacy(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    let body = shapes::body(request)?;
    let model = shapes::model(&body)?;
    let behaviour = Behaviour::of(&model);
    if let Behaviour::Refuse(status) = behaviour {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    let stream = body["stream"] == true;
    read::stream_options(&body)?;
    let prompt = body["prompt"].as_str().unwrap_or_default().to_owned();
    let turn = mind::answer(&super::Asked { model: model.clone(), text: prompt, ..super::Asked::default() });
    let object = |text: &str, reason: Option<&str>| {
        json!({
            "id": "cmpl-scripted", "object": "text_completion", "created": CREATED, "model": model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": reason}],
        })
    };
    if !stream {
        let mut whole = object(&turn.all_text(), Some("stop"));
        whole["usage"] = usage(turn.usage);
        return Ok(script.whole(200, &shapes::HEADERS, whole.to_string()));
    }
    let mut events: Vec<Event> = turn.text.iter().map(|piece| Event::data(&object(piece, None))).collect();
    events.push(Event::data(&object("", Some("stop"))));
    if body["stream_options"]["include_usage"] == true {
        let mut counted = object("", None);
        counted["choices"] = json!([]);
        counted["usage"] = usage(turn.usage);
        events.push(Event::data(&counted));
    }
    events.push(Event::done());
    let stream = Stream { headers: shapes::stream_headers(), frames: script.frames(&events), broken: Vec::new() };
    Ok(script.stream(behaviour, &stream))
}

/// `POST /v1/embeddings`: a vector for each input, as numbers or as base64 of little-endian floats.
fn embeddings(body: &Value) -> Result<Value, Refusal> {
    let model = shapes::model(body)?;
    if let Behaviour::Refuse(status) = Behaviour::of(&model) {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    shapes::required(body, "input")?;
    let inputs = match &body["input"] {
        Value::Array(inputs) => inputs.clone(),
        input => vec![input.clone()],
    };
    let base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Refusal::bad("Invalid value for 'encoding_format'.").param("encoding_format")),
    };
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = mind::vector(input.as_str().unwrap_or_default());
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        let embedding = if base64 { json!(STANDARD.encode(bytes)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let count: u64 = inputs.iter().map(|input| mind::count(input.as_str().unwrap_or_default())).sum();
    let data: Vec<Value> = data.collect();
    let usage = json!({"prompt_tokens": count, "total_tokens": count});
    Ok(json!({"object": "list", "data": data, "model": model, "usage": usage}))
}
