//! OpenAI's Responses API, as written: <https://platform.openai.com/docs/api-reference/responses> and
//! `/responses-streaming`.

use serde_json::{Value, json};

use super::{
    event::Event,
    mind::{self, Behaviour},
    openai_shapes as shapes,
    refusal::Refusal,
    responses_read as read, responses_store as store,
    script::{self, Script, Stream},
    turn::{Call, Stop, Thought, Turn, Usage},
};
use crate::provider::{Reply, Request};

pub(super) const CREATED: u64 = 1_770_000_000;
const FAILURE: &str = "The server had an error processing your request. Sorry about that!";

/// Whether a request is for this part of OpenAI.
pub fn is_for(request: &Request) -> bool {
    let path = script::path(request);
    path == "/v1/responses" || path.starts_with("/v1/responses/")
}

/// Answers `POST /v1/responses`, `POST /v1/responses/input_tokens`, and what leads to a stored response.
pub fn answer(script: &Script, request: &Request) -> Reply {
    respond(script, request).unwrap_or_else(|refusal| shapes::refuse(script, &refusal))
}

fn respond(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    shapes::key(script, request)?;
    let path = script::path(request);
    let whole = |body: &Value| script.whole(200, &shapes::HEADERS, body.to_string());
    match (request.method.as_str(), path) {
        ("POST", "/v1/responses") => create(script, request),
        ("POST", "/v1/responses/input_tokens") => {
            let asked = read::body(&shapes::body(request)?, &script.stored())?;
            Ok(whole(&json!({"object": "response.input_tokens", "input_tokens": mind::input_tokens(&asked)})))
        }
        (method, path) => {
            let found = store::answer(&mut script.stored(), method, &path["/v1/responses".len()..], request);
            let unknown = || Refusal::new(404, format!("Invalid URL ({method} {path})"));
            Ok(whole(&found.unwrap_or_else(|| Err(unknown()))?))
        }
    }
}

fn create(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    let body = shapes::body(request)?;
    let mut stored = script.stored();
    let asked = read::body(&body, &stored)?;
    let behaviour = Behaviour::of(&asked.model);
    if let Behaviour::Refuse(status) = behaviour {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    let turn = mind::answer(&asked);
    let id = stored.next_id();
    let mut response = whole(&turn, &asked.model, &id);
    response["previous_response_id"] = body["previous_response_id"].clone();
    let keep = body["store"] != false;
    response["store"] = json!(keep);
    let encrypted = body["include"].as_array().is_some_and(|all| all.contains(&json!("reasoning.encrypted_content")));
    if !encrypted {
        strip_encrypted(&mut response);
    }
    if keep && behaviour == Behaviour::Answer {
        stored.keep(&id, &response, &body["input"]);
    }
    drop(stored);
    if !asked.stream {
        return match behaviour {
            Behaviour::Stall => Ok(Script::silence()),
            Behaviour::Break => Err(Refusal::new(500, FAILURE)),
            _ => Ok(script.whole(200, &shapes::HEADERS, response.to_string())),
        };
    }
    let events = events_of(&turn, &response);
    let broken = failure(&response, events.len() / 2);
    let frames = script.frames(&events);
    let stream = Stream { headers: shapes::stream_headers(), frames, broken: script.frames(&broken) };
    Ok(script.stream(behaviour, &stream))
}

fn strip_encrypted(response: &mut Value) {
    for item in response["output"].as_array_mut().into_iter().flatten() {
        item.as_object_mut().map(|item| item.remove("encrypted_content"));
    }
}

/// The whole answer, with what was thought encrypted (as `include` asks for it).
pub fn whole(turn: &Turn, model: &str, id: &str) -> Value {
    let mut response = frame(model, id);
    response["status"] = json!(if turn.stop == Stop::Length { "incomplete" } else { "completed" });
    if turn.stop == Stop::Length {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    response["completed_at"] = json!(CREATED + 1);
    response["output"] = output(turn, id);
    response["usage"] = usage(turn.usage);
    response
}

/// The events of a stream, from `response.created` to the last one.
pub fn events(turn: &Turn, model: &str, id: &str) -> Vec<Event> {
    events_of(turn, &whole(turn, model, id))
}

/// The events that end a stream whose provider failed, numbered from `sequence`.
pub fn failure(response: &Value, sequence: usize) -> Vec<Event> {
    let mut failed = response.clone();
    failed["status"] = json!("failed");
    failed["output"] = json!([]);
    failed["usage"] = Value::Null;
    failed["error"] = json!({"code": "server_error", "message": FAILURE});
    let error = json!({"type": "server_error", "code": "server_error", "message": FAILURE, "param": null});
    vec![
        Event::typed(&json!({"type": "error", "sequence_number": sequence, "error": error})),
        Event::typed(&json!({"type": "response.failed", "sequence_number": sequence + 1, "response": failed})),
    ]
}

/// A response before anything was said.
fn frame(model: &str, id: &str) -> Value {
    json!({
        "id": id, "object": "response", "created_at": CREATED, "status": "in_progress", "background": false,
        "completed_at": null, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": null, "max_tool_calls": null, "model": model, "output": [], "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null}, "service_tier": "default",
        "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": null,
        "user": null, "metadata": {},
    })
}

fn reasoning_id(id: &str) -> String {
    id.replace("resp_", "rs_")
}

fn message_id(id: &str) -> String {
    id.replace("resp_", "msg_")
}

fn call_item_id(id: &str, number: usize) -> String {
    format!("{}{number}", id.replace("resp_", "fc_"))
}

fn reasoning(thought: &Thought, id: &str) -> Value {
    let summary = json!([{"type": "summary_text", "text": thought.text}]);
    json!({"id": reasoning_id(id), "type": "reasoning", "summary": summary, "encrypted_content": thought.signature})
}

fn message(turn: &Turn, id: &str) -> Value {
    json!({
        "id": message_id(id), "type": "message", "status": "completed", "role": "assistant",
        "content": [output_text(&turn.all_text())],
    })
}

fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn call_item(call: &Call, id: &str, number: usize) -> Value {
    json!({
        "id": call_item_id(id, number), "type": "function_call", "status": "completed",
        "call_id": format!("call_{}", call.id), "name": call.name, "arguments": call.arguments,
    })
}

fn output(turn: &Turn, id: &str) -> Value {
    let mut items: Vec<Value> = turn.thought.iter().map(|thought| reasoning(thought, id)).collect();
    if !turn.text.is_empty() {
        items.push(message(turn, id));
    }
    items.extend(turn.calls.iter().enumerate().map(|(number, call)| call_item(call, id, number)));
    json!(items)
}

/// OpenAI's count: the cache is a part of the input, what was thought one of the output.
fn usage(usage: Usage) -> Value {
    let written = usage.cache_write + usage.cache_write_1h;
    json!({
        "input_tokens": usage.all_input(),
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "output_tokens": usage.all_output(), "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.all_input() + usage.all_output(),
    })
}

/// Collects events and numbers them.
struct Events {
    events: Vec<Event>,
    item: usize,
}

impl Events {
    fn push(&mut self, kind: &str, mut members: Value) {
        members["type"] = json!(kind);
        members["sequence_number"] = json!(self.events.len());
        self.events.push(Event::typed(&members));
    }

    /// What concerns the present item.
    fn of_item(&mut self, kind: &str, item_id: &Value, mut members: Value) {
        members["item_id"] = item_id.clone();
        members["output_index"] = json!(self.item);
        self.push(kind, members);
    }

    /// An item, from its first shape to its last, with what `body` pushes between.
    fn item(&mut self, first: &Value, last: &Value, body: impl FnOnce(&mut Self)) {
        self.push("response.output_item.added", json!({"output_index": self.item, "item": first}));
        body(self);
        self.push("response.output_item.done", json!({"output_index": self.item, "item": last}));
        self.item += 1;
    }
}

fn events_of(turn: &Turn, response: &Value) -> Vec<Event> {
    let (model, id) = (response["model"].as_str().unwrap_or_default(), response["id"].as_str().unwrap_or_default());
    let begun = {
        let mut begun = frame(model, id);
        begun["store"] = response["store"].clone();
        begun["previous_response_id"] = response["previous_response_id"].clone();
        begun
    };
    let mut events = Events { events: Vec::new(), item: 0 };
    events.push("response.created", json!({"response": begun}));
    events.push("response.in_progress", json!({"response": begun}));
    for item in response["output"].as_array().into_iter().flatten() {
        match item["type"].as_str().unwrap_or_default() {
            "reasoning" => reasoning_events(&mut events, turn, item),
            "message" => message_events(&mut events, turn, item),
            _ => call_events(&mut events, turn, item),
        }
    }
    let end = if turn.stop == Stop::Length { "response.incomplete" } else { "response.completed" };
    events.push(end, json!({"response": response}));
    events.events
}

fn reasoning_events(events: &mut Events, turn: &Turn, item: &Value) {
    let mut first = item.clone();
    first["summary"] = json!([]);
    let thought = turn.thought.clone().unwrap_or_else(|| Thought::new(""));
    let part = |text: &str| json!({"summary_index": 0, "part": {"type": "summary_text", "text": text}});
    events.item(&first, item, |events| {
        events.of_item("response.reasoning_summary_part.added", &item["id"], part(""));
        for piece in thought.pieces() {
            let delta = json!({"summary_index": 0, "delta": piece});
            events.of_item("response.reasoning_summary_text.delta", &item["id"], delta);
        }
        let done = json!({"summary_index": 0, "text": thought.text});
        events.of_item("response.reasoning_summary_text.done", &item["id"], done);
        events.of_item("response.reasoning_summary_part.done", &item["id"], part(&thought.text));
    });
}

fn message_events(events: &mut Events, turn: &Turn, item: &Value) {
    let mut first = item.clone();
    first["status"] = json!("in_progress");
    first["content"] = json!([]);
    events.item(&first, item, |events| {
        let part = |text: &str| json!({"content_index": 0, "part": output_text(text)});
        events.of_item("response.content_part.added", &item["id"], part(""));
        for piece in &turn.text {
            let delta = json!({"content_index": 0, "delta": piece, "logprobs": []});
            events.of_item("response.output_text.delta", &item["id"], delta);
        }
        let done = json!({"content_index": 0, "text": turn.all_text(), "logprobs": []});
        events.of_item("response.output_text.done", &item["id"], done);
        events.of_item("response.content_part.done", &item["id"], part(&turn.all_text()));
    });
}

fn call_events(events: &mut Events, turn: &Turn, item: &Value) {
    let mut first = item.clone();
    first["status"] = json!("in_progress");
    first["arguments"] = json!("");
    let call = turn.calls.iter().find(|call| item["call_id"] == format!("call_{}", call.id));
    events.item(&first, item, |events| {
        for piece in call.map(Call::pieces).unwrap_or_default() {
            events.of_item("response.function_call_arguments.delta", &item["id"], json!({"delta": piece}));
        }
        let done = json!({"arguments": item["arguments"], "name": item["name"]});
        events.of_item("response.function_call_arguments.done", &item["id"], done);
    });
}
