//! The third step: everything is served, and "ready" is said once both sockets have answered ourselves.

use std::{os::fd::OwnedFd, sync::Arc};

use arc_swap::ArcSwap;
use bitrouter_gateway::{Gateway, GatewayOptions, ProxySettings, Snapshot};
use bitrouter_proto::{
    VERSION,
    env::{self, Environment},
    status::DaemonJson,
    tasks::Tasks,
};
use tokio::sync::{mpsc, watch};

use super::{
    ServeError,
    bind_all::{AllBound, Listeners},
    options::Launch,
    parse::Parsed,
    probe,
    running::{Place, Served},
    signals::Signals,
    state_file,
};
use crate::{
    activity::Activity,
    agent::{Agent, AgentDeps},
    control::ControlServer,
    credentials::{CredentialPlan, Credentials},
    environment::EnvFileWatch,
    health::{Code, Health, events::Events},
    listener::{Audience, HttpServer, Limits, ListenerSettings, PeerLookup, ProvenPeer, RefusalSink, ServerOptions},
    node_host::{NodeHost, NodeOutbound, NodePlan, NodeSettings, owner_name},
    reload::{self, Engine, ReloadObservers, Reloader, Targets, Trigger},
    service_manager::Notifier,
    status::Identity,
    telemetry::{Logging, RequestLog, metrics::Metrics, requests::Requests},
};

/// What every part of one daemon tells of itself, and who owns its tasks.
struct Told {
    metrics: Arc<Metrics>,
    events: Events,
    health: Health,
    notifier: Notifier,
    tasks: Tasks,
    activity: Activity,
}

/// Serves everything; returns when both sockets answer.
pub(super) async fn get_ready(bound: AllBound, launch: Launch, signals: Signals) -> Result<Served, ServeError> {
    let AllBound { parsed, control: socket, http } = bound;
    let [here, team] = http.addresses()?;
    let address = http.reached_at()?;
    let Parsed { lock, places, engine, logging, fd_budget, environment, serve_args, .. } = parsed;
    let told = Told::new(&environment, launch.detached);
    told.tasks.spawn("log", told.health.clone().follow(Code::LogUnwritable, logging.problem()));
    let proxies = proxies(&environment);
    let settings = Arc::new(ArcSwap::from_pointee(engine.listener_settings()));
    let state_dir = lock.dir.try_clone().map_err(|error| failure("cannot keep the state directory", &error))?;
    let node_settings = Arc::new(ArcSwap::from_pointee(engine.node_settings()));
    let plan = NodePlan {
        enabled: engine.config().node.enabled,
        dir: places.data_dir.clone(),
        database: engine.config().database().map_err(|error| ServeError::failure(error.to_string()))?,
        owner_name: owner_name(&environment),
        settings: Arc::clone(&node_settings),
        outbound: Arc::new(NodeOutbound::new(&proxies)),
        health: told.health.clone(),
    };
    let node = NodeHost::open(plan, &told.tasks);
    let credentials = Credentials::start(CredentialPlan {
        dir: places.data_dir.clone(),
        proxies: proxies.clone(),
        node: node.clone(),
        node_settings: Arc::clone(&node_settings),
        health: told.health.clone(),
        events: told.events.clone(),
        tasks: told.tasks.clone(),
    });
    let gateway = gateway(&engine, proxies, &credentials, &node, &told, logging.request_log())?;
    told.tasks.spawn("node id", name_node(node.clone(), Arc::clone(&gateway)));
    let targets = Targets {
        gateway: Arc::clone(&gateway),
        listener: Arc::clone(&settings),
        logging: Arc::clone(&logging),
        node: NodeSettings::new(node_settings, node.clone()),
    };
    let reloader = spawn_reloader(engine, targets, &told, state_dir)?;
    let identity = Identity {
        listen: here.iter().chain(&team).map(ToString::to_string).collect(),
        http: format!("http://{address}"),
        socket: socket.path.clone(),
        serve_args,
        service_managed: told.notifier.speaks() || launch.is_service,
    };
    let (agent, stop) = agent(identity, &gateway, reloader, &told, logging, node, credentials);
    told.health.set(Code::RuntimeDirUnusable, socket.warning, None);
    // Before the first call: who is signed in is not told that nobody is.
    agent.account.show().await;
    let http = serve_http(http, &gateway, settings, &told, fd_budget.http, agent.node.clone())?;
    let control = ControlServer::new(&agent, fd_budget.control)
        .await
        .map_err(|error| failure("cannot build the control services", &error))?;
    let control_listening = control.serve(socket.listener);

    // `/health` answers no sooner, and a probe that waits for it would count that against the sockets.
    agent.node.settled().await;
    // A team's listener is not asked: strangers may hold all its connections, and must not keep us from being ready.
    probe::both_answer(&socket.path, address)
        .await
        .map_err(|error| ServeError::failure(format!("the daemon does not answer itself: {error}")))?;
    let json = DaemonJson {
        pid: std::process::id(),
        socket: socket.path.display().to_string(),
        http: agent.status.http().to_owned(),
        version: VERSION.to_owned(),
    };
    let written = state_file::write(&lock.dir, &places, &json);
    told.health.set(Code::StateUnwritable, written.err().map(|error| error.to_string()), None);
    // Whose the credential is may be known only now.
    agent.account.show().await;
    told.tasks.spawn("account", agent.account.clone().follow());
    agent.phase.mark_ready();
    told.notifier.ready(&agent.status.summary().await);
    tracing::info!(version = VERSION, pid = json.pid, listen = %address, socket = json.socket.as_str(), "ready");
    Ok(Served {
        agent,
        http,
        control,
        stop,
        socket: watch::Sender::new(Place { path: socket.path, identity: socket.identity }),
        json,
        look: Arc::default(),
        control_listening,
        address,
        lock,
        places,
        environment,
        notifier: told.notifier,
        tasks: told.tasks,
        signals,
    })
}

impl Told {
    fn new(environment: &Environment, detached: bool) -> Self {
        let (metrics, events) = (Arc::new(Metrics::default()), Events::default());
        Self {
            health: Health::new(Arc::clone(&metrics), events.clone()),
            metrics,
            events,
            notifier: Notifier::new(environment, detached),
            tasks: Tasks::new(),
            activity: Activity::default(),
        }
    }
}

fn failure(what: &str, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::failure(format!("{what}: {error}"))
}

/// The proxies that the environment names.
fn proxies(environment: &Environment) -> ProxySettings {
    ProxySettings {
        https: environment.either_case(env::HTTPS_PROXY).map(str::to_owned),
        no_proxy: environment.either_case(env::NO_PROXY).map(str::to_owned),
    }
}

fn gateway(
    engine: &Engine,
    proxy: ProxySettings,
    credentials: &Credentials,
    node: &NodeHost,
    told: &Told,
    request_log: RequestLog,
) -> Result<Arc<Gateway>, ServeError> {
    let options = GatewayOptions {
        admission: Arc::new(node.clone()),
        account: Arc::new(credentials.clone()),
        usage: Arc::new(Requests::new(Arc::clone(&told.metrics), request_log)),
        proxy,
        tasks: told.tasks.clone(),
    };
    let snapshot = engine.snapshot().map_err(|refused| ServeError::caller(refused.message))?;
    let keys = node.owners_first(Arc::clone(&snapshot.keys));
    Ok(Gateway::new(options, Snapshot { keys, ..snapshot }))
}

/// Has calls to other agents go out under the id of the node, once there is one, and knows again what the node remembers.
async fn name_node(node: NodeHost, gateway: Arc<Gateway>) {
    if let Some(node) = node.on().await {
        gateway.set_node_id(node.id());
        gateway.restore_objects(node.take_stored_objects());
    }
}

/// Starts the thread that owns config and keys, and has it told of changed env files.
fn spawn_reloader(engine: Engine, targets: Targets, told: &Told, state_dir: OwnedFd) -> Result<Reloader, ServeError> {
    let observers = ReloadObservers {
        health: told.health.clone(),
        events: told.events.clone(),
        metrics: Arc::clone(&told.metrics),
        notifier: told.notifier.clone(),
    };
    let (changed, mut env_changed) = mpsc::channel(1);
    let reloader = reload::spawn(engine, targets, observers, state_dir, EnvFileWatch::new(changed))
        .map_err(|error| failure("cannot start the reload thread", &error))?;
    let triggered = reloader.clone();
    told.tasks.spawn("env files", async move {
        while env_changed.recv().await.is_some() {
            triggered.trigger(Trigger::EnvFile);
        }
    });
    Ok(reloader)
}

fn agent(
    identity: Identity,
    gateway: &Arc<Gateway>,
    reloader: Reloader,
    told: &Told,
    logging: Arc<Logging>,
    node: NodeHost,
    credentials: Credentials,
) -> (Agent, mpsc::Receiver<crate::phase::StopOrder>) {
    Agent::new(AgentDeps {
        identity,
        gateway: Arc::clone(gateway),
        reloader,
        health: told.health.clone(),
        events: told.events.clone(),
        logging,
        node,
        credentials,
        activity: told.activity.clone(),
    })
}

struct Refusals {
    metrics: Arc<Metrics>,
    health: Health,
}

impl RefusalSink for Refusals {
    fn refused(&self, reason: &'static str) {
        self.metrics.refused(reason);
    }

    fn came_through_a_proxy(&self, seen: ProvenPeer<'_>) {
        let how = match seen {
            ProvenPeer::Kernel(_) => return,
            ProvenPeer::Forwarded(header) => format!("header `{header}`"),
            ProvenPeer::OtherHost(host) => format!("host `{host}`"),
        };
        self.health.raise_first(Code::UntrustedProxy, || {
            format!(
                "calls come through a proxy or a tunnel ({how}), so that nobody can tell whose they are: without a \
                 credential they are refused; name a proxy of yours in `[node] trusted_proxies`"
            )
        });
    }
}

/// Serves the inference listeners, and says what is odd about who may call.
fn serve_http(
    listeners: Listeners,
    gateway: &Arc<Gateway>,
    settings: Arc<ArcSwap<ListenerSettings>>,
    told: &Told,
    connections: usize,
    node: NodeHost,
) -> Result<HttpServer, ServeError> {
    if rustix::process::geteuid().is_root() {
        told.health.raise(Code::RunningAsRoot, "the daemon runs as root; an ordinary user is enough", None);
    }
    let peers = Arc::new(PeerLookup::new());
    if !peers.available() {
        let message = "the kernel cannot be asked who calls; programs without a key are refused";
        told.health.raise(Code::PeerLookupUnavailable, message, None);
    }
    let metrics = Arc::clone(&told.metrics);
    let options = ServerOptions {
        activity: told.activity.clone(),
        service: Arc::clone(gateway) as _,
        settings,
        peers,
        node: Arc::new(node.clone()),
        authenticator: Arc::new(node),
        refusals: Arc::new(Refusals { metrics: Arc::clone(&told.metrics), health: told.health.clone() }),
        metrics: Arc::new(move || metrics.text()),
        limits: Limits { connections, ..Limits::default() },
    };
    let here = listeners.here.into_iter().map(|listener| (Audience::ThisMachine, listener));
    let team = listeners.team.into_iter().map(|listener| (Audience::Team, listener));
    HttpServer::start(here.chain(team), options).map_err(|error| failure("cannot serve the listener", &error))
}
