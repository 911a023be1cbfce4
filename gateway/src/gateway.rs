//! The gateway as the daemon holds it: one snapshot at a time, one pool for all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_proto::{clock, tasks::Tasks};
use tokio::sync::Notify;

use crate::{
    http::{CallerBody, RequestContext, ResponseFuture, handle},
    interrupt::Interrupt,
    live_models::LiveModels,
    ports::{AccountSource, Admission, StoredObject, UsageSink},
    registry::{Kind, Provider, ProviderId},
    snapshot::Snapshot,
    stored_responses::StoredResponses,
    upstream::{Connector, Pool, Proxy, ProxySettings, hop::HopId},
};

/// How long a server on this machine has to accept a connection.
const PROBE: Duration = Duration::from_millis(200);
/// How long the answer of a probe holds.
const PROBE_HOLDS: Duration = Duration::from_secs(5);

/// What a gateway needs for its whole life.
pub struct GatewayOptions {
    /// Where finished requests are recorded.
    pub usage: Arc<dyn UsageSink>,
    /// Which calls are made, and what they used.
    pub admission: Arc<dyn Admission>,
    /// The stored credential of the account.
    pub account: Arc<dyn AccountSource>,
    /// The proxy for https.
    pub proxy: ProxySettings,
    /// Who owns the gateway's few background tasks.
    pub tasks: Tasks,
}

/// The inference path.
pub struct Gateway {
    pub(crate) usage: Arc<dyn UsageSink>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) account: Arc<dyn AccountSource>,
    pub(crate) account_models_asked: Notify,
    pub(crate) pool: Arc<Pool>,
    pub(crate) tasks: Tasks,
    pub(crate) interrupt: Arc<Interrupt>,
    pub(crate) hop: HopId,
    pub(crate) live_models: LiveModels,
    pub(crate) stored_responses: Arc<StoredResponses>,
    snapshot: ArcSwap<Snapshot>,
    probes: Mutex<HashMap<ProviderId, (Instant, bool)>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway that serves with `snapshot` until another one is swapped in.
    pub fn new(options: GatewayOptions, snapshot: Snapshot) -> Arc<Self> {
        let connector = Connector::new(Proxy::new(&options.proxy));
        Arc::new(Self {
            usage: options.usage,
            admission: options.admission,
            account: options.account,
            account_models_asked: Notify::new(),
            pool: Pool::new(connector, options.tasks.clone()),
            tasks: options.tasks,
            interrupt: Arc::default(),
            hop: HopId::draw(),
            live_models: LiveModels::default(),
            stored_responses: Arc::default(),
            snapshot: ArcSwap::from_pointee(snapshot),
            probes: Mutex::default(),
        })
    }

    /// Serves later requests with `snapshot`; running ones keep the one they began with.
    pub fn swap(&self, snapshot: Snapshot) {
        self.live_models.retain(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        // Another address may stand behind the same id now.
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Calls go out under the id of this node from now on, and what comes back under it is known.
    pub fn set_node_id(&self, id: &str) {
        self.hop.set_node(id);
    }

    /// Knows again what providers have stored, from a ledger that remembers.
    pub fn restore_objects(&self, objects: impl IntoIterator<Item = StoredObject>) {
        for object in objects {
            self.stored_responses.restore(object);
        }
    }

    /// Has the trusted certificates read again: whoever renews them reloads.
    pub fn read_certificates_again(&self) {
        self.pool.connector().read_certificates_again();
    }

    /// Somebody looks at the account's models.
    pub fn look_at_account_models(&self) {
        self.account_models_asked.notify_one();
    }

    /// Ends when somebody looked at the account's models, whose list may be too old by now.
    pub async fn account_models_asked(&self) {
        self.account_models_asked.notified().await;
    }

    /// The snapshot that the next request is served with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The largest request body that is taken now.
    pub(crate) fn max_body(&self) -> u64 {
        self.snapshot.load().limits.max_body
    }

    /// Answers one request.
    pub fn answer(self: Arc<Self>, request: http::Request<CallerBody>, context: RequestContext) -> ResponseFuture {
        handle(self, request, context)
    }

    /// The forced end: every running stream ends with its dialect's error event, every other request with an error, when
    /// its connection polls it next (which the caller of this has to bring about); later requests are refused.
    pub fn interrupt(&self) {
        self.interrupt.set();
        self.close_idle();
    }

    /// Closes connections to providers that nobody uses, and ends the task that looks after them. For the beginning
    /// of a drain; requests that come later are served all the same.
    pub fn close_idle(&self) {
        self.pool.clear();
    }

    /// True where a provider can be counted on: a local one is configured or accepts a connection within 200 ms
    /// (an answer holds for 5 s), any other one always.
    pub async fn local_active(&self, provider: &Provider) -> bool {
        if provider.kind() != Kind::Local || provider.configured() || provider.is_demo() {
            return true;
        }
        let now = clock::monotonic_now();
        let held = self.probes.lock().unwrap_or_else(PoisonError::into_inner).get(provider.id()).copied();
        if let Some((at, active)) = held
            && now.saturating_duration_since(at) < PROBE_HOLDS
        {
            return active;
        }
        let active = self.pool.connector().is_reachable(provider.origin(), PROBE).await;
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.insert(provider.id().clone(), (clock::monotonic_now(), active));
        active
    }
}
