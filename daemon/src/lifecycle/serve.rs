//! The sequence: parse → bind → ready → run → drain.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{Gateway, GatewayOptions, ProxySettings};
use bitrouter_proto::{
    VERSION,
    env::{self, Environment},
    paths::Places,
    status::DaemonJson,
    tasks::Tasks,
};
use tokio::sync::{Notify, mpsc, watch};

use super::{
    Notifier, ServeError, ServeOptions,
    detach::ReadyPipe,
    lock::InstanceLock,
    parse::{Parsed, listen_flag, parse},
    probe,
    signals::{self, Signals, Terminal},
    socket, state_file,
};
use crate::{
    agent::{Agent, Identity, Parts, StopOrder},
    control::{Control, Listener},
    environment::EnvFileWatch,
    health::{Code, Health, events::Events},
    listener::{HttpServer, Limits, PeerLookup, RefusalSink, ServerOptions, adopt, bind, peer::own_hidden_uid},
    reload::{self, Audience, Targets, Trigger},
    telemetry::{metrics::Metrics, requests::Requests},
};

/// Runs the daemon in the foreground until it is told to end. `greet` gets the text for a terminal.
///
/// # Errors
/// Why it could not start, or [`exit::INTERRUPTED`] where a second Ctrl-C cut the drain short.
pub fn serve(options: &ServeOptions, greet: impl FnOnce(&str)) -> Result<(), ServeError> {
    run(options, greet)
}

/// Runs the daemon in the detached child and reports over `pipe`.
pub(super) fn serve_detached(options: &ServeOptions, pipe: ReadyPipe) -> Result<(), ServeError> {
    let mut pipe = Some(pipe);
    let result = run(options, |_| {
        if let Some(pipe) = pipe.take() {
            pipe.ready();
        }
    });
    if let (Err(error), Some(pipe)) = (&result, pipe.take()) {
        pipe.failed(error);
    }
    result
}

/// `ready` is called with the text for a terminal when both sockets answer.
fn run(options: &ServeOptions, ready: impl FnOnce(&str)) -> Result<(), ServeError> {
    let terminal = Terminal::at_start();
    // First of all: a signal during the start is obeyed once we are ready, instead of killing us half-way.
    let signals =
        signals::listen().map_err(|error| ServeError::failure(format!("cannot listen to signals: {error}")))?;
    if let Some(uid) = own_hidden_uid() {
        return Err(ServeError::caller(format!(
            "uid {uid} is what the kernel shows for every user it cannot name, so that the daemon could not tell its own \
             programs from others; run it as another user"
        )));
    }
    let parsed = parse(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .thread_name("worker")
        .enable_all()
        .build()
        .map_err(|error| ServeError::failure(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        let bound = bind_all(parsed)?;
        let served = get_ready(bound, options, signals).await?;
        ready(&served.banner().await);
        served.run_and_drain(terminal).await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Two threads serve a laptop's load; more than four only cost memory.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 4)
}

/// Everything bound, nothing served.
struct AllBound {
    parsed: Parsed,
    socket: ControlSocket,
    http: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    warning: Option<String>,
}

struct ControlSocket {
    path: PathBuf,
    listener: Listener,
    /// `None` where a service manager owns the socket.
    identity: Option<socket::Identity>,
}

fn bind_all(mut parsed: Parsed) -> Result<AllBound, ServeError> {
    let http = if parsed.passed.http.is_empty() {
        let listen = match &parsed.listen {
            Some(text) => listen_flag(text)?,
            None => parsed.engine.config().server.listen,
        };
        bind(SocketAddr::new(listen.address(), listen.port())).map_err(|error| {
            let hint = error.hint().map(|flag| format!("bitrouter {} {flag}", parsed.verb));
            ServeError { hint, ..ServeError::caller(error.to_string()) }
        })?
    } else {
        std::mem::take(&mut parsed.passed.http)
            .into_iter()
            .map(|listener| adopt(listener).map_err(|error| ServeError::caller(error.to_string())))
            .collect::<Result<_, _>>()?
    };
    let addresses = http
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ServeError::failure(format!("cannot tell where we listen: {error}")))?;
    let (socket, warning) = match parsed.passed.control.take() {
        Some(fd) => {
            let path = rustix::net::getsockname(&fd).ok().and_then(|address| address.try_into().ok()).and_then(
                |address: rustix::net::SocketAddrUnix| {
                    use std::os::unix::ffi::OsStrExt as _;
                    address.path_bytes().map(|bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
                },
            );
            let Some(path) = path else {
                return Err(ServeError::caller(
                    "the passed control socket has no path; abstract names are not served, so use a path in \
                     `ListenStream=`",
                ));
            };
            let listener = Listener::adopt(fd)
                .map_err(|error| ServeError::caller(format!("cannot serve the passed control socket: {error}")))?;
            (ControlSocket { path, listener, identity: None }, None)
        }
        None => {
            let chosen = parsed.places.control_socket();
            let bound = socket::bind(&chosen.path)?;
            let socket = ControlSocket { path: chosen.path, listener: bound.listener, identity: Some(bound.identity) };
            (socket, chosen.warning)
        }
    };
    Ok(AllBound { parsed, socket, http, addresses, warning })
}

/// Where the control socket is now.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// `None` where a service manager owns the socket.
    pub(super) identity: Option<socket::Identity>,
}

/// Everything served, and both sockets known to answer.
pub(super) struct Served {
    pub(super) agent: Arc<Agent>,
    pub(super) http: HttpServer,
    pub(super) control: Control,
    pub(super) stop: mpsc::Receiver<StopOrder>,
    pub(super) socket: watch::Sender<Place>,
    pub(super) json: DaemonJson,
    /// Somebody found that the socket is not where it was.
    pub(super) look: Arc<Notify>,
    pub(super) control_listening: tokio_util::sync::CancellationToken,
    pub(super) address: SocketAddr,
    pub(super) lock: InstanceLock,
    pub(super) places: Places,
    pub(super) environment: Environment,
    pub(super) notifier: Notifier,
    pub(super) tasks: Tasks,
    pub(super) signals: Signals,
}

struct Refusals(Arc<Metrics>);

impl RefusalSink for Refusals {
    fn refused(&self, reason: &'static str) {
        self.0.refused(reason);
    }
}

async fn get_ready(bound: AllBound, options: &ServeOptions, signals: Signals) -> Result<Served, ServeError> {
    let AllBound { parsed, socket, http, addresses, warning } = bound;
    let Parsed { lock, places, engine, logging, shares, environment, serve_args, .. } = parsed;
    let (metrics, events, tasks) = (Arc::new(Metrics::default()), Events::default(), Tasks::new());
    let notifier = Notifier::new(&environment, options.detached);
    let health = Health::new(Arc::clone(&metrics), events.clone());
    let failure = |what: &str, error: &dyn std::fmt::Display| ServeError::failure(format!("{what}: {error}"));

    let gateway = Gateway::new(
        GatewayOptions {
            usage: Arc::new(Requests::new(Arc::clone(&metrics))),
            proxy: ProxySettings {
                https: environment.either_case(env::HTTPS_PROXY).map(str::to_owned),
                no_proxy: environment.either_case(env::NO_PROXY).map(str::to_owned),
            },
            tasks: tasks.clone(),
        },
        engine.snapshot().map_err(|refused| ServeError::caller(refused.message))?,
    );
    let listener_settings = Arc::new(ArcSwap::from_pointee(engine.listener_settings()));
    let (stop_sender, stop) = mpsc::channel(4);
    let (changed, mut env_changed) = mpsc::channel(1);
    let reloader = reload::spawn(
        engine,
        Targets {
            gateway: Arc::clone(&gateway),
            listener: Arc::clone(&listener_settings),
            logging: Arc::clone(&logging),
        },
        Audience {
            health: health.clone(),
            events: events.clone(),
            metrics: Arc::clone(&metrics),
            notifier: notifier.clone(),
        },
        lock.dir.try_clone().map_err(|error| failure("cannot keep the state directory", &error))?,
        EnvFileWatch::new(changed),
    )
    .map_err(|error| failure("cannot start the reload thread", &error))?;
    {
        let reloader = reloader.clone();
        tasks.spawn("env files", async move {
            while env_changed.recv().await.is_some() {
                reloader.trigger(Trigger::EnvFile).await;
            }
        });
    }

    let agent = Arc::new(Agent::new(Parts {
        identity: Identity {
            listen: addresses.iter().map(ToString::to_string).collect(),
            socket: socket.path.clone(),
            serve_args,
            service_managed: notifier.speaks()
                || (environment.text(env::INVOCATION_ID).is_some() && !options.detached && options.parent == Some(1)),
        },
        gateway: Arc::clone(&gateway),
        reloader,
        health: health.clone(),
        events,
        logging,
        stop: stop_sender,
    }));

    health.set(Code::RuntimeDirUnusable, warning, None);
    if rustix::process::geteuid().is_root() {
        health.raise(Code::RunningAsRoot, "the daemon runs as root; an ordinary user is enough", None);
    }
    let peers = Arc::new(PeerLookup::new());
    if !peers.available() {
        let message = "the kernel cannot be asked who calls; programs without a key are refused";
        health.raise(Code::PeerLookupUnavailable, message, None);
    }

    let metrics_text = Arc::clone(&metrics);
    let http = HttpServer::start(
        http,
        ServerOptions {
            router: gateway.router(),
            settings: listener_settings,
            peers,
            refusals: Arc::new(Refusals(Arc::clone(&metrics))),
            metrics: Arc::new(move || metrics_text.text()),
            limits: Limits { connections: shares.http, ..Limits::default() },
        },
    )
    .map_err(|error| failure("cannot serve the listener", &error))?;
    let control = Control::new(&agent, shares.control)
        .await
        .map_err(|error| failure("cannot build the control services", &error))?;
    let control_listening = control.serve(socket.listener);

    let address = addresses.first().copied().ok_or_else(|| ServeError::failure("no listener was bound"))?;
    probe::both_answer(&socket.path, address)
        .await
        .map_err(|error| ServeError::failure(format!("the daemon does not answer itself: {error}")))?;
    let json = DaemonJson {
        pid: std::process::id(),
        socket: socket.path.display().to_string(),
        http: format!("http://{address}"),
        version: VERSION.to_owned(),
    };
    let written = state_file::write(&lock.dir, &places, &json);
    health.set(Code::StateUnwritable, written.err().map(|error| error.to_string()), None);
    agent.is_ready();
    notifier.ready(&agent.summary().await);
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
        notifier,
        tasks,
        signals,
    })
}
