//! Google's dialect, as written: <https://ai.google.dev/api/generate-content>, `/api/tokens`, `/api/embeddings`,
//! `/api/models`; errors: <https://cloud.google.com/apis/design/errors>. A stream is an array of answers, or events
//! with `alt=sse`.

use serde_json::{Value, json};

use super::{
    event::Event,
    google_read as read,
    mind::{self, Asked, Behaviour},
    refusal::Refusal,
    script::{self, Script, Stream},
    turn::{Stop, Turn, Usage},
};
use crate::provider::{Reply, Request};

/// The models it lists.
pub const MODELS: [&str; 3] = ["gemini-3.5-pro", "gemini-3.5-flash", "gemini-embedding-001"];

/// Answers `models/{model}:{verb}` with each of the five verbs, the list of models and one of it, below `/v1beta` and
/// `/v1`.
pub fn answer(script: &Script, request: &Request) -> Reply {
    respond(script, request).unwrap_or_else(|refusal| {
        let mut body = error(refusal.status, &refusal.message, refusal.code);
        // Where an array was asked for, its only element is the error.
        if script::path(request).ends_with(":streamGenerateContent") && script::query(request, "alt") != Some("sse") {
            body = json!([body]);
        }
        script.whole(refusal.status, &[("vary", "Origin, X-Origin, Referer")], body.to_string())
    })
}

fn respond(script: &Script, request: &Request) -> Result<Reply, Refusal> {
    read::key(script, request)?;
    if let Some(alt) = script::query(request, "alt").filter(|alt| !["sse", "json"].contains(alt)) {
        return Err(Refusal::bad(format!("Invalid value \"{alt}\" for \"alt\"")));
    }
    let path = script::path(request);
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"));
    let rest = rest.ok_or_else(|| Refusal::new(404, "Requested entity was not found."))?;
    let whole = |body: &Value| Ok(script.whole(200, &[], body.to_string()));
    if request.method == "GET" {
        return whole(&models(request, rest)?);
    }
    let unknown = || Refusal::new(404, format!("models/{rest} is not found"));
    let (name, verb) = rest.strip_prefix("models/").and_then(|rest| rest.rsplit_once(':')).ok_or_else(unknown)?;
    let body = read::body(request, name, verb)?;
    if let Behaviour::Refuse(status) = Behaviour::of(name) {
        return Err(Refusal::new(status, format!("scripted refusal {status}")));
    }
    match verb {
        "generateContent" | "streamGenerateContent" => generate(script, request, name, &read::asked(&body, name)?),
        "countTokens" => {
            let nested = &body["generateContentRequest"];
            let asked = read::asked(if nested.is_null() { &body } else { nested }, name)?;
            let count = mind::input_tokens(&asked);
            let details = json!([{"modality": "TEXT", "tokenCount": count}]);
            whole(&json!({"totalTokens": count, "promptTokensDetails": details}))
        }
        "embedContent" => whole(&json!({"embedding": embedding(&body)})),
        "batchEmbedContents" => {
            let requests = body["requests"].as_array().into_iter().flatten();
            whole(&json!({"embeddings": requests.map(embedding).collect::<Vec<_>>()}))
        }
        _ => Err(unknown()),
    }
}

fn generate(script: &Script, request: &Request, model: &str, asked: &Asked) -> Result<Reply, Refusal> {
    let behaviour = Behaviour::of(model);
    let turn = mind::answer(asked);
    if !script::path(request).ends_with(":streamGenerateContent") {
        return match behaviour {
            Behaviour::Stall => Ok(Script::silence()),
            Behaviour::Break => Err(Refusal::new(503, "The model is overloaded. Please try again later.")),
            _ => Ok(script.whole(200, &[], whole(&turn, model).to_string())),
        };
    }
    let broken = error(503, "The model is overloaded. Please try again later.", None);
    let answers = answers(&turn, model);
    let stream = if script::query(request, "alt") == Some("sse") {
        Stream {
            headers: vec![("content-type", "text/event-stream".to_owned())],
            frames: script.frames(&answers.iter().map(Event::data).collect::<Vec<_>>()),
            broken: script.frames(&[Event::data(&broken)]),
        }
    } else {
        Stream {
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
            frames: array(&answers),
            broken: vec![format!(",\r\n{broken}"), "\n]".to_owned()],
        }
    };
    Ok(script.stream(behaviour, &stream))
}

/// The pieces in which a stream brings an array: each answer with what stands before it, and the end.
pub fn array(answers: &[Value]) -> Vec<String> {
    let before = |number: usize| if number == 0 { "[" } else { ",\r\n" };
    let answers = answers.iter().enumerate().map(|(number, answer)| format!("{}{answer}", before(number)));
    answers.chain(["\n]".to_owned()]).collect()
}

/// An error as Google writes it; as an element of a stream it is the same.
pub fn error(status: u16, message: &str, reason: Option<&str>) -> Value {
    let name = match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let info = |reason| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]);
    let mut error = json!({"error": {"code": status, "message": message, "status": name}});
    if let Some(reason) = reason {
        error["error"]["details"] = info(reason);
    }
    if status == 429 {
        error["error"]["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]);
    }
    error
}

/// The whole answer.
pub fn whole(turn: &Turn, model: &str) -> Value {
    let parts: Vec<Value> = thoughts(turn).into_iter().chain(said(turn)).chain(calls(turn)).collect();
    reply(turn, model, &parts, Some(finish_reason(turn.stop)))
}

/// The elements of a stream: the last one has the `finishReason`, each one the usage so far.
pub fn answers(turn: &Turn, model: &str) -> Vec<Value> {
    let mut parts: Vec<Vec<Value>> = Vec::new();
    if let Some(thought) = &turn.thought {
        parts.extend(thought.pieces().into_iter().map(|piece| vec![json!({"text": piece, "thought": true})]));
    }
    parts.extend(turn.text.iter().map(|piece| vec![json!({"text": piece})]));
    // A signature that belongs to no call comes behind the text, in a part of its own.
    if let (Some(thought), true) = (&turn.thought, turn.calls.is_empty()) {
        parts.push(vec![json!({"text": "", "thoughtSignature": thought.signature})]);
    }
    if !turn.calls.is_empty() {
        parts.push(calls(turn));
    }
    let last = parts.len().saturating_sub(1);
    let answers = parts
        .iter()
        .enumerate()
        .map(|(number, parts)| reply(turn, model, parts, (number == last).then_some(finish_reason(turn.stop))));
    answers.collect()
}

/// [`answers`] as events.
pub fn events(turn: &Turn, model: &str) -> Vec<Event> {
    answers(turn, model).iter().map(Event::data).collect()
}

fn reply(turn: &Turn, model: &str, parts: &[Value], reason: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    // Before the end the last counts are not known.
    let usage = if reason.is_some() { turn.usage } else { Usage { output: 1, ..turn.usage } };
    json!({
        "candidates": [candidate], "usageMetadata": usage_metadata(usage), "modelVersion": model, "responseId": "scripted",
    })
}

fn thoughts(turn: &Turn) -> Vec<Value> {
    turn.thought.iter().map(|thought| json!({"text": thought.text, "thought": true})).collect()
}

fn said(turn: &Turn) -> Vec<Value> {
    if turn.text.is_empty() {
        return Vec::new();
    }
    let mut part = json!({"text": turn.all_text()});
    if let (Some(thought), true) = (&turn.thought, turn.calls.is_empty()) {
        part["thoughtSignature"] = json!(thought.signature);
    }
    vec![part]
}

/// The calls; the first of them carries the signature.
fn calls(turn: &Turn) -> Vec<Value> {
    let calls = turn.calls.iter().enumerate().map(|(number, call)| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": arguments}});
        if let (Some(thought), 0) = (&turn.thought, number) {
            part["thoughtSignature"] = json!(thought.signature);
        }
        part
    });
    calls.collect()
}

fn finish_reason(stop: Stop) -> &'static str {
    if stop == Stop::Length { "MAX_TOKENS" } else { "STOP" }
}

/// Google's count: the cache is a part of the prompt, what was thought stands beside the candidates.
fn usage_metadata(usage: Usage) -> Value {
    let prompt = usage.all_input();
    let mut counted = json!({
        "promptTokenCount": prompt, "candidatesTokenCount": usage.output,
        "totalTokenCount": prompt + usage.all_output(),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    });
    if usage.cache_read > 0 {
        counted["cachedContentTokenCount"] = json!(usage.cache_read);
    }
    if usage.reasoning > 0 {
        counted["thoughtsTokenCount"] = json!(usage.reasoning);
    }
    counted
}

fn embedding(request: &Value) -> Value {
    let parts = request["content"]["parts"].as_array().into_iter().flatten();
    let text: String = parts.filter_map(|part| part["text"].as_str()).collect();
    json!({"values": mind::vector(&text)})
}

fn model(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"), "version": "001", "displayName": id, "description": "scripted",
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

fn models(request: &Request, rest: &str) -> Result<Value, Refusal> {
    if let Some(id) = rest.strip_prefix("models/") {
        let known = MODELS.iter().find(|model| **model == id);
        return known.map(|id| model(id)).ok_or_else(|| Refusal::new(404, format!("Model is not found: models/{id}")));
    }
    if rest != "models" {
        return Err(Refusal::new(404, "Requested entity was not found."));
    }
    let (size, after) = (script::query(request, "pageSize").or(Some("50")), script::query(request, "pageToken"));
    let (page, more) = script::page(&MODELS, |id| (*id).to_owned(), size, after);
    let mut list = json!({"models": page.iter().map(|id| model(id)).collect::<Vec<_>>()});
    if more {
        list["nextPageToken"] = json!(page.last());
    }
    Ok(list)
}
