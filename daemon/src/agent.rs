//! The agent: what the control services ask and the lifecycle owns. It holds no logic of its own but the status.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    Gateway,
    registry::{Kind, Price},
};
use bitrouter_proto::{
    PROTOCOL, VERSION, clock,
    status::{KeyChange, ProviderStatus, State, Status},
};
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    config::Level,
    control::Peer,
    health::{Health, events::Events},
    reload::{Refused, Reloader},
    telemetry::{LogRing, Logging},
};

/// An order to end.
#[derive(Clone, Copy, Debug)]
pub struct StopOrder {
    /// How long running requests may take; the default where `None`.
    pub timeout: Option<Duration>,
}

/// What is fixed for the life of one daemon.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `host:port` of each inference listener.
    pub listen: Vec<String>,
    /// The control socket at the start.
    pub socket: PathBuf,
    /// The flags it was started with, for `restart`.
    pub serve_args: Vec<String>,
    /// True where a service manager started it.
    pub service_managed: bool,
}

/// The running agent.
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
    socket: ArcSwap<PathBuf>,
    gateway: Arc<Gateway>,
    reloader: Reloader,
    health: Health,
    events: Events,
    logging: Arc<Logging>,
    started: Instant,
    started_at: String,
    phase: AtomicU8,
    stop: mpsc::Sender<StopOrder>,
}

/// The parts of an [`Agent`].
#[derive(Debug)]
pub struct Parts {
    /// What is fixed.
    pub identity: Identity,
    /// The inference path.
    pub gateway: Arc<Gateway>,
    /// The owner of config and keys.
    pub reloader: Reloader,
    /// What is wrong.
    pub health: Health,
    /// What happens.
    pub events: Events,
    /// What is logged.
    pub logging: Arc<Logging>,
    /// Where orders to end go.
    pub stop: mpsc::Sender<StopOrder>,
}

impl Agent {
    /// Puts the parts together; the state is `starting`.
    pub fn new(parts: Parts) -> Self {
        let Parts { identity, gateway, reloader, health, events, logging, stop } = parts;
        Self {
            socket: ArcSwap::from_pointee(identity.socket.clone()),
            identity,
            gateway,
            reloader,
            health,
            events,
            logging,
            started: clock::mono(),
            started_at: clock::now_rfc3339(),
            phase: AtomicU8::new(0),
            stop,
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        match self.phase.load(Ordering::Relaxed) {
            0 => State::Starting,
            1 => State::Running,
            _ => State::Draining,
        }
    }

    /// Both sockets answer.
    pub fn is_ready(&self) {
        self.phase.fetch_max(1, Ordering::Relaxed);
    }

    /// The drain begins.
    pub fn is_draining(&self) {
        self.phase.fetch_max(2, Ordering::Relaxed);
        self.events.send("draining", "no new connections; running requests finish", &[]);
    }

    /// The control socket has another place.
    pub fn moved(&self, socket: PathBuf) {
        self.socket.store(Arc::new(socket));
    }

    /// The whole status.
    pub async fn status(&self) -> Status {
        // Local addresses are asked at the same time: a few that keep silent must not add up.
        let asked = self.gateway.snapshot();
        let asks = asked
            .catalog
            .providers()
            .map(async |provider| (provider.id().clone(), self.gateway.local_active(provider).await));
        let answers: BTreeMap<_, _> = futures_util::future::join_all(asks).await.into_iter().collect();
        // In this order, and after the wait: what is told of the last reload is never older than its count.
        let reloads = self.reloader.reloads();
        let in_force = self.reloader.in_force();
        let snapshot = self.gateway.snapshot();
        let mut providers = Vec::new();
        for provider in snapshot.catalog.providers() {
            let answers = answers.get(provider.id()).copied().unwrap_or_default();
            let key = in_force.keys.status(provider.id().as_str());
            let local = provider.kind() == Kind::Local && !provider.is_demo();
            let (active, detail) = if !provider.enabled() {
                (false, format!("switched off by `[providers.{}] enabled`{}", provider.id(), key.others))
            } else if provider.is_demo() {
                (true, "built in; answers offline".to_owned())
            } else if local && !answers {
                (false, format!("local: not configured, and nothing answers at its address{}", key.others))
            } else if local && key.variable.is_none() {
                (true, format!("local: needs no key{}", key.others))
            } else {
                (snapshot.usable(provider), key.detail.clone())
            };
            providers.push(ProviderStatus {
                id: provider.id().to_string(),
                active,
                key_source: key.source.map(|source| source.as_str().to_owned()),
                variable: key.variable.clone(),
                detail,
            });
        }
        Status {
            state: self.state(),
            pid: Some(std::process::id()),
            version: Some(VERSION.to_owned()),
            protocol: Some(PROTOCOL),
            started_at: Some(self.started_at.clone()),
            uptime_s: Some(clock::mono().saturating_duration_since(self.started).as_secs()),
            listen: self.identity.listen.clone(),
            socket: Some(self.socket.load().display().to_string()),
            config: in_force.config_path.as_ref().map(|path| path.display().to_string()),
            providers,
            reloads,
            warnings: self.health.list(),
            serve_args: self.identity.serve_args.clone(),
            service_managed: self.identity.service_managed,
            pushed_variables: in_force.pushed_variables,
            log_level: self.logging.level().as_str().to_owned(),
            ..Status::silent(State::Running)
        }
    }

    /// A model that answers now, as `provider/model`, for the banner: offline where that is asked for, else the one that
    /// costs least.
    pub async fn any_model(&self) -> Option<String> {
        let status = self.status().await;
        let snapshot = self.gateway.snapshot();
        let active = status.providers.iter().filter(|provider| provider.active);
        let mut active: Vec<_> = active.filter_map(|provider| snapshot.catalog.find(&provider.id)).collect();
        active.sort_by_key(|provider| !provider.is_demo());
        active.into_iter().find_map(|provider| {
            let chat = provider.models().iter().filter(|model| !model.can("embeddings"));
            // The first of equals; the demo's first is the one that answers with the question.
            let cheapest = chat.min_by_key(|model| {
                let price = model.pricing.as_ref().and_then(|pricing| pricing.output_tokens.text);
                price.map_or(u64::MAX, Price::pico_usd_per_token)
            })?;
            Some(format!("{}/{}", provider.id(), cheapest.id))
        })
    }

    /// The variables that some provider reads.
    pub fn variable_names(&self) -> Vec<String> {
        self.reloader.in_force().names.clone()
    }

    /// `bitrouter reload`: takes the session's variables, then reads everything again.
    pub async fn reload_from_shell(
        &self,
        peer: Peer,
        variables: Vec<(String, Option<SecretString>)>,
        forget: Vec<String>,
    ) -> Result<Vec<KeyChange>, Refused> {
        self.reloader.reload(peer, variables, forget).await
    }

    /// The shell hook's delta.
    pub async fn push_from_shell(
        &self,
        peer: Peer,
        variables: Vec<(String, Option<SecretString>)>,
    ) -> Result<Vec<KeyChange>, Refused> {
        self.reloader.push(peer, variables).await
    }

    /// Orders the end. More orders than can be kept say nothing new.
    pub fn stop(&self, timeout: Option<Duration>) {
        let _ = self.stop.try_send(StopOrder { timeout });
    }

    /// Changes the log level; answers the one before.
    pub fn set_log_level(&self, level: Level) -> Level {
        let previous = self.logging.set_level(level);
        tracing::info!(now = level.as_str(), before = previous.as_str(), "log level");
        previous
    }

    /// The newest log lines.
    pub fn log_ring(&self) -> &LogRing {
        self.logging.ring()
    }

    /// What happens.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// What is wrong.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The owner of config and keys.
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// The inference path.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// One line for the service manager.
    pub async fn summary(&self) -> String {
        let status = self.status().await;
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
