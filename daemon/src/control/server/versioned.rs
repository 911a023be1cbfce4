//! Around every call: version metadata both ways, the protocol check, who may call it, and errors that always carry their
//! reason.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bitrouter_proto::{PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER, codes::Reason};
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic_types::StatusExt as _;
use tower_service::Service as _;

use super::{
    body_budget::InboundBodyBudget,
    eviction::{ConnectionUse, ResponseGuard},
};
use crate::{
    control::{
        access::{self, PeerClass},
        error,
    },
    control_peer::ControlPeer,
};

/// The services of one daemon. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct VersionedService {
    routes: axum::Router,
    bodies: InboundBodyBudget,
}

/// The services as one peer sees them.
#[derive(Clone, Debug)]
pub(super) struct PeerService {
    routes: axum::Router,
    bodies: InboundBodyBudget,
    peer: ControlPeer,
    class: PeerClass,
    used: ConnectionUse,
}

impl VersionedService {
    pub(super) fn new(routes: axum::Router) -> Self {
        Self { routes, bodies: InboundBodyBudget::default() }
    }

    /// `used` is told of answers while they are on their way.
    pub(super) fn for_peer(self, peer: ControlPeer, class: PeerClass, used: ConnectionUse) -> PeerService {
        PeerService { routes: self.routes, bodies: self.bodies, peer, class, used }
    }
}

impl PeerService {
    /// Who is at the other end.
    pub(super) fn peer(&self) -> ControlPeer {
        self.peer
    }
}

impl hyper::service::Service<Request<Incoming>> for PeerService {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let used = self.used.clone();
        let path = request.uri().path();
        if let Some(refusal) = other_protocol(path, request.headers()).or_else(|| not_for(self.class, path)) {
            let response = with_version(refusal.into_http::<axum::body::Body>());
            return Box::pin(std::future::ready(Ok(response)));
        }
        request.extensions_mut().insert(self.peer);
        let mut routes = self.routes.clone();
        let request = request.map(|body| self.bodies.count(body));
        Box::pin(async move {
            let response = routes.call(request).await?;
            let guard = used.responding();
            Ok(with_version(with_reason(response))
                .map(|body| axum::body::Body::new(GuardedBody { body, _guard: guard })))
        })
    }
}

/// The body of an answer, which is on its way until it is dropped.
struct GuardedBody {
    body: axum::body::Body,
    _guard: ResponseGuard,
}

impl http_body::Body for GuardedBody {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Refuses another protocol number, but for the two calls that any client must be able to make.
fn other_protocol(path: &str, headers: &HeaderMap) -> Option<Status> {
    let announced = headers.get(PROTOCOL_HEADER)?;
    if announced.as_bytes() == PROTOCOL.to_string().as_bytes()
        || !path.starts_with("/bitrouter.control.v1.")
        || access::method(path).is_some_and(|method| method.any_protocol)
    {
        return None;
    }
    let text = |value: Option<&HeaderValue>| value.and_then(|v| v.to_str().ok()).unwrap_or("unknown").to_owned();
    let message = format!(
        "the client is bitrouter {} (protocol {}), the daemon is {VERSION} (protocol {PROTOCOL})",
        text(headers.get(VERSION_HEADER)),
        text(Some(announced)),
    );
    Some(error::status(Reason::VersionMismatch, message, Some("bitrouter restart")))
}

/// Refuses what the table does not name, and what it does not give to this class of peer.
fn not_for(class: PeerClass, path: &str) -> Option<Status> {
    match access::method(path) {
        None => Some(error::status(Reason::Unimplemented, "no such method", None)),
        Some(method) if method.admits(class) => None,
        Some(_) => Some(error::status(Reason::PeerNotAllowed, "this user may not call this method", None)),
    }
}

fn with_version<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    headers.insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL));
    response
}

/// An error that a library answered (an unknown method, a message over the limit) gets the reason it lacks.
fn with_reason(response: Response<axum::body::Body>) -> Response<axum::body::Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if status.code() == tonic::Code::Ok || status.get_details_error_info().is_some() {
        return response;
    }
    // Health and reflection speak for themselves; what is mapped is what concerns the call as such.
    let known = matches!(
        status.code(),
        tonic::Code::Unimplemented | tonic::Code::OutOfRange | tonic::Code::ResourceExhausted | tonic::Code::Internal
    );
    if !known {
        return response;
    }
    let reason = error::reason_of(status.code());
    let message = match (status.message(), reason) {
        ("", Reason::Unimplemented) => "no such method",
        ("", _) => "the daemon failed; `bitrouter logs` says more",
        (message, _) => message,
    };
    error::status(reason, message, None).into_http::<axum::body::Body>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(protocol: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_HEADER, protocol.parse().unwrap());
        headers
    }

    #[test]
    fn another_protocol_is_refused_but_for_status_and_stop() {
        let reload = "/bitrouter.control.v1.DaemonService/Reload";
        let refusal = other_protocol(reload, &announced("99")).unwrap();
        assert_eq!(refusal.code(), tonic::Code::FailedPrecondition);
        let info = refusal.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("VERSION_MISMATCH", "bitrouter"));
        assert!(other_protocol(reload, &announced(&PROTOCOL.to_string())).is_none());
        assert!(other_protocol(reload, &HeaderMap::new()).is_none());
        for method in ["Status", "Stop"] {
            let path = format!("/bitrouter.control.v1.DaemonService/{method}");
            assert!(other_protocol(&path, &announced("99")).is_none());
        }
    }

    #[test]
    fn who_may_only_look_changes_nothing_and_what_is_not_named_is_not_there() {
        let reason = |class, path| not_for(class, path).map(|status| status.get_details_error_info().unwrap().reason);
        let status = "/bitrouter.control.v1.DaemonService/Status";
        let stop = "/bitrouter.control.v1.DaemonService/Stop";
        assert_eq!(reason(PeerClass::Reader, status), None);
        assert_eq!(reason(PeerClass::Reader, stop).as_deref(), Some("PEER_NOT_ALLOWED"));
        assert_eq!(reason(PeerClass::Admin, stop), None);
        assert_eq!(reason(PeerClass::Admin, "/nonsense").as_deref(), Some("UNIMPLEMENTED"));
    }

    #[test]
    fn a_library_error_gets_its_reason() {
        let response = Status::out_of_range("too large").into_http::<axum::body::Body>();
        let status = Status::from_header_map(with_reason(response).headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
    }
}
