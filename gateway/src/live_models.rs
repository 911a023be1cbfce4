//! The models of providers whose manifests list none: servers on this machine, and addresses that users named.
//!
//! They are asked for their list when somebody asks us for ours, at most once a minute, by a task of its own; whoever
//! asks waits for a first list only a moment. While a provider is away its last good list stays.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    credential::credential,
    http::Caller,
    protocol::{Dialect, Pieces, read_model_page, routing_fields::LONGEST_MODEL},
    registry::{Kind, Provider, ProviderId, Target},
    snapshot::Snapshot,
    upstream::{RequestBody, UpstreamBody},
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

/// The lists, by provider.
#[derive(Default)]
pub(crate) struct LiveModels {
    lists: Mutex<HashMap<ProviderId, List>>,
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
    fn lists(&self) -> MutexGuard<'_, HashMap<ProviderId, List>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets providers that are gone.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        self.lists().retain(|id, _| snapshot.catalog.get(id).is_some());
    }

    /// The list that is held for `id`, if its last question went to `address`.
    fn held(&self, id: &ProviderId, address: &str) -> Option<Arc<[String]>> {
        self.lists().get(id).filter(|list| list.address == address)?.names.clone()
    }

    fn answered(&self, id: &ProviderId, address: &str, names: Option<Vec<String>>) {
        let mut lists = self.lists();
        let Some(list) = lists.get_mut(id).filter(|list| list.address == address) else { return };
        list.fresh_until = clock::monotonic_now() + if names.is_some() { KEPT } else { RETRY };
        if let Some(names) = names {
            list.names = Some(names.into());
        }
        if let Some(running) = list.running.take() {
            running.cancel();
        }
    }
}

/// The names that `provider` gives its models, as far as they are known by now.
pub(crate) async fn names(gateway: &Arc<Gateway>, snapshot: &Arc<Snapshot>, provider: &Provider) -> Arc<[String]> {
    let none = || Arc::from([]);
    // A shipped provider on the network is called when a call goes to it, and never by itself.
    let asked = |(_, target): &(Dialect, &Target)| target.user_set || provider.kind() == Kind::Local;
    let Some((_, target)) = asked_at(provider).filter(asked) else { return none() };
    let address = format!("{}{}", target.origin.url, target.model_list);
    let now = clock::monotonic_now();
    let (running, wait_until) = {
        let mut lists = gateway.live_models.lists();
        let list = lists
            .entry(provider.id().clone())
            .and_modify(|list| {
                if list.address != address {
                    *list = List::new(address.clone(), now);
                }
            })
            .or_insert_with(|| List::new(address.clone(), now));
        if list.running.is_none() && now >= list.fresh_until {
            list.asked_at = now;
            list.running = Some(CancellationToken::new());
            let (gateway, snapshot) = (Arc::clone(gateway), Arc::clone(snapshot));
            let (id, address) = (provider.id().clone(), address.clone());
            gateway.tasks.clone().spawn("model list", async move {
                let names = match tokio::time::timeout(LIMIT, ask(&gateway, &snapshot, &id)).await {
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
                gateway.live_models.answered(&id, &address, names);
            });
        }
        if let Some(names) = list.names.as_ref() {
            return Arc::clone(names);
        }
        let Some(running) = list.running.clone() else { return none() };
        (running, list.asked_at + FIRST_WAIT)
    };
    // Late is no failure: the next request shows what came.
    let _ = tokio::time::timeout_at(wait_until.into(), running.cancelled()).await;
    gateway.live_models.held(provider.id(), &address).unwrap_or_else(none)
}

impl List {
    fn new(address: String, now: Instant) -> Self {
        Self { address, names: None, asked_at: now, fresh_until: now, running: None }
    }
}

/// Asks the provider for its names, each once, in their order, page by page.
async fn ask(gateway: &Arc<Gateway>, snapshot: &Snapshot, id: &ProviderId) -> Result<Vec<String>, String> {
    let provider = snapshot.catalog.get(id).ok_or("it is gone")?;
    let (dialect, target) = asked_at(provider).ok_or("it has no list")?;
    let rules = dialect.rules();
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut query = rules.models_query(None);
    while let Some(asked) = query.take() {
        let key = snapshot.keys.key(Caller::DAEMON, provider.id());
        let mut request = Some(list_request(gateway, (dialect, target), key, &asked)?);
        let sent = gateway.pool.send(&target.origin, &mut request, snapshot.limits.connect, || ()).await;
        let (parts, body) = sent.map_err(|error| error.to_string())?.into_parts();
        if !parts.status.is_success() {
            return Err(format!("it answered {}", parts.status.as_u16()));
        }
        let page = read_model_page(&collect(body, LONGEST).await?)?;
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
fn asked_at(provider: &Provider) -> Option<(Dialect, &Target)> {
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
        let value = credential(&target.auth_prefix, key).ok_or("its key cannot stand in an HTTP header")?;
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
