//! Paths and methods. One small table by hand: every answer, the refusals too, is JSON of the caller's dialect.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Method, header};

use super::{
    InferenceError, body, headers,
    inference::{Operation, serve},
    models,
};
use crate::Gateway;

/// Where programs reach us when they do not say.
const DEFAULT_HOST: &str = "127.0.0.1:4356";

/// What a path leads to.
enum Place<'a> {
    Inference(Operation),
    Models,
    Model(&'a str),
    Health,
    Ping,
    /// The listener's own page: only what it leaves to us comes here.
    Metrics,
    /// Only a WebSocket would be spoken here.
    WebSocket,
}

/// The routes.
pub(crate) fn surface(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(routed).with_state(gateway)
}

fn place(path: &str) -> Option<Place<'_>> {
    Some(match path {
        "/v1/chat/completions" => Place::Inference(Operation::Chat),
        "/v1/embeddings" => Place::Inference(Operation::Embeddings),
        "/v1/models" => Place::Models,
        "/health" => Place::Health,
        "/ping" => Place::Ping,
        "/metrics" => Place::Metrics,
        "/v1/responses" => Place::WebSocket,
        _ => Place::Model(path.strip_prefix("/v1/models/").filter(|id| !id.is_empty())?),
    })
}

async fn routed(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, request).await
}

/// Answers one request.
pub(crate) async fn answer(gateway: Arc<Gateway>, request: Request) -> Response {
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let place = place(request.uri().path());
    if let Some(Place::Inference(operation)) = place
        && request.method() == Method::POST
    {
        return serve(&gateway, request, operation).await;
    }
    // Too large comes before unknown, also where nobody would read it.
    let oversized = body::announced(request.headers()).filter(|length| *length > gateway.max_body());
    let result = match place {
        _ if oversized.is_some() => Err(body::too_large(gateway.max_body())),
        Some(Place::Inference(_)) => Err(wrong_method("POST")),
        Some(Place::Models) if reading => Ok(Box::pin(models::list(&gateway)).await),
        Some(Place::Model(id)) if reading => Box::pin(models::retrieve(&gateway, id)).await,
        Some(Place::Health) if reading => Ok(json(r#"{"status":"ok"}"#.into())),
        Some(Place::Ping) if reading => Ok(pong()),
        Some(Place::Metrics) if reading => Err(unknown(&request)),
        Some(Place::Models | Place::Model(_) | Place::Health | Place::Ping | Place::Metrics) => {
            Err(wrong_method("GET, HEAD"))
        }
        Some(Place::WebSocket) if reading => Err(no_websocket()),
        Some(Place::WebSocket) | None => Err(unknown(&request)),
    };
    result.unwrap_or_else(|error| {
        gateway.usage.refused(error.code().as_str());
        error.into_response()
    })
}

/// The empty answer of `/ping`.
fn pong() -> Response {
    let mut response = Response::new(Body::empty());
    headers::own(response.headers_mut(), "text/plain");
    response
}

/// A JSON document as a response.
pub(super) fn json(document: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(document));
    headers::own(response.headers_mut(), "application/json");
    response
}

/// A 426 must say what is spoken instead (RFC 9110 §15.5.22): only this.
fn no_websocket() -> InferenceError {
    InferenceError::new(
        InferenceCode::UpgradeRequired,
        "WebSockets are not supported here; use POST /v1/chat/completions, also for streams",
    )
    .header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))
    .header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

fn wrong_method(allowed: &'static str) -> InferenceError {
    InferenceError::new(InferenceCode::MethodNotAllowed, format!("this path takes {allowed}"))
        .header(header::ALLOW, HeaderValue::from_static(allowed))
}

fn unknown(request: &Request) -> InferenceError {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(DEFAULT_HOST);
    let base = format!("http://{host}/v1");
    InferenceError::new(
        InferenceCode::NotFound,
        format!("there is nothing at this path; the base URL for OpenAI clients is {base}"),
    )
    .with("base_url", base)
}
