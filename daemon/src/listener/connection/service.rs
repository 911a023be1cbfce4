//! One request: its id, its route, who may pass, the service, and what every reply carries. A handler that panics costs
//! its own request only.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bitrouter_gateway::{
    InferenceError,
    http::{Caller, CallerBody, CallerConnection, RequestContext, RequestId, ResponseBody, ResponseFuture},
};
use bitrouter_node::http::Visitor;
use bitrouter_proto::{clock, codes::InferenceCode};
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{
    reply_body::ReplyBody,
    state::{ConnectionState, InFlight},
};
use crate::listener::{
    access::{AccessHeaders, Judge, Judged, ListenerAuthorities, Verdict},
    cors,
    options::RefusalSink,
    own_pages,
    peer::Peer,
    refusal, request_id,
    routing::{self, ErrorShape, Mount},
    shared::{Phase, Shared},
};

/// What hyper calls for each request of a connection.
#[derive(Debug)]
pub(super) struct Service {
    state: Arc<ConnectionState>,
    peer: Peer,
    own: Arc<ListenerAuthorities>,
}

impl Service {
    pub(super) fn new(state: Arc<ConnectionState>, peer: Peer, own: Arc<ListenerAuthorities>) -> Self {
        Self { state, peer, own }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = ServiceReply;

    fn call(&self, mut request: Request<Incoming>) -> ServiceReply {
        let started = clock::monotonic_now();
        let shared = self.state.shared();
        let in_flight = self.state.begin(!request.body().is_end_stream());
        let http_10 = request.version() == Version::HTTP_10;
        routing::collapse_slashes(request.uri_mut());
        let route = routing::find(request.method(), request.uri().path());
        let shape = route.error_shape(request.uri().path(), request.headers());
        let headers = AccessHeaders::of(request.uri(), request.headers());
        let sent_id = request_id::of_caller(headers.request_id());
        let makes_a_row = request.method() == Method::POST && route.mount == Mount::Service;
        let settings = shared.settings.load();
        let judge = Judge {
            own: &self.own,
            peer: self.peer,
            own_uid: shared.peers.own_uid(),
            settings: &settings,
            authenticator: &*shared.authenticator,
            refusals: &*shared.refusals,
        };
        let Judged { verdict, page, visitor } = judge.judge(&request, &headers, route);
        let caller = match &verdict {
            Verdict::Pass(caller) => Some(*caller),
            _ => None,
        };
        let id = id_of(shared, sent_id, caller.filter(|_| makes_a_row), started);
        let connection: Arc<dyn CallerConnection> = Arc::<ConnectionState>::clone(&self.state);
        let request = request.map(|body| CallerBody::received(body, Arc::clone(&connection)));
        let context = |caller| RequestContext { id: id.clone(), started, caller, dialect: shape.dialect(), connection };
        let work = match verdict {
            Verdict::Pass(caller) => {
                let context = context(caller);
                let answer = || answer(shared, route.mount, request, context, visitor, shape);
                catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| ReplyWork::Done(panicked(&id, shape)))
            }
            Verdict::Ask(asking) => {
                let (shared, context) = (Arc::clone(shared), context(Caller::Anyone));
                ReplyWork::Running(Box::pin(async move {
                    match asking.await {
                        Ok(caller) => {
                            let context = RequestContext { caller, ..context };
                            answer(&shared, route.mount, request, context, visitor, shape).finish().await
                        }
                        Err(error) => refuse(&*shared.refusals, &error, shape),
                    }
                }))
            }
            Verdict::Preflight => ReplyWork::Done(cors::preflight(request.headers())),
            Verdict::Refuse(error) => ReplyWork::Done(refuse(&*shared.refusals, &error, shape)),
        };
        ServiceReply { work, finish: Some(ReplyFinish { id, page, http_10, shape, in_flight }) }
    }
}

/// The id that a request goes by: the one that its caller gave it, unless another call in the caller's namespace had it
/// lately. `caller` is whoever makes a call of which a row is kept, where that is known by now.
fn id_of(shared: &Shared, sent: Option<RequestId>, caller: Option<Caller>, now: Instant) -> RequestId {
    let is_free = |id: &RequestId| {
        let namespace = caller.and_then(Caller::namespace);
        namespace.is_none_or(|namespace| shared.seen_ids.is_new(namespace, id, now))
    };
    sent.filter(is_free).unwrap_or_else(request_id::mint)
}

/// Has what is mounted at the route answer.
fn answer(
    shared: &Arc<Shared>,
    mount: Mount,
    request: Request<CallerBody>,
    context: RequestContext,
    visitor: Option<Visitor>,
    shape: ErrorShape,
) -> ReplyWork {
    match (mount, visitor) {
        (Mount::Node, Some(visitor)) => {
            let (answer, shared) = (shared.node.call(request, context, visitor), Arc::clone(shared));
            ReplyWork::Running(Box::pin(async move {
                answer.await.unwrap_or_else(|error| refuse(&*shared.refusals, &error, shape))
            }))
        }
        // Whoever asks the node for something is a visitor of it.
        (Mount::Service | Mount::Node, _) => ReplyWork::Running(Arc::clone(&shared.service).call(request, context)),
        (Mount::Metrics, _) => {
            let page = own_pages::metrics(request.method(), &shared.metrics);
            ReplyWork::Done(page.unwrap_or_else(|error| refuse(&*shared.refusals, &error, shape)))
        }
    }
}

fn refuse(refusals: &dyn RefusalSink, error: &InferenceError, shape: ErrorShape) -> Response<ResponseBody> {
    let reason = error.code().as_str();
    refusals.refused(reason);
    tracing::debug!(reason, "refused a request");
    refusal::render(error, shape)
}

/// A reply in the making.
pub(super) struct ServiceReply {
    work: ReplyWork,
    finish: Option<ReplyFinish>,
}

enum ReplyWork {
    Running(ResponseFuture),
    Done(Response<ResponseBody>),
}

impl ReplyWork {
    async fn finish(self) -> Response<ResponseBody> {
        match self {
            Self::Running(running) => running.await,
            Self::Done(response) => response,
        }
    }
}

/// What a reply still gets once it exists.
struct ReplyFinish {
    id: RequestId,
    page: Option<HeaderValue>,
    http_10: bool,
    shape: ErrorShape,
    in_flight: InFlight,
}

impl Future for ServiceReply {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // A future that is polled after it was ready never answers again.
        let Some(finish) = &this.finish else { return Poll::Pending };
        let response = match &mut this.work {
            ReplyWork::Running(running) => match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
                Ok(Poll::Ready(response)) => response,
                Ok(Poll::Pending) => return Poll::Pending,
                Err(_) => panicked(&finish.id, finish.shape),
            },
            ReplyWork::Done(response) => std::mem::take(response),
        };
        this.finish.take().map_or(Poll::Pending, |finish| Poll::Ready(Ok(finish.apply(response))))
    }
}

fn panicked(id: &RequestId, shape: ErrorShape) -> Response<ResponseBody> {
    tracing::error!(request_id = id.as_str(), "a request panicked and was answered with 500");
    let message = "the daemon failed on this request; `bitrouter logs` says more";
    refusal::render(&InferenceError::new(InferenceCode::Internal, message), shape)
}

impl ReplyFinish {
    fn apply(self, response: Response<ResponseBody>) -> Response<ReplyBody> {
        let state = self.in_flight.state();
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(request_id::HEADER, self.id.into_header());
        if let Some(page) = self.page {
            cors::mark(&mut parts.headers, page);
        }
        // A body that nobody reads to its end makes the connection useless for another request; say so in time.
        if state.must_close() || state.is_last_reply() || state.shared().phase() != Phase::Running {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Response::from_parts(parts, ReplyBody::new(body, self.http_10, self.in_flight))
    }
}
