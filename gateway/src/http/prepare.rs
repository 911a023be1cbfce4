//! From a caller's request to the one that a provider gets: body, name, route, key, headers.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{Extensions, Method, Request, Version, request::Parts};

use super::{
    model_errors::{explain, key_missing},
    query::upstream_uri,
    request_headers::build_upstream_headers,
};
use crate::{
    credential::credential,
    demo,
    error::InferenceError,
    meter::RequestRecorder,
    protocol::{
        routing_fields::{self, BodyError, RoutingFields},
        splice::splice,
    },
    registry::{Protocol, Provider, ProviderId, Target},
    snapshot::Snapshot,
    upstream::{RequestBody, UpstreamOrigin, hop::HopId},
};

/// Reading a body of this size takes so long that other requests of the same worker would feel it.
const BLOCKING_PARSE_MIN: usize = 1 << 20;

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
pub(super) struct Call {
    pub(super) provider: ProviderId,
    pub(super) origin: Arc<UpstreamOrigin>,
    pub(super) request: Option<Request<RequestBody>>,
}

/// What becomes of a request once its route is known.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment; a box would be one more allocation a call")]
pub(super) enum Prepared {
    Demo(demo::Answer),
    Call(Call),
}

/// What the body says of itself; a long one is read where no other request waits for it.
pub(super) async fn read_routing_fields(body: &Bytes) -> Result<RoutingFields<'_>, InferenceError> {
    let head = if body.len() > BLOCKING_PARSE_MIN {
        let body = body.clone();
        let read =
            tokio::task::spawn_blocking(move || routing_fields::read(&body).map(RoutingFields::into_owned)).await;
        // It ends in no other way than a panic of its own, or with the runtime.
        read.map_err(|_| InferenceError::new(InferenceCode::Internal, "the body could not be read"))?
    } else {
        routing_fields::read(body)
    };
    head.map_err(|error| bad_body(&error))
}

/// Makes of a caller's request the one that a provider gets, or says why it is not served.
pub(super) fn prepare(
    snapshot: &Snapshot,
    mut parts: Parts,
    body: &Bytes,
    head: RoutingFields<'_>,
    operation: Operation,
    hop: &HopId,
    recorder: &mut RequestRecorder,
) -> Result<Prepared, InferenceError> {
    recorder.set_model(&head.model, head.stream);
    let route = snapshot.resolve(&head.model).map_err(|refusal| explain(&head.model, refusal, snapshot))?;
    let provider = route.provider;
    if provider.is_demo() {
        let answer = demo::answer(operation, route.model, body)?;
        recorder.set_route(provider.id(), route.model, route.listed.is_some());
        return Ok(Prepared::Demo(answer));
    }
    let target = operation.target(provider).ok_or_else(|| not_spoken(provider))?;
    let auth = match snapshot.keys.key(provider.id()) {
        Some(key) => Some(credential(&target.auth_prefix, key).ok_or_else(|| {
            key_missing(provider, &format!("the key for `{}` cannot stand in an HTTP header", provider.id()))
        })?),
        // The key may have gone since the route was chosen: the snapshot's source answers for itself.
        None if provider.needs_key() => {
            return Err(key_missing(provider, &format!("no key for `{}`", provider.id())));
        }
        None => None,
    };
    recorder.set_route(provider.id(), route.model, route.listed.is_some());
    let pieces = match route.upstream_id() {
        same if same == head.model => [body.clone(), Bytes::new(), Bytes::new()],
        other => splice(body, head.span, other),
    };
    build_upstream_headers(&mut parts.headers, target, auth);
    hop.append(&mut parts.headers, target.user_set, target.origin.is_loopback());
    parts.method = Method::POST;
    // The caller's HTTP/1.0, and whatever its connection put beside the request, is its own.
    parts.version = Version::HTTP_11;
    parts.extensions = Extensions::new();
    parts.uri = upstream_uri(&target.uri, parts.uri.query());
    Ok(Prepared::Call(Call {
        provider: provider.id().clone(),
        origin: Arc::clone(&target.origin),
        request: Some(Request::from_parts(parts, RequestBody::from(pieces))),
    }))
}

fn bad_body(error: &BodyError) -> InferenceError {
    let refusal = InferenceError::new(InferenceCode::InvalidRequest, error.to_string());
    error.param().into_iter().fold(refusal, InferenceError::with_param)
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
