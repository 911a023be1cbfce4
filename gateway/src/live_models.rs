//! The models of providers whose manifests list none: servers on this machine, addresses that users named, and whatever takes the
//! stored key of the one who pays for the calls of whoever asks.
//!
//! They are asked for their list when somebody asks us for ours, at most once a minute, by a task of its own; whoever
//! asks waits for a first list only a moment. While a provider is away its last good list stays. What is told to a stored key
//! stays with that key.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use bitrouter_proto::{VERSION, account::is_hidden, clock};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    Gateway,
    credential::zeroized_credential,
    http::{Caller, opened_key},
    ports::{KeyFailure, OwnersKey},
    protocol::{Dialect, Pieces, read_model_page, routing_fields::LONGEST_MODEL},
    registry::{Kind, Provider, ProviderId, Target},
    snapshot::Snapshot,
    upstream::{RequestBody, UpstreamBody, UpstreamError},
};

/// How long a provider has to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// How long a list is kept before it is asked for again.
const KEPT: Duration = Duration::from_mins(1);
/// How long nothing is asked again after a failure.
const RETRY: Duration = Duration::from_secs(5);
/// How long, from the question on, whoever has no list yet waits for the first one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest list that is read.
const LONGEST: usize = 4 << 20;
/// The most names of one list.
const MOST_NAMES: usize = 10_000;
/// So many bytes of names are kept of a list that a stored key was told: its owner chooses who tells it.
const MOST_OF_OWNER: usize = 128 << 10;
/// So many such lists are held at once; the one that was first asked for gives way.
const MOST_OWNERS: usize = 256;

/// The lists: of the node's own keys by provider, and which stored keys have one.
#[derive(Default)]
pub(crate) struct LiveModels {
    lists: Mutex<HashMap<ProviderId, Option<List>>>,
    owners: Mutex<VecDeque<Weak<dyn OwnersKey>>>,
}

/// What one stored key was told. It goes with the key.
#[derive(Default)]
pub struct OwnModels(Mutex<Option<List>>);

impl std::fmt::Debug for OwnModels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnModels").finish_non_exhaustive()
    }
}

/// Whose list it is.
#[derive(Clone)]
enum Holder {
    Node(ProviderId),
    Owner(Arc<dyn OwnersKey>),
}

/// What is known of one provider's models.
struct List {
    /// Where it was asked: behind another address stands another list.
    address: String,
    /// The last good list.
    names: Option<Arc<[String]>>,
    asked_at: Instant,
    /// Until then nothing is asked.
    fresh_until: Instant,
    /// Cancelled when the question that runs now is answered.
    running: Option<CancellationToken>,
}

impl LiveModels {
    fn lists(&self) -> MutexGuard<'_, HashMap<ProviderId, Option<List>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `holder` has, under its lock.
    fn with<T>(&self, holder: &Holder, visit: impl FnOnce(&mut Option<List>) -> T) -> T {
        match holder {
            Holder::Node(id) => visit(self.lists().entry(id.clone()).or_default()),
            Holder::Owner(stored) => visit(&mut stored.models().0.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// A stored key gets its list: beyond so many the oldest is forgotten.
    fn remember(&self, stored: &Arc<dyn OwnersKey>) {
        let oldest = {
            let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.push_back(Arc::downgrade(stored));
            if owners.len() > MOST_OWNERS { owners.pop_front() } else { None }
        };
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            *oldest.models().0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Forgets providers that are gone.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        self.lists().retain(|id, _| snapshot.catalog.get(id).is_some());
    }

    /// The list that is held for `holder`, if its last question went to `address`.
    fn held(&self, holder: &Holder, address: &str) -> Option<Arc<[String]>> {
        self.with(holder, |list| list.as_ref().filter(|list| list.address == address)?.names.clone())
    }

    fn answered(&self, holder: &Holder, address: &str, names: Option<Vec<String>>) {
        self.with(holder, |list| {
            let Some(list) = list.as_mut().filter(|list| list.address == address) else { return };
            list.fresh_until = clock::monotonic_now() + if names.is_some() { KEPT } else { RETRY };
            if let Some(names) = names {
                list.names = Some(names.into());
            }
            if let Some(running) = list.running.take() {
                running.cancel();
            }
        });
    }
}

/// The names that `provider` gives its models, as far as they are known by now to who pays for the calls of `caller`.
pub(crate) async fn names(
    gateway: &Arc<Gateway>,
    snapshot: &Arc<Snapshot>,
    caller: Caller,
    provider: &Provider,
) -> Arc<[String]> {
    let none = || Arc::from([]);
    let stored = snapshot.keys.owners_key(caller, provider.id());
    // A shipped provider on the network is called when a call goes to it, and never by itself: whoever has stored a key for it
    // has asked for it.
    let asked =
        |(_, target): &(Dialect, &Target)| stored.is_some() || target.user_set || provider.kind() == Kind::Local;
    let Some((_, target)) = asked_at(provider).filter(asked) else { return none() };
    let address = format!("{}{}", target.origin.url, target.model_list);
    let (now, live) = (clock::monotonic_now(), &gateway.live_models);
    let holder = stored.map_or_else(|| Holder::Node(provider.id().clone()), Holder::Owner);
    let (known, running, is_new) = live.with(&holder, |held| {
        let is_new = held.is_none();
        let list = held.get_or_insert_with(|| List::new(address.clone(), now));
        if list.address != address {
            *list = List::new(address.clone(), now);
        }
        if list.running.is_none() && now >= list.fresh_until {
            list.asked_at = now;
            list.running = Some(CancellationToken::new());
            let (gateway, snapshot) = (Arc::clone(gateway), Arc::clone(snapshot));
            let (id, address, holder) = (provider.id().clone(), address.clone(), holder.clone());
            gateway.tasks.clone().spawn("model list", async move {
                let names = match tokio::time::timeout(LIMIT, ask(&gateway, &snapshot, &id, &holder)).await {
                    Ok(Ok(names)) => Some(names),
                    Ok(Err(reason)) => {
                        tracing::debug!(provider = %id, reason, "the provider's models are not known");
                        None
                    }
                    Err(_) => {
                        tracing::debug!(provider = %id, "the provider did not list its models in time");
                        None
                    }
                };
                gateway.live_models.answered(&holder, &address, names);
            });
        }
        let wait_until = list.asked_at + FIRST_WAIT;
        (list.names.clone(), list.running.clone().map(|running| (running, wait_until)), is_new)
    });
    if let (Holder::Owner(stored), true) = (&holder, is_new) {
        live.remember(stored);
    }
    if let Some(names) = known {
        return names;
    }
    let Some((running, wait_until)) = running else { return none() };
    // Late is no failure: the next request shows what came.
    let _ = tokio::time::timeout_at(wait_until.into(), running.cancelled()).await;
    live.held(&holder, &address).unwrap_or_else(none)
}

impl List {
    fn new(address: String, now: Instant) -> Self {
        Self { address, names: None, asked_at: now, fresh_until: now, running: None }
    }
}

/// Asks the provider for its names as whoever holds the list: with a stored key, where that is sent.
async fn ask(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    id: &ProviderId,
    holder: &Holder,
) -> Result<Vec<String>, String> {
    let provider = snapshot.catalog.get(id).ok_or("it is gone")?;
    let (dialect, target) = asked_at(provider).ok_or("it has no list")?;
    let stored = match holder {
        Holder::Node(id) => {
            let key = snapshot.keys.key(Caller::DAEMON, id);
            return listed(gateway, snapshot, (dialect, target), key).await.map_err(|failed| failed.to_string());
        }
        Holder::Owner(stored) => stored,
    };
    let (key, target) = opened_key(provider, dialect, &**stored).map_err(|refused| {
        stored.failed(refused.how());
        refused.to_string()
    })?;
    let target = target.ok_or("it has no list")?;
    let mut names = match listed(gateway, snapshot, (dialect, &target), Some(&key)).await {
        Ok(names) => names,
        Err(failed) => {
            if let Some(how) = failed.of_key() {
                stored.failed(how);
            }
            return Err(failed.to_string());
        }
    };
    stored.used();
    let mut room = MOST_OF_OWNER;
    let count = names.iter().take_while(|name| {
        room = room.saturating_sub(name.len());
        room > 0
    });
    let count = count.count();
    names.truncate(count);
    Ok(names)
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
enum NoList {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("it answered {0}")]
    Status(u16),
    #[error("{0}")]
    Unreadable(String),
}

impl NoList {
    /// What it says of the key that was sent.
    const fn of_key(&self) -> Option<KeyFailure> {
        match self {
            Self::Status(401 | 403) => Some(KeyFailure::Rejected),
            Self::Upstream(UpstreamError::NotPublic { .. }) => Some(KeyFailure::AddressRefused),
            _ => None,
        }
    }
}

/// The names at `target`, each once, in their order, page by page.
async fn listed(
    gateway: &Gateway,
    snapshot: &Snapshot,
    (dialect, target): (Dialect, &Target),
    key: Option<&SecretString>,
) -> Result<Vec<String>, NoList> {
    let rules = dialect.rules();
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut query = rules.models_query(None);
    while let Some(asked) = query.take() {
        let mut request = Some(list_request(gateway, (dialect, target), key, &asked).map_err(NoList::Unreadable)?);
        let sent = gateway.pool.send(&target.origin, &mut request, snapshot.limits.connect, || ()).await;
        let (parts, body) = sent?.into_parts();
        if !parts.status.is_success() {
            return Err(NoList::Status(parts.status.as_u16()));
        }
        let document = collect(body, LONGEST).await.map_err(NoList::Unreadable)?;
        let page = read_model_page(&document).map_err(|reason| NoList::Unreadable(reason.to_string()))?;
        let known = names.len();
        let usable = |name: &&str| !name.is_empty() && name.len() <= LONGEST_MODEL && !name.chars().any(is_hidden);
        let usable = page.names.iter().map(|listed| rules.model_name(listed)).filter(usable);
        names.extend(usable.map(str::to_owned).filter(|name| seen.insert(name.clone())));
        // Who ignores what the next page begins with, gives the same one again and again.
        if names.len() > known && names.len() < MOST_NAMES {
            query = rules.models_query(Some(&page));
        }
    }
    names.truncate(MOST_NAMES);
    Ok(names)
}

/// Where the provider is asked: at the first of the dialects that it speaks.
pub(crate) fn asked_at(provider: &Provider) -> Option<(Dialect, &Target)> {
    let dialect = provider.dialects().next()?;
    Some((dialect, provider.target(dialect)?))
}

/// The request for a list of models, with `key`.
pub(crate) fn list_request(
    gateway: &Gateway,
    (dialect, target): (Dialect, &Target),
    key: Option<&SecretString>,
    query: &str,
) -> Result<Request<RequestBody>, String> {
    let mut request = Request::new(RequestBody::from(Pieces::One(Bytes::new())));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = match query {
        "" => target.model_list.clone(),
        query => format!("{}?{query}", target.model_list).parse().map_err(|_| "its next page has no name")?,
    };
    let headers = request.headers_mut();
    headers.insert(header::HOST, target.host.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
        .insert(header::USER_AGENT, HeaderValue::from_str(&format!("bitrouter/{VERSION}")).map_err(|e| e.to_string())?);
    headers.extend(dialect.rules().models_header());
    for (name, value) in &target.extra_headers {
        headers.insert(name, value.clone());
    }
    gateway.hop.append(headers, target.user_set, target.origin.is_loopback());
    if let Some(key) = key {
        let value = zeroized_credential(&target.auth_prefix, key).ok_or("its key cannot stand in an HTTP header")?;
        headers.insert(target.auth_header.clone(), value);
    }
    Ok(request)
}

/// The whole of a list, of at most `longest` bytes.
pub(crate) async fn collect(mut body: UpstreamBody, longest: usize) -> Result<Bytes, String> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "its list broke off")?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > longest {
                return Err(format!("its list is longer than {} MiB", longest >> 20));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}
