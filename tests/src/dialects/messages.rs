//! Anthropic's dialect, as written: <https://platform.claude.com/docs/en/api/messages> and `/docs/en/api/errors`.

use serde_json::{Value, json};

use super::{
    event::Event,
    messages_read as read,
    mind::{self, Behaviour},
    refusal::Refusal,
    script::{self, Script, Stream},
    turn::{Call, Stop, Turn, Usage},
};
use crate::provider::{Reply, Request};

/// The models it lists.
pub const MODELS: [&str; 3] = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001"];

const REQUEST_ID: (&str, &str) = ("request-id", "req_scripted");
const ORGANIZATION: (&str, &str) = ("anthropic-organization-id", "org-scripted");

/// Answers as Anthropic does: `POST /v1/messages`, `POST /v1/messages/count_tokens`, `GET /v1/models` and below.
pub fn answer(script: &Script, request: &Request) -> Reply {
    respond(script, request).unwrap_or_else(|refusal| refuse(script, &refusal))
}

fn respond(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    read::head(script, request)?;
    let path = script::path(request);
    match (request.method.as_str(), path) {
        ("POST", "/v1/messages") => message(script, request),
        ("POST", "/v1/messages/count_tokens") => {
            let asked = read::body(request, true)?;
            let count = json!({"input_tokens": mind::input_tokens(&asked)});
            Ok(script.whole(200, &[REQUEST_ID], count.to_string()))
        }
        ("GET", "/v1/models") => Ok(script.whole(200, &[REQUEST_ID], list(request).to_string())),
        ("GET", _) if path.starts_with("/v1/models/") => {
            let id = &path["/v1/models/".len()..];
            let known = MODELS.iter().find(|model| **model == id);
            let known = known.ok_or_else(|| Refusal::new(404, format!("model: {id}")))?;
            Ok(script.whole(200, &[REQUEST_ID], model(known).to_string()))
        }
        ("POST" | "GET", _) => Err(Refusal::new(404, "Not Found")),
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    }
}

fn message(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    let asked = read::body(request, false)?;
    let behaviour = Behaviour::of(&asked.model);
    if let Behaviour::Refuse(status) = behaviour {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    let turn = mind::answer(&asked);
    if !asked.stream {
        return match behaviour {
            Behaviour::Stall => Ok(Script::silence()),
            Behaviour::Break => Err(Refusal::new(529, "Overloaded")),
            _ => Ok(script.whole(200, &[REQUEST_ID, ORGANIZATION], whole(&turn, &asked.model).to_string())),
        };
    }
    let overloaded = Event::typed(&error(529, "Overloaded"));
    let stream = Stream {
        headers: vec![
            ("content-type", "text/event-stream; charset=utf-8".to_owned()),
            ("cache-control", "no-cache".to_owned()),
            (REQUEST_ID.0, REQUEST_ID.1.to_owned()),
            (ORGANIZATION.0, ORGANIZATION.1.to_owned()),
        ],
        frames: script.frames(&events(&turn, &asked.model)),
        broken: script.frames(&[overloaded]),
    };
    Ok(script.stream(behaviour, &stream))
}

fn refuse(script: &Script, refusal: &Refusal) -> Reply {
    let mut headers = vec![REQUEST_ID];
    if refusal.status == 429 {
        headers.extend([("retry-after", "7"), ("anthropic-ratelimit-requests-remaining", "0")]);
    }
    script.whole(refusal.status, &headers, error(refusal.status, &refusal.message).to_string())
}

/// An error as Anthropic writes it; as an event of a stream it is the same.
pub fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": REQUEST_ID.1})
}

/// The whole answer.
pub fn whole(turn: &Turn, model: &str) -> Value {
    let mut content = Vec::new();
    if let Some(thought) = &turn.thought {
        content.push(json!({"type": "thinking", "thinking": thought.text, "signature": thought.signature}));
    }
    if !turn.text.is_empty() {
        content.push(json!({"type": "text", "text": turn.all_text()}));
    }
    for call in &turn.calls {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        content.push(tool_use(call, &input));
    }
    json!({
        "id": "msg_scripted", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop_reason(turn.stop), "stop_sequence": null, "usage": usage(turn.usage, turn.usage.all_output()),
    })
}

/// The events of a stream, each named by its type, from `message_start` to `message_stop`.
pub fn events(turn: &Turn, model: &str) -> Vec<Event> {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": "msg_scripted", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(turn.usage, 1),
    }})];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        if index == 0 {
            events.push(json!({"type": "ping"}));
        }
        events
            .extend(deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
        events.push(json!({"type": "content_block_stop", "index": index}));
        index += 1;
    };
    if let Some(thought) = &turn.thought {
        let words = thought.pieces().into_iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece}));
        let signature = json!({"type": "signature_delta", "signature": thought.signature});
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), words.chain([signature]).collect());
    }
    if !turn.text.is_empty() {
        let deltas = turn.text.iter().map(|piece| json!({"type": "text_delta", "text": piece}));
        block(json!({"type": "text", "text": ""}), deltas.collect());
    }
    for call in &turn.calls {
        let pieces = [String::new()].into_iter().chain(call.pieces());
        let deltas = pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
        block(tool_use(call, &json!({})), deltas.collect());
    }
    events.push(json!({
        "type": "message_delta", "delta": {"stop_reason": stop_reason(turn.stop), "stop_sequence": null},
        "usage": {
            "input_tokens": turn.usage.input, "cache_read_input_tokens": turn.usage.cache_read,
            "cache_creation_input_tokens": turn.usage.cache_write + turn.usage.cache_write_1h,
            "output_tokens": turn.usage.all_output(),
            "output_tokens_details": {"thinking_tokens": turn.usage.reasoning},
        },
    }));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(Event::typed).collect()
}

fn tool_use(call: &Call, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": input})
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Tools => "tool_use",
        Stop::Length => "max_tokens",
    }
}

fn usage(usage: Usage, output: u64) -> Value {
    let thinking = usage.reasoning.min(output);
    json!({
        "input_tokens": usage.input, "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output, "output_tokens_details": {"thinking_tokens": thinking}, "service_tier": "standard",
    })
}

fn model(id: &str) -> Value {
    json!({
        "type": "model", "id": id, "display_name": id, "created_at": "2026-03-01T00:00:00Z", "lifecycle": "active",
        "max_input_tokens": 200_000, "max_tokens": 64_000,
    })
}

fn list(request: &Request) -> Value {
    let (limit, after) = (script::query(request, "limit").or(Some("20")), script::query(request, "after_id"));
    let (page, more) = script::page(&MODELS, |id| (*id).to_owned(), limit, after);
    let data: Vec<Value> = page.iter().map(|id| model(id)).collect();
    json!({"data": data, "has_more": more, "first_id": page.first(), "last_id": page.last()})
}
