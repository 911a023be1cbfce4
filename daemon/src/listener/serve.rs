//! The server as the daemon holds it: started on open sockets, drained, waited for, and at last ended.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    Gateway,
    http::{CallerBody, RequestContext, ResponseBody},
};
use bitrouter_proto::{clock, tasks::Tasks};
use http::{Request, Response};
use hyper::server::conn::http1;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{accept, connection, peer::PeerLookup, rules::OwnNames, settings::ListenerSettings};

/// Where refusals are counted.
pub trait RefusalSink: Send + Sync + 'static {
    /// Called for each refusal; `reason` is an error code of the contract, or `connection_limit`.
    fn refused(&self, reason: &'static str);
}

/// Makes the text of `/metrics`, in the OpenMetrics format.
pub type MetricsBody = Arc<dyn Fn() -> String + Send + Sync>;

/// Bounds that only a restart changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; other users together get a quarter of them.
    pub connections: usize,
    /// How long the head of a request may take, from its first byte (of a new connection: from accept).
    pub head: Duration,
    /// How long a kept connection may be idle.
    pub idle: Duration,
    /// How long a client that is still sending is listened to after its last reply.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16 * 1024,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            linger: Duration::from_secs(1),
        }
    }
}

/// A reply in the making. It is polled by the task of its connection, and so is the body of the reply.
pub type ServiceFuture = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

/// Answers the requests that may pass.
pub trait RequestService: Send + Sync + 'static {
    /// Answers one request.
    fn call(self: Arc<Self>, request: Request<CallerBody>, context: RequestContext) -> ServiceFuture;
}

impl RequestService for Gateway {
    fn call(self: Arc<Self>, request: Request<CallerBody>, context: RequestContext) -> ServiceFuture {
        self.answer(request, context)
    }
}

/// What the server is made of.
pub struct ServerOptions {
    /// Answers every request that may pass.
    pub service: Arc<dyn RequestService>,
    /// What a reload may change.
    pub settings: Arc<ArcSwap<ListenerSettings>>,
    /// Asks the kernel who is calling.
    pub peers: Arc<PeerLookup>,
    /// Where refusals are counted.
    pub refusals: Arc<dyn RefusalSink>,
    /// The text of `/metrics`.
    pub metrics: MetricsBody,
    /// The bounds.
    pub limits: Limits,
}

/// How far the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Draining,
    Aborting,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) service: Arc<dyn RequestService>,
    pub(super) settings: Arc<ArcSwap<ListenerSettings>>,
    pub(super) peers: Arc<PeerLookup>,
    pub(super) refusals: Arc<dyn RefusalSink>,
    pub(super) metrics: MetricsBody,
    pub(super) limits: Limits,
    pub(super) http: http1::Builder,
    pub(super) slots: Arc<Semaphore>,
    pub(super) connections: AtomicUsize,
    pub(super) strangers: AtomicUsize,
    pub(super) in_flight: AtomicUsize,
    pub(super) draining: CancellationToken,
    pub(super) interrupting: CancellationToken,
    pub(super) aborting: CancellationToken,
    phase: AtomicU8,
    idle_until: AtomicU64,
    epoch: Instant,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Now, in nanoseconds since the server started; never 0.
    pub(super) fn now(&self) -> u64 {
        self.since_epoch(clock::mono())
    }

    /// The instant that [`Shared::now`] would have called `at`.
    pub(super) fn instant(&self, at: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.epoch + Duration::from_nanos(at))
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Aborting,
        }
    }

    /// Until when an idle connection is left open while draining.
    pub(super) fn idle_until(&self) -> u64 {
        self.idle_until.load(Ordering::Acquire)
    }

    pub(super) fn since_epoch(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn advance(&self, phase: Phase) {
        let number = match phase {
            Phase::Running => 0,
            Phase::Draining => 1,
            Phase::Aborting => 2,
        };
        self.phase.fetch_max(number, Ordering::AcqRel);
    }
}

/// A running server. Dropping it leaves it running.
#[derive(Debug)]
pub struct HttpServer {
    shared: Arc<Shared>,
    accepting: Tasks,
    serving: Tasks,
    addresses: Vec<SocketAddr>,
}

impl HttpServer {
    /// Serves on `listeners` (non-blocking, from [`super::bind`] or [`super::adopt`]). Must be called on a runtime.
    pub fn start(listeners: Vec<std::net::TcpListener>, options: ServerOptions) -> io::Result<Self> {
        let ServerOptions { service, settings, peers, refusals, metrics, limits } = options;
        let shared = Arc::new(Shared {
            service,
            settings,
            peers,
            refusals,
            metrics,
            limits,
            http: connection::http1(),
            slots: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            connections: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            draining: CancellationToken::new(),
            interrupting: CancellationToken::new(),
            aborting: CancellationToken::new(),
            phase: AtomicU8::new(0),
            idle_until: AtomicU64::new(0),
            epoch: clock::mono(),
        });
        let opened = listeners
            .into_iter()
            .map(|listener| {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Ok((listener.local_addr()?, listener))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let (accepting, serving) = (Tasks::new(), Tasks::new());
        let addresses = opened.iter().map(|(address, _)| *address).collect();
        for (address, listener) in opened {
            let own = Arc::new(OwnNames::new(address));
            accepting.spawn("http accept", accept::run(listener, own, Arc::clone(&shared), serving.clone()));
        }
        Ok(Self { shared, accepting, serving, addresses })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Requests whose reply has not ended.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Closes the listeners, then lets connections end: each next reply says `Connection: close`, and a connection that
    /// is still idle after `idle_grace` is closed. Returns when the listeners are closed. A second call may only shorten
    /// the grace.
    pub async fn drain(&self, idle_grace: Duration) {
        let until = self.shared.since_epoch(clock::mono() + idle_grace);
        if self.shared.phase() == Phase::Running {
            self.shared.idle_until.store(until, Ordering::Release);
        } else {
            self.shared.idle_until.fetch_min(until, Ordering::AcqRel);
        }
        self.shared.advance(Phase::Draining);
        self.shared.draining.cancel();
        self.accepting.wait().await;
    }

    /// Waits until every connection has ended; false if `deadline` comes first.
    pub async fn wait_idle(&self, deadline: Instant) -> bool {
        tokio::time::timeout_at(deadline.into(), self.serving.wait()).await.is_ok()
    }

    /// Has every connection look at its running request once more, after the service was told to end them.
    pub fn wake_connections(&self) {
        self.shared.interrupting.cancel();
    }

    /// Drops what is left, in the middle of whatever it does, and waits until it is gone.
    pub async fn abort_all(&self) {
        self.shared.advance(Phase::Aborting);
        self.shared.draining.cancel();
        self.shared.aborting.cancel();
        self.accepting.wait().await;
        self.serving.wait().await;
    }
}
