//! One request: its id, the gate, the service, and what every reply carries. A handler that panics costs its own request
//! only.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bitrouter_gateway::{
    http::{
        CallerBody, CallerConnection, RequestContext, RequestId, ResponseBody, ResponseBodyError, set_own_response,
    },
    protocol::Dialect,
};
use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::state::{ConnectionState, InFlight};
use crate::listener::{
    access::{self, OwnNames, Verdict},
    cors,
    options::{RequestService, ServiceFuture},
    peer::PeerIdentity,
    refusal::Refusal,
    request_id,
    shared::Phase,
};

/// What hyper calls for each request of a connection.
#[derive(Debug)]
pub(super) struct Service {
    state: Arc<ConnectionState>,
    peer: PeerIdentity,
    own: Arc<OwnNames>,
}

impl Service {
    pub(super) fn new(state: Arc<ConnectionState>, peer: PeerIdentity, own: Arc<OwnNames>) -> Self {
        Self { state, peer, own }
    }

    fn refuse(&self, refusal: Refusal, dialect: Dialect) -> Response<ResponseBody> {
        self.state.shared().refusals.refused(refusal.code.as_str());
        tracing::debug!(reason = refusal.code.as_str(), "refused a request");
        refusal.into_response(dialect)
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = ServiceReply;

    fn call(&self, request: Request<Incoming>) -> ServiceReply {
        let started = bitrouter_proto::clock::mono();
        let shared = self.state.shared();
        let (parts, body) = request.into_parts();
        let has_body = !http_body::Body::is_end_stream(&body);
        let in_flight = self.state.begin(has_body);
        let http_10 = parts.version == Version::HTTP_10;
        let connection: Arc<dyn CallerConnection> = Arc::<ConnectionState>::clone(&self.state);
        let body = CallerBody::received(body, Arc::clone(&connection));
        let id = request_id::of(&parts.headers);
        let dialect = Dialect::default();
        let (verdict, page) = access::judge(&parts, &self.own, self.peer, &shared.settings.load());
        let work = match verdict {
            Verdict::Serve(caller) => {
                let context = RequestContext { id: id.clone(), started, caller, dialect, connection };
                call(&shared.service, Request::from_parts(parts, body), context)
            }
            Verdict::Metrics => {
                drop(body);
                ReplyWork::Done(metrics_page((shared.metrics)()))
            }
            Verdict::Preflight => ReplyWork::Done(cors::preflight(&parts.headers)),
            Verdict::Refuse(refusal) => {
                drop(body);
                ReplyWork::Done(self.refuse(refusal, dialect))
            }
        };
        ServiceReply { work, finish: Some(ReplyFinish { id, page, http_10, dialect, in_flight }) }
    }
}

fn call(service: &Arc<dyn RequestService>, request: Request<CallerBody>, context: RequestContext) -> ReplyWork {
    let service = Arc::clone(service);
    catch_unwind(AssertUnwindSafe(|| service.call(request, context))).map_or(ReplyWork::Panicked, ReplyWork::Running)
}

fn metrics_page(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text));
    set_own_response(response.headers_mut(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    response
}

/// A reply in the making.
pub(super) struct ServiceReply {
    work: ReplyWork,
    finish: Option<ReplyFinish>,
}

enum ReplyWork {
    Running(ServiceFuture),
    Done(Response<ResponseBody>),
    Panicked,
}

/// What a reply still gets once it exists.
struct ReplyFinish {
    id: RequestId,
    page: Option<HeaderValue>,
    http_10: bool,
    dialect: Dialect,
    in_flight: InFlight,
}

impl Future for ServiceReply {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let response = match &mut this.work {
            ReplyWork::Running(running) => match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
                Ok(Poll::Ready(response)) => response,
                Ok(Poll::Pending) => return Poll::Pending,
                Err(_) => panicked(this.finish.as_ref()),
            },
            ReplyWork::Done(response) => std::mem::take(response),
            ReplyWork::Panicked => panicked(this.finish.as_ref()),
        };
        // A future that is polled after it was ready never answers again.
        this.finish.take().map_or(Poll::Pending, |finish| Poll::Ready(Ok(finish.apply(response))))
    }
}

fn panicked(finish: Option<&ReplyFinish>) -> Response<ResponseBody> {
    let id = finish.map_or("", |finish| finish.id.as_str());
    tracing::error!(request_id = id, "a request panicked and was answered with 500");
    let dialect = finish.map(|finish| finish.dialect).unwrap_or_default();
    Refusal::new(InferenceCode::Internal, "the daemon failed on this request; `bitrouter logs` says more")
        .into_response(dialect)
}

impl ReplyFinish {
    fn apply(self, response: Response<ResponseBody>) -> Response<ReplyBody> {
        let state = self.in_flight.state();
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(request_id::HEADER, self.id.as_header().clone());
        if let Some(page) = self.page {
            cors::mark(&mut parts.headers, page);
        }
        // A body that nobody reads to its end makes the connection useless for another request; say so in time.
        if state.must_close() || state.shared().phase() != Phase::Running {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Response::from_parts(parts, ReplyBody { body, http_10: self.http_10, in_flight: self.in_flight })
    }
}

/// A reply's body, which ends the request when it is dropped.
#[derive(Debug)]
pub(super) struct ReplyBody {
    body: ResponseBody,
    http_10: bool,
    in_flight: InFlight,
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // In HTTP/1.0 the end of the connection is the end of the reply: only a reset tells that this one broke off.
        // Anybody else sees that the framing is incomplete, and keeps what was still on its way.
        if self.http_10 && matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.in_flight.state().reset_on_drop();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
