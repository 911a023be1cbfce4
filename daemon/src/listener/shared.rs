//! What all connections of a server share: the options, the counters, how far the server is on its way out.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_proto::clock;
use hyper::server::conn::http1;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;

use super::{
    access::Authenticator,
    options::{Limits, MetricsBody, NodeService, RefusalSink, RequestService, ServerOptions},
    peer::PeerLookup,
    seen_ids::SeenIds,
    settings::ListenerSettings,
};

/// Bytes that a request's head may have, and that a connection buffers in either direction.
const BUFFER: usize = 64 * 1024;

/// The HTTP/1.1 settings that all connections share.
///
/// Heads are timed by the connection's own timer. Replies are not held back for pipelined requests: hyper's
/// aggregation would withhold a reply for as long as the next request is incomplete.
fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).half_close(false).keep_alive(true).max_buf_size(BUFFER).max_header_size(BUFFER);
    builder
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
    pub(super) node: Arc<dyn NodeService>,
    pub(super) settings: Arc<ArcSwap<ListenerSettings>>,
    pub(super) peers: Arc<PeerLookup>,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) refusals: Arc<dyn RefusalSink>,
    pub(super) metrics: MetricsBody,
    pub(super) activity: Activity,
    pub(super) limits: Limits,
    pub(super) seen_ids: SeenIds,
    pub(super) http: http1::Builder,
    pub(super) connections: AtomicUsize,
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
    pub(super) fn new(options: ServerOptions) -> Self {
        let ServerOptions { service, node, settings, peers, authenticator, refusals, metrics, activity, limits } =
            options;
        Self {
            service,
            node,
            settings,
            peers,
            authenticator,
            refusals,
            metrics,
            activity,
            limits,
            seen_ids: SeenIds::default(),
            http: http1(),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            draining: CancellationToken::new(),
            interrupting: CancellationToken::new(),
            aborting: CancellationToken::new(),
            phase: AtomicU8::new(0),
            idle_until: AtomicU64::new(0),
            epoch: clock::monotonic_now(),
        }
    }

    /// Now, in nanoseconds since the server started; never 0.
    pub(super) fn now(&self) -> u64 {
        self.since_epoch(clock::monotonic_now())
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

    /// Begins the drain, in which a connection may stay idle until `idle_until`.
    pub(super) fn drain(&self, idle_until: Instant) {
        let until = self.since_epoch(idle_until);
        if self.phase() == Phase::Running {
            self.idle_until.store(until, Ordering::Release);
        } else {
            self.idle_until.fetch_min(until, Ordering::AcqRel);
        }
        self.advance(Phase::Draining);
        self.draining.cancel();
    }

    /// Has every connection end at once.
    pub(super) fn abort(&self) {
        self.advance(Phase::Aborting);
        self.draining.cancel();
        self.aborting.cancel();
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
