//! Which paths there are besides those of the surface table, and what answers each.

use std::{future::ready, pin::Pin, sync::Arc};

use bitrouter_proto::{VERSION, account::Scope, codes::InferenceCode};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use serde_json::json;

use super::{
    caller_body::CallerBody,
    context::{Caller, RequestContext},
    model_errors::loop_detected,
    models,
    own_response::{json_response, set_own_response},
    proxy::proxy_inference,
    render_error::render_error,
    request_body::{announced_length, too_large},
    response_body::ResponseBody,
    run::proxy_within_run,
    surface::{self, dialect_of},
};
use crate::{Gateway, error::InferenceError, protocol::Dialect};

/// Where programs reach us when they do not say.
const DEFAULT_HOST: &str = "127.0.0.1:4356";

/// What is only read, and reaches no model.
enum Page<'a> {
    Root,
    Models,
    Model(&'a str),
    Health,
    Ping,
}

impl<'a> Page<'a> {
    fn at(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Self::Root,
            "/v1/models" | "/v1beta/models" => Self::Models,
            "/health" => Self::Health,
            "/ping" => Self::Ping,
            _ => {
                let name = path.strip_prefix("/v1/models/").or_else(|| path.strip_prefix("/v1beta/models/"));
                Self::Model(name.filter(|name| !name.is_empty())?)
            }
        })
    }

    /// True where a model is asked to do what no model here can: behind a colon Google's paths name a method, and this one
    /// is not in the surface table.
    fn is_called(&self, method: &Method, path: &str) -> bool {
        matches!(self, Self::Model(name) if name.contains(':'))
            && method == Method::POST
            && path.starts_with("/v1beta/")
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
    let refuse = |error: InferenceError| -> ResponseFuture {
        gateway.usage.refused(error.code().as_str());
        Box::pin(ready(render_error(&error, context.dialect)))
    };
    match surface::find(request.method(), request.uri().path()) {
        Some(Ok(_)) if !may_call_models(context.caller) => return refuse(missing_scope()),
        Some(Ok(found)) => {
            return match gateway.admission.run_of(context.caller) {
                None => Box::pin(proxy_inference(gateway, request, found, context)),
                Some(run) => Box::pin(proxy_within_run(gateway, request, found, context, run)),
            };
        }
        Some(Err(_)) if is_websocket(&request) => return refuse(no_websocket()),
        Some(Err(allowed)) => return refuse(wrong_method(&allowed)),
        None => {}
    }
    Box::pin(async move {
        handle_page(&gateway, request, &context).await.unwrap_or_else(|error| {
            gateway.usage.refused(error.code().as_str());
            render_error(&error, context.dialect)
        })
    })
}

/// Whether `caller` may have a model work: a program of the daemon's own user, or who holds the scope for it.
pub(super) fn may_call_models(caller: Caller) -> bool {
    match caller {
        Caller::Keyless { .. } => true,
        Caller::Credential(principal) => principal.scopes.contains(Scope::InferenceInvoke),
        Caller::Operator(_) | Caller::Anyone => false,
    }
}

/// The refusal of a caller who was not given [`Scope::InferenceInvoke`], or may not use it now.
pub fn missing_scope() -> InferenceError {
    let message = format!("missing required scope: {}", Scope::InferenceInvoke.as_str());
    InferenceError::new(InferenceCode::MissingScope, message)
}

/// Everything that reaches no model.
async fn handle_page(
    gateway: &Arc<Gateway>,
    request: Request<CallerBody>,
    context: &RequestContext,
) -> Result<Response<ResponseBody>, InferenceError> {
    let (dialect, caller) = (context.dialect, context.caller);
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let page = Page::at(path).filter(|page| !page.is_called(&head.method, path));
    let page = page.ok_or_else(|| path_not_found(path, &head.headers))?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(wrong_method("GET, HEAD"));
    }
    // It is of no namespace: what could be called is nothing to it.
    if matches!((&page, context.caller), (Page::Models | Page::Model(_), Caller::Operator(_))) {
        return Err(missing_scope());
    }
    if let Some(length) = announced_length(&head.headers)
        && length > gateway.max_body()
    {
        return Err(too_large(gateway.max_body()));
    }
    drop(body);
    match page {
        Page::Root => Ok(json_response(json!({ "name": "bitrouter", "version": VERSION }).to_string().into_bytes())),
        Page::Models => models::list(gateway, caller, dialect, head.uri.query().unwrap_or_default()).await,
        Page::Model(name) => models::retrieve(gateway, caller, dialect, name).await,
        Page::Health => {
            gateway.admission.settled().await;
            Ok(json_response(r#"{"status":"ok"}"#.into()))
        }
        Page::Ping => Ok(pong()),
    }
}

/// The empty answer of `/ping`.
fn pong() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    set_own_response(response.headers_mut(), "text/plain");
    response
}

/// A WebSocket, which nothing here speaks; clients try it and fall back.
fn is_websocket<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/v1/responses" && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// A 426 must say what is spoken instead (RFC 9110 §15.5.22): only this.
fn no_websocket() -> InferenceError {
    InferenceError::new(
        InferenceCode::UpgradeRequired,
        "WebSockets are not supported here; use POST /v1/responses, also for streams",
    )
    .with_header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))
    .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

fn wrong_method(allowed: &str) -> InferenceError {
    let error = InferenceError::new(InferenceCode::MethodNotAllowed, format!("this path takes {allowed}"));
    // Names of methods are a header value.
    HeaderValue::from_str(allowed).into_iter().fold(error, |error, value| error.with_header(header::ALLOW, value))
}

/// Nothing is there: whoever has the wrong base is told the right one, whoever has the right one what is spoken.
fn path_not_found(path: &str, headers: &HeaderMap) -> InferenceError {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(DEFAULT_HOST);
    let (openai, root) = (format!("http://{host}/v1"), format!("http://{host}"));
    let (base, message) = match dialect_of(path, headers) {
        Dialect::Messages => (
            root.clone(),
            format!("the base URL for Anthropic's clients is {root}; it speaks v1/messages and v1/models"),
        ),
        Dialect::GenerateContent => (
            root.clone(),
            format!(
                "the base URL for Google's clients is {root}; it speaks v1beta/models/MODEL:generateContent and the like"
            ),
        ),
        Dialect::ChatCompletions | Dialect::Responses if path == "/v1" || path.starts_with("/v1/") => (
            openai.clone(),
            format!("{openai} speaks chat/completions, completions, embeddings, responses, messages and models"),
        ),
        Dialect::ChatCompletions | Dialect::Responses => {
            (openai.clone(), format!("the base URL for OpenAI's clients is {openai}"))
        }
    };
    InferenceError::new(InferenceCode::NotFound, format!("there is nothing at this path; {message}"))
        .with("base_url", base)
}
