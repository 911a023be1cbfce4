//! What runs, what it found, what is wrong: the answer to `bitrouter status`, put together when somebody asks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    Gateway,
    http::Caller,
    ports::OwnersKey,
    registry::{Kind, Price, ProviderId},
};
use bitrouter_proto::{
    PROTOCOL, VERSION, clock,
    status::{ProviderStatus, SessionStatus, Status},
};

use crate::{
    account_provider::{self, AccountList},
    credentials::Credentials,
    health::Health,
    log_control::LogControl,
    node_host::NodeHost,
    phase::Phase,
    reload::{InForce, Reloader},
};

/// What is fixed for the life of one daemon.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `host:port` of each inference listener, the local endpoint's first.
    pub listen: Vec<String>,
    /// Where programs of this machine reach the local endpoint, as `http://host:port`.
    pub http: String,
    /// The control socket at the start.
    pub socket: PathBuf,
    /// The flags it was started with, for `restart`.
    pub serve_args: Vec<String>,
    /// True where a service manager started it.
    pub service_managed: bool,
}

/// Reads the status. Cloning shares it.
#[derive(Clone, Debug)]
pub struct StatusReader(Arc<Sources>);

/// Where the status is read from.
#[derive(Debug)]
struct Sources {
    identity: Identity,
    socket: ArcSwap<PathBuf>,
    phase: Phase,
    gateway: Arc<Gateway>,
    reloader: Reloader,
    account: AccountList,
    health: Health,
    log: LogControl,
    node: NodeHost,
    credentials: Credentials,
    started: Instant,
    started_at: String,
}

/// Where a key comes from that somebody has stored at the node.
pub(crate) const BYOK: &str = "byok";

/// What the kernel says behind the path of a program that no longer stands there (proc(5), `/proc/pid/exe`).
const GONE: &str = " (deleted)";

/// A provider for which the owner of the node's first namespace has stored a key.
fn stored(provider: &ProviderId, key: &dyn OwnersKey) -> ProviderStatus {
    // What cannot be used is nobody else's to pay for either.
    let unusable = key.open().err();
    let what = unusable.map_or_else(String::new, |why| format!(", which cannot be used ({why})"));
    ProviderStatus {
        id: provider.to_string(),
        active: unusable.is_none(),
        key_source: Some(BYOK.to_owned()),
        variable: None,
        key_suffix: None,
        detail: format!(
            "the key that the node's owner has stored{what}: `bitrouter cloud byok list --local`, `… byok delete {provider} --local`"
        ),
        source: "stored".to_owned(),
    }
}

/// The account session: a key of the environment comes before what is stored.
fn session(in_force: &InForce, credentials: &Credentials) -> SessionStatus {
    match in_force.account_key() {
        Some((_, server)) => {
            let beats = credentials.session().credential.is_some();
            let own = in_force.signed_in.own_key(&in_force.keys);
            SessionStatus {
                state: "api_key".to_owned(),
                issuer: Some(own.map_or_else(|| server.to_owned(), |_| credentials.own_issuer())),
                namespace_id: own.and_then(|own| own.namespace).map(|namespace| namespace.to_string()),
                reason: beats.then(|| "`BITROUTER_API_KEY` beats the stored credential".to_owned()),
                ..SessionStatus::default()
            }
        }
        None if in_force.keys.withholds_account_key() => SessionStatus {
            reason: Some("`BITROUTER_API_KEY` is set, and `BITROUTER_API_URL` names no server for it".to_owned()),
            ..SessionStatus::default()
        },
        None => credentials.status(),
    }
}

impl StatusReader {
    /// The daemon started now.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the daemon that has something to say")]
    pub(crate) fn new(
        identity: Identity,
        phase: Phase,
        gateway: Arc<Gateway>,
        reloader: Reloader,
        account: AccountList,
        health: Health,
        log: LogControl,
        node: NodeHost,
        credentials: Credentials,
    ) -> Self {
        Self(Arc::new(Sources {
            socket: ArcSwap::from_pointee(identity.socket.clone()),
            identity,
            phase,
            gateway,
            reloader,
            account,
            health,
            log,
            node,
            credentials,
            started: clock::monotonic_now(),
            started_at: clock::now_rfc3339(),
        }))
    }

    /// Where programs of this machine reach the local endpoint, as `http://host:port`.
    pub fn http(&self) -> &str {
        &self.0.identity.http
    }

    /// The control socket has another place.
    pub fn moved(&self, socket: PathBuf) {
        self.0.socket.store(Arc::new(socket));
    }

    /// The whole status.
    pub async fn read(&self) -> Status {
        let Sources {
            identity,
            socket,
            phase,
            gateway,
            reloader,
            account,
            health,
            log,
            node,
            credentials,
            started,
            started_at,
        } = &*self.0;
        // Local addresses are asked at the same time: a few that keep silent must not add up.
        let asked = gateway.snapshot();
        let asks = asked
            .catalog
            .providers()
            .map(async |provider| (provider.id().clone(), gateway.local_active(provider).await));
        let answers: BTreeMap<_, _> = futures_util::future::join_all(asks).await.into_iter().collect();
        // In this order, and after the wait: what is told of the last reload is never older than its count.
        let reloads = reloader.reloads();
        let in_force = reloader.in_force();
        let snapshot = gateway.snapshot();
        let programs = node.keyless_caller();
        let mut providers = Vec::new();
        for provider in snapshot.catalog.providers() {
            let answers = answers.get(provider.id()).copied().unwrap_or_default();
            if let Some(server) = provider.account_server() {
                if snapshot.usable(Caller::DAEMON, provider) {
                    gateway.look_at_account_models();
                }
                providers.push(account_provider::shown(provider.id().as_str(), server, &in_force, account));
                continue;
            }
            if let Some(key) = snapshot.keys.owners_key(programs, provider.id()).filter(|_| provider.enabled()) {
                providers.push(stored(provider.id(), &*key));
                continue;
            }
            let key = in_force.keys.status(provider.id().as_str());
            let local = provider.kind() == Kind::Local && !provider.is_demo();
            let (active, source, detail) = if !provider.enabled() {
                (
                    false,
                    "switched off",
                    format!("switched off by `[providers.{}] enabled`{}", provider.id(), key.others),
                )
            } else if provider.is_demo() {
                (true, "built in", "built in: answers offline".to_owned())
            } else if local && !answers {
                (
                    false,
                    "does not answer",
                    format!("local: not configured, and nothing answers at its address{}", key.others),
                )
            } else if local && key.variable.is_none() {
                (true, "needs no key", format!("local: needs no key{}", key.others))
            } else {
                (snapshot.usable(Caller::DAEMON, provider), key.summary.as_str(), key.detail.clone())
            };
            providers.push(ProviderStatus {
                id: provider.id().to_string(),
                active,
                key_source: key.source.map(|source| source.as_str().to_owned()),
                variable: key.variable.clone(),
                key_suffix: in_force.keys.suffix(provider.id().as_str()),
                detail,
                source: source.to_owned(),
            });
        }
        let program = std::env::current_exe().ok().map(|path| path.to_string_lossy().into_owned());
        Status {
            state: phase.state(),
            pid: Some(std::process::id()),
            version: Some(VERSION.to_owned()),
            protocol: Some(PROTOCOL),
            started_at: Some(started_at.clone()),
            uptime_s: Some(clock::monotonic_now().saturating_duration_since(*started).as_secs()),
            listen: identity.listen.clone(),
            socket: Some(socket.load().display().to_string()),
            config: in_force.config_path.as_ref().map(|path| path.display().to_string()),
            providers,
            reloads,
            warnings: health.list(),
            serve_args: identity.serve_args.clone(),
            service_managed: identity.service_managed,
            pushed_variables: in_force.pushed_variables,
            log_level: log.level().as_str().to_owned(),
            node: node.status(),
            session: session(&in_force, credentials),
            program: program.as_deref().map(|path| path.trim_end_matches(GONE).to_owned()),
            program_replaced: program.is_some_and(|path| path.ends_with(GONE)),
        }
    }

    /// Where the key of a provider comes from, as the status names it; `None` where none is held.
    pub fn key_source(&self, provider: &ProviderId) -> Option<String> {
        let (in_force, snapshot) = (self.0.reloader.in_force(), self.0.gateway.snapshot());
        match snapshot.catalog.get(provider)?.account_server() {
            Some(server) => account_provider::shown(provider.as_str(), server, &in_force, &self.0.account).key_source,
            None => in_force.keys.status(provider.as_str()).source.map(|source| source.as_str().to_owned()),
        }
    }

    /// A model that answers now, as `provider/model`, for the banner: offline where that is asked for, else the one that
    /// costs least.
    pub async fn any_model(&self) -> Option<String> {
        let status = self.read().await;
        let snapshot = self.0.gateway.snapshot();
        let active = status.providers.iter().filter(|provider| provider.active);
        let mut active: Vec<_> = active.filter_map(|provider| snapshot.catalog.find(&provider.id)).collect();
        active.sort_by_key(|provider| (!provider.is_demo(), provider.is_account()));
        active.into_iter().find_map(|provider| {
            let chat = provider.models().iter().filter(|model| !model.can("embeddings"));
            // The first of equals; the demo's first is the one that answers with the question.
            let cheapest = chat.min_by_key(|model| {
                let price = model.pricing.as_ref().and_then(|pricing| pricing.output_tokens.text);
                price.map_or(u64::MAX, Price::micro_usd_per_million)
            })?;
            Some(format!("{}/{}", provider.id(), cheapest.id))
        })
    }

    /// One line for the service manager.
    pub async fn summary(&self) -> String {
        let status = self.read().await;
        let active = status.providers.iter().filter(|provider| provider.active).count();
        let listen = status.listen.first().cloned().unwrap_or_default();
        let mut text = format!("{} on {listen}; {active} providers", status.state.as_str());
        for warning in &status.warnings {
            text.push_str("; ");
            text.push_str(&warning.message);
        }
        text
    }
}
