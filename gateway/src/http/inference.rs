//! The journey of a call: body, name, route, key, provider, reply.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Uri, Version, response::Parts};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    CloseAfter, InferenceError, RequestId, Started,
    body::{self, NotServed},
    failure::{CallError, passed_on, read_error},
    headers,
    percent::percent_decoded,
    refusal::{explain, key_missing},
    reply::{Reply, Watch},
};
use crate::{
    Gateway, demo,
    meter::Flight,
    protocol::openai::decode,
    registry::{Origin, Protocol, Provider, ProviderId, Target},
    snapshot::{Limits, Snapshot},
    upstream::{RequestBody, UpstreamBody},
};

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Chat,
    Embeddings,
}

impl Operation {
    fn target(self, provider: &Provider) -> Option<&Target> {
        match self {
            Self::Chat => provider.chat(),
            Self::Embeddings => provider.embeddings(),
        }
    }
}

/// A request that is ready for its provider.
struct Call {
    provider: ProviderId,
    origin: Arc<Origin>,
    request: Option<http::Request<RequestBody>>,
    key: Option<SecretString>,
}

/// What becomes of a request once its route is known.
enum Prepared {
    Demo(demo::Answer),
    Call(Box<Call>),
}

/// Serves one inference request.
pub(super) async fn serve(gateway: &Arc<Gateway>, mut request: Request, operation: Operation) -> Response {
    let started = request.extensions().get::<Started>().map_or_else(clock::mono, |started| started.0);
    let id = request.extensions_mut().remove::<RequestId>().map(|id| id.0).unwrap_or_default();
    let close = request.extensions_mut().remove::<CloseAfter>();
    let mut flight = Flight::start(Arc::clone(&gateway.usage), started, id);
    let snapshot = gateway.snapshot();
    let mut call = match prepare(gateway, &snapshot, request, operation, &mut flight).await {
        Ok(Prepared::Call(call)) => call,
        Ok(Prepared::Demo(answer)) => return answer.into_response(flight, Arc::clone(&gateway.interrupt)),
        Err(NotServed::Refused(error)) => {
            flight.refused(error.code(), error.status_code());
            flight.land();
            return error.into_response();
        }
        // Nobody reads this answer; the record says that the caller went away.
        Err(NotServed::CallerLeft) => return Response::new(Body::empty()),
    };
    let outcome = call_provider(gateway, &snapshot.limits, started, &call.origin, &mut call.request).await;
    let Call { provider, key, .. } = *call;
    match outcome {
        Ok(Outcome::Reply { mut parts, body, first }) => {
            flight.answered(parts.status);
            let watch = Watch::new(&gateway.interrupt, &snapshot.limits, started);
            let reply = Reply::new(&mut parts.headers, body, first, watch, flight, provider, close);
            // The provider's HTTP/1.0 is its own: in it the caller would have no mark of the end.
            parts.version = Version::HTTP_11;
            Response::from_parts(parts, Body::new(reply))
        }
        Ok(Outcome::Error { parts, body }) => {
            let (body, whole) = Box::pin(read_error(body, &snapshot.limits, started, &gateway.interrupt)).await;
            flight.answered(parts.status);
            flight.failed(InferenceCode::UpstreamError);
            flight.first_byte();
            flight.land();
            passed_on(parts, &body, whole, &provider, key.as_ref())
        }
        Err(error) => {
            tracing::debug!(%provider, ?error, retryable = error.retryable(), "a call got no reply");
            let error = error.explain(&provider);
            flight.answered(error.status_code());
            flight.failed(error.code());
            flight.land();
            error.into_response()
        }
    }
}

async fn prepare(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    request: Request,
    operation: Operation,
    flight: &mut Flight,
) -> Result<Prepared, NotServed> {
    let (mut parts, incoming) = request.into_parts();
    body::check_encoding(&parts.headers)?;
    let limits = &snapshot.limits;
    let deadline = flight.started() + limits.total;
    let body = body::collect(&parts.headers, incoming, limits.max_body, deadline, &gateway.tasks).await?;
    let head = decode::head(&body).map_err(|error| {
        let refusal = InferenceError::new(InferenceCode::InvalidRequest, error.to_string());
        error.param().into_iter().fold(refusal, InferenceError::param)
    })?;
    flight.asked(&head.model, head.stream);
    let route = snapshot.resolve(&head.model).map_err(|refusal| explain(&head.model, refusal, snapshot))?;
    let provider = route.provider;
    if provider.is_demo() {
        let answer = demo::answer(operation, route.model, &body)?;
        flight.routed(provider.id(), route.model, route.listed.is_some());
        return Ok(Prepared::Demo(answer));
    }
    let target = operation.target(provider).ok_or_else(|| not_spoken(provider))?;
    let key = snapshot.keys.key(provider.id());
    let auth = match key.as_ref() {
        Some(key) => Some(credential(&target.auth_prefix, key).ok_or_else(|| {
            key_missing(provider, &format!("the key for `{}` cannot stand in an HTTP header", provider.id()))
        })?),
        // The key may have gone since the route was chosen: the snapshot's source answers for itself.
        None if provider.needs_key() => {
            return Err(key_missing(provider, &format!("no key for `{}`", provider.id())).into());
        }
        None => None,
    };
    flight.routed(provider.id(), route.model, route.listed.is_some());
    let pieces = match route.upstream_id() {
        same if same == head.model => [body.clone(), Bytes::new(), Bytes::new()],
        other => decode::splice(&body, head.span, other),
    };
    headers::upstream(&mut parts.headers, target, auth);
    let mut request = http::Request::new(RequestBody::from(pieces));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = with_query(&target.uri, parts.uri.query());
    *request.headers_mut() = parts.headers;
    Ok(Prepared::Call(Box::new(Call {
        provider: provider.id().clone(),
        origin: Arc::clone(&target.origin),
        request: Some(request),
        key,
    })))
}

fn not_spoken(provider: &Provider) -> InferenceError {
    let id = provider.id();
    let spoken: Vec<&str> = provider.protocols().iter().map(|protocol| protocol.as_str()).collect();
    let message = format!(
        "`{id}` speaks {} and not {}; a manifest can name an endpoint for it",
        spoken.join(", "),
        Protocol::ChatCompletions
    );
    InferenceError::new(InferenceCode::ProtocolNotSupported, message).with("provider", id.as_str())
}

fn credential(prefix: &str, key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    let mut text = BytesMut::with_capacity(prefix.len() + key.len());
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(key.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(text.freeze()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The provider's path with the caller's query, but for a key in it.
fn with_query(uri: &Uri, query: Option<&str>) -> Uri {
    let Some(query) = query else { return uri.clone() };
    // However the name is spelt: a provider would decode it, and read the caller's key.
    let is_key = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decoded(name).eq_ignore_ascii_case(b"key")
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_key(pair)).collect();
    if kept.is_empty() {
        return uri.clone();
    }
    format!("{}?{}", uri.path(), kept.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

/// What a provider answered.
enum Outcome {
    /// A reply, held until its first body byte was there (`None`: it has no body).
    Reply { parts: Parts, body: UpstreamBody, first: Option<Bytes> },
    /// The head of an error: status and headers are the caller's, however its body fares.
    Error { parts: Parts, body: UpstreamBody },
}

async fn call_provider(
    gateway: &Gateway,
    limits: &Limits,
    started: Instant,
    origin: &Arc<Origin>,
    request: &mut Option<http::Request<RequestBody>>,
) -> Result<Outcome, CallError> {
    if gateway.interrupt.is_set() {
        return Err(CallError::Ending);
    }
    let connected = OnceLock::new();
    let work = async {
        let stand = || _ = connected.set(clock::mono());
        let sent = gateway.pool.send(origin, request, limits.connect, stand).await;
        let (parts, mut body) = sent.map_err(CallError::Upstream)?.into_parts();
        if parts.status.as_u16() >= 400 {
            return Ok(Outcome::Error { parts, body });
        }
        if !parts.status.is_success() {
            return Err(CallError::Status(parts.status.as_u16()));
        }
        loop {
            match body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(first) if !first.is_empty() => {
                        return Ok(Outcome::Reply { parts, body, first: Some(first) });
                    }
                    _ => {}
                },
                // A reply that says it is empty is one; a stream or an unmeasured body without a byte broke off.
                None if headers::says_empty(&parts) => return Ok(Outcome::Reply { parts, body, first: None }),
                Some(Err(_)) | None => return Err(CallError::Interrupted),
            }
        }
    };
    race(gateway, limits, started, &connected, work).await
}

/// Runs `work` within `first_byte` (from the connection on) and `total`, and no longer than the daemon lives.
async fn race<T>(
    gateway: &Gateway,
    limits: &Limits,
    started: Instant,
    connected: &OnceLock<Instant>,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let total_at = started + limits.total;
    let due = || {
        let first_at = connected.get().copied().unwrap_or_else(clock::mono) + limits.first_byte;
        if first_at < total_at { (first_at, "first_byte") } else { (total_at, "total") }
    };
    let mut work = pin!(work);
    let mut ending = pin!(gateway.interrupt.wait());
    let mut alarm = pin!(tokio::time::sleep_until(due().0.into()));
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = &mut alarm => {
                let (at, limit) = due();
                if clock::mono() >= at {
                    return Err(CallError::Late(limit));
                }
                alarm.as_mut().reset(at.into());
            }
            () = &mut ending => return Err(CallError::Ending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_along_without_a_key() {
        let uri: Uri = "/v1/chat/completions".parse().unwrap();
        for (query, expected) in [
            (None, "/v1/chat/completions"),
            (Some("key=secret"), "/v1/chat/completions"),
            (Some("a=1&KEY=x&&b"), "/v1/chat/completions?a=1&b"),
            (Some("k%65y=x&%4B%65%79=y&a%20=1&keys=2&%6b"), "/v1/chat/completions?a%20=1&keys=2&%6b"),
            (Some("%6bey"), "/v1/chat/completions"),
            (Some(""), "/v1/chat/completions"),
        ] {
            assert_eq!(with_query(&uri, query), expected);
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_no_credential() {
        let value = credential("Bearer ", &SecretString::from("k")).unwrap();
        assert!(value == "Bearer k" && value.is_sensitive());
        assert!(credential("", &SecretString::from("a\nb")).is_none());
    }
}
