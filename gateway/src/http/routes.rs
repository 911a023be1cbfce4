//! The surface table: which paths there are, with which methods, and what answers them.

use std::{future::ready, pin::Pin, sync::Arc};

use bitrouter_proto::codes::InferenceCode;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};

use super::{
    caller_body::CallerBody,
    context::RequestContext,
    model_errors::loop_detected,
    models,
    own_response::{json_response, set_own_response},
    prepare::Operation,
    proxy::proxy_inference,
    render_error::render_error,
    request_body::{announced_length, too_large},
    response_body::ResponseBody,
};
use crate::{Gateway, error::InferenceError};

/// Where programs reach us when they do not say.
const DEFAULT_HOST: &str = "127.0.0.1:4356";

/// What a path leads to.
enum Endpoint<'a> {
    Inference(Operation),
    Page(Page<'a>),
}

/// What is only read, and reaches no model.
enum Page<'a> {
    Models,
    Model(&'a str),
    Health,
    Ping,
    /// A WebSocket, which nothing here speaks; clients try it and fall back.
    WebSocket,
}

impl<'a> Endpoint<'a> {
    fn at(path: &'a str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Inference(Operation::Chat),
            "/v1/embeddings" => Self::Inference(Operation::Embeddings),
            "/v1/models" => Self::Page(Page::Models),
            "/health" => Self::Page(Page::Health),
            "/ping" => Self::Page(Page::Ping),
            "/v1/responses" => Self::Page(Page::WebSocket),
            _ => Self::Page(Page::Model(path.strip_prefix("/v1/models/").filter(|id| !id.is_empty())?)),
        })
    }
}

/// A response in the making: one allocation, whatever makes it.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

/// Answers one request.
pub(crate) fn handle(gateway: Arc<Gateway>, request: Request<CallerBody>, context: RequestContext) -> ResponseFuture {
    if gateway.hop.is_loop(request.headers()) {
        gateway.usage.refused(InferenceCode::LoopDetected.as_str());
        let refusal = render_error(&loop_detected(&gateway.snapshot()), context.dialect);
        return Box::pin(ready(refusal));
    }
    if let Some(Endpoint::Inference(operation)) = Endpoint::at(request.uri().path())
        && request.method() == Method::POST
    {
        return Box::pin(proxy_inference(gateway, request, operation, context));
    }
    Box::pin(async move {
        handle_page(&gateway, request).await.unwrap_or_else(|error| {
            gateway.usage.refused(error.code().as_str());
            render_error(&error, context.dialect)
        })
    })
}

/// Everything that reaches no model.
async fn handle_page(
    gateway: &Arc<Gateway>,
    request: Request<CallerBody>,
) -> Result<Response<ResponseBody>, InferenceError> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let page = match Endpoint::at(path) {
        Some(Endpoint::Page(page)) => page,
        Some(Endpoint::Inference(_)) => return Err(wrong_method("POST")),
        None => return Err(path_not_found(path, &head.headers)),
    };
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(match page {
            Page::WebSocket => path_not_found(path, &head.headers),
            _ => wrong_method("GET, HEAD"),
        });
    }
    if let Some(length) = announced_length(&head.headers)
        && length > gateway.max_body()
    {
        return Err(too_large(gateway.max_body()));
    }
    drop(body);
    match page {
        Page::Models => Ok(models::list(gateway).await),
        Page::Model(id) => models::retrieve(gateway, id).await,
        Page::Health => Ok(json_response(r#"{"status":"ok"}"#.into())),
        Page::Ping => Ok(pong()),
        Page::WebSocket => Err(no_websocket()),
    }
}

/// The empty answer of `/ping`.
fn pong() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    set_own_response(response.headers_mut(), "text/plain");
    response
}

/// A 426 must say what is spoken instead (RFC 9110 §15.5.22): only this.
fn no_websocket() -> InferenceError {
    InferenceError::new(
        InferenceCode::UpgradeRequired,
        "WebSockets are not supported here; use POST /v1/chat/completions, also for streams",
    )
    .with_header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))
    .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

fn wrong_method(allowed: &'static str) -> InferenceError {
    InferenceError::new(InferenceCode::MethodNotAllowed, format!("this path takes {allowed}"))
        .with_header(header::ALLOW, HeaderValue::from_static(allowed))
}

/// Nothing is there: whoever has the wrong base is told the right one, whoever has the right one what is spoken.
fn path_not_found(path: &str, headers: &HeaderMap) -> InferenceError {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(DEFAULT_HOST);
    let base = format!("http://{host}/v1");
    let message = if path == "/v1" || path.starts_with("/v1/") {
        format!("there is nothing at this path; {base} speaks chat/completions, embeddings and models")
    } else {
        format!("there is nothing at this path; the base URL for OpenAI clients is {base}")
    };
    InferenceError::new(InferenceCode::NotFound, message).with("base_url", base)
}
