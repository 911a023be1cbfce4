//! What OpenAI's two dialects have in common: errors, headers, keys, models.
//! <https://platform.openai.com/docs/api-reference> and `/docs/guides/error-codes`.

use serde_json::{Value, json};

use super::{refusal::Refusal, script::Script};
use crate::provider::{Reply, Request};

/// The models it lists.
pub const MODELS: [&str; 3] = ["gpt-5.5", "gpt-5.5-mini", "text-embedding-3-small"];

/// Headers of every answer.
pub(super) const HEADERS: [(&str, &str); 4] = [
    ("x-request-id", "req_scripted"),
    ("openai-version", "2020-10-01"),
    ("openai-processing-ms", "5"),
    ("x-ratelimit-remaining-requests", "99"),
];

/// The headers of a stream.
pub(super) fn stream_headers() -> Vec<(&'static str, String)> {
    let kind = [("content-type", "text/event-stream; charset=utf-8")];
    kind.into_iter().chain(HEADERS).map(|(name, value)| (name, value.to_owned())).collect()
}

/// Checks the key.
pub(super) fn key(script: &Script, request: &Request) -> Result<(), Refusal> {
    let Some(key) = request.key() else {
        return Err(Refusal::new(401, "You didn't provide an API key."));
    };
    if script.wanted_key().is_some_and(|wanted| wanted != key) {
        return Err(Refusal::new(401, "Incorrect API key provided.").code("invalid_api_key"));
    }
    Ok(())
}

/// The body, which must be a JSON object that says it is JSON.
pub(super) fn body(request: &Request) -> Result<Value, Refusal> {
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::bad(
            "Unsupported content type. This API method only accepts 'application/json' requests.",
        ));
    }
    let body: Option<Value> = serde_json::from_slice(&request.body).ok().filter(Value::is_object);
    body.ok_or_else(|| Refusal::bad("We could not parse the JSON body of your request."))
}

/// The model, which must be there.
pub(super) fn model(body: &Value) -> Result<String, Refusal> {
    let model = body["model"].as_str().map(str::to_owned);
    model.ok_or_else(|| Refusal::bad("you must provide a model parameter").param("model"))
}

/// A member that must be there.
pub(super) fn required(body: &Value, name: &str) -> Result<(), Refusal> {
    if !body[name].is_null() {
        return Ok(());
    }
    let message = format!("Missing required parameter: '{name}'.");
    Err(Refusal::bad(message).param(name).code("missing_required_parameter"))
}

/// An error as OpenAI writes it.
pub fn error(refusal: &Refusal) -> Value {
    let (kind, code) = match refusal.status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        403 => ("invalid_request_error", Some("unsupported_country_region_territory")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    let code = refusal.code.or(code);
    json!({"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}})
}

/// A refusal on the wire.
pub(super) fn refuse(script: &Script, refusal: &Refusal) -> Reply {
    let mut headers = HEADERS.to_vec();
    if refusal.status == 429 {
        headers.push(("retry-after", "7"));
    }
    script.whole(refusal.status, &headers, error(refusal).to_string())
}

/// Answers `GET /v1/models` and one model below it.
pub(super) fn models(path: &str) -> Option<Result<Value, Refusal>> {
    let rest = path.strip_prefix("/v1/models")?;
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_770_000_000, "owned_by": "scripted"});
    let Some(id) = rest.strip_prefix('/') else {
        let data: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
        return Some(Ok(json!({"object": "list", "data": data})));
    };
    let missing =
        || Refusal::new(404, format!("The model '{id}' does not exist")).param("model").code("model_not_found");
    Some(MODELS.iter().find(|known| **known == id).map(|id| model(id)).ok_or_else(missing))
}
