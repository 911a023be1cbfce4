//! One request: its id, the gate, the router, and what every reply carries. A handler that panics costs its own request
//! only.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body, routing::future::RouteFuture};
use bitrouter_gateway::http::{CloseAfter, RequestId, Started, guard_own_reply};
use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::{
    cors,
    gate::{self, Verdict},
    guard::{Guard, InFlight},
    peer::Peer,
    refusal::Refusal,
    request_id,
    rules::OwnNames,
    serve::Phase,
};

/// What hyper calls for each request of a connection.
#[derive(Debug)]
pub(super) struct Service {
    guard: Arc<Guard>,
    peer: Peer,
    own: Arc<OwnNames>,
    close_after: CancellationToken,
}

impl Service {
    /// The router cancels `close_after` where the connection must end with the running reply.
    pub(super) fn new(guard: Arc<Guard>, peer: Peer, own: Arc<OwnNames>, close_after: CancellationToken) -> Self {
        Self { guard, peer, own, close_after }
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        self.guard.shared().refusals.refused(refusal.code.as_str());
        tracing::debug!(reason = refusal.code.as_str(), "refused a request");
        refusal.into_response()
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Reply;

    fn call(&self, request: Request<Incoming>) -> Reply {
        let started = bitrouter_proto::clock::mono();
        let shared = self.guard.shared();
        let (mut parts, body) = request.into_parts();
        let has_body = !http_body::Body::is_end_stream(&body);
        let in_flight = self.guard.begin(has_body);
        let http_10 = parts.version == Version::HTTP_10;
        let body =
            if has_body { Body::new(RequestBody { body, guard: Arc::clone(&self.guard) }) } else { Body::empty() };
        let id = request_id::of(&parts.headers);
        let (verdict, page) = gate::judge(&parts, has_body, &self.own, self.peer, &shared.settings.load());
        let work = match verdict {
            Verdict::Serve => {
                parts.extensions.insert(RequestId(id.to_str().unwrap_or_default().to_owned()));
                parts.extensions.insert(Started(started));
                parts.extensions.insert(CloseAfter(self.close_after.clone()));
                route(&shared.router, Request::from_parts(parts, body))
            }
            Verdict::Metrics => {
                drop(body);
                Work::Done(metrics_page((shared.metrics)()))
            }
            Verdict::Preflight => Work::Done(cors::preflight(&parts.headers)),
            Verdict::Refuse(refusal) => {
                drop(body);
                Work::Done(self.refuse(refusal))
            }
        };
        Reply { work, ending: Some(Ending { id, page, http_10, in_flight }) }
    }
}

fn route(router: &Router, request: Request<Body>) -> Work {
    let mut router = router.clone();
    catch_unwind(AssertUnwindSafe(|| router.call(request))).map_or(Work::Panicked, Work::Routed)
}

fn metrics_page(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    guard_own_reply(headers);
    response
}

/// A reply in the making.
pub(super) struct Reply {
    work: Work,
    ending: Option<Ending>,
}

enum Work {
    Routed(RouteFuture<Infallible>),
    Done(Response<Body>),
    Panicked,
}

/// What a reply still gets once it exists.
struct Ending {
    id: HeaderValue,
    page: Option<HeaderValue>,
    http_10: bool,
    in_flight: InFlight,
}

impl Future for Reply {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let response = match &mut this.work {
            Work::Routed(routed) => match catch_unwind(AssertUnwindSafe(|| Pin::new(routed).poll(cx))) {
                Ok(Poll::Ready(Ok(response))) => response,
                Ok(Poll::Pending) => return Poll::Pending,
                Err(_) => panicked(this.ending.as_ref()),
            },
            Work::Done(response) => std::mem::take(response),
            Work::Panicked => panicked(this.ending.as_ref()),
        };
        // A future that is polled after it was ready never answers again.
        this.ending.take().map_or(Poll::Pending, |ending| Poll::Ready(Ok(ending.apply(response))))
    }
}

fn panicked(ending: Option<&Ending>) -> Response<Body> {
    let id = ending.and_then(|ending| ending.id.to_str().ok()).unwrap_or_default();
    tracing::error!(request_id = id, "a request panicked and was answered with 500");
    Refusal::new(InferenceCode::Internal, "the daemon failed on this request; `bitrouter logs` says more")
        .into_response()
}

impl Ending {
    fn apply(self, response: Response<Body>) -> Response<ReplyBody> {
        let guard = self.in_flight.guard();
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(request_id::HEADER, self.id);
        if let Some(page) = self.page {
            cors::mark(&mut parts.headers, page);
        }
        // A body that nobody reads to its end makes the connection useless for another request; say so in time.
        if guard.must_close() || guard.shared().phase() != Phase::Running {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Response::from_parts(parts, ReplyBody { body, http_10: self.http_10, in_flight: self.in_flight })
    }
}

/// The request's body, which tells the guard whether it was read to its end.
struct RequestBody {
    body: Incoming,
    guard: Arc<Guard>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Pending => self.guard.on_body_awaited(),
            Poll::Ready(None) => self.guard.body_done(),
            Poll::Ready(Some(_)) if self.body.is_end_stream() => self.guard.body_done(),
            Poll::Ready(Some(_)) => self.guard.on_body_read(),
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.guard.body_dropped();
    }
}

/// A reply's body, which ends the request when it is dropped.
#[derive(Debug)]
pub(super) struct ReplyBody {
    body: Body,
    http_10: bool,
    in_flight: InFlight,
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // In HTTP/1.0 the end of the connection is the end of the reply: only a reset tells that this one broke off.
        // Anybody else sees that the framing is incomplete, and keeps what was still on its way.
        if self.http_10 && matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.in_flight.guard().reset_on_drop();
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
