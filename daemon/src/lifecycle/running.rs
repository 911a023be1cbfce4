//! The daemon while it runs: obeys signals and orders, looks after its socket, tells the service manager, and drains.

use std::{
    cell::Cell,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bitrouter_proto::{
    codes::exit,
    env::{self, Environment},
    paths::Places,
    shell,
    status::DaemonJson,
    tasks::Tasks,
};
use tokio::sync::{Notify, broadcast::error::RecvError, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    ServeError,
    banner::{self, BannerInput},
    drain::{self, Drained},
    idle_memory::IdleMemory,
    lock::InstanceLock,
    self_check::BothSockets,
    signals::{Kind, Signals, Terminal},
    socket::{self, Bound, Standing},
    state_file,
};
use crate::{
    agent::Agent,
    control::ControlServer,
    health::Code,
    listener::HttpServer,
    phase::StopOrder,
    reload::Trigger,
    service_manager::{Notifier, ServiceWatchdog},
};

/// How often the control socket's place is looked at: a vanished one is there again within 15 s, and an idle daemon sleeps.
const LOOK: Duration = Duration::from_secs(12);

/// How long the files that tell of us may take to be removed.
const REMOVING: Duration = Duration::from_secs(1);

/// Where the control socket is now.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// `None` where a service manager owns the socket.
    pub(super) identity: Option<socket::Identity>,
}

/// Everything served, and both sockets known to answer.
pub(super) struct Served {
    pub(super) agent: Agent,
    pub(super) http: HttpServer,
    pub(super) control: ControlServer,
    pub(super) stop: mpsc::Receiver<StopOrder>,
    pub(super) socket: watch::Sender<Place>,
    pub(super) json: DaemonJson,
    /// Somebody found that the socket is not where it was.
    pub(super) look: Arc<Notify>,
    pub(super) control_listening: CancellationToken,
    pub(super) address: SocketAddr,
    pub(super) lock: InstanceLock,
    pub(super) places: Places,
    pub(super) environment: Environment,
    pub(super) notifier: Notifier,
    pub(super) tasks: Tasks,
    pub(super) signals: Signals,
}

impl Served {
    /// What a terminal is greeted with.
    pub(super) async fn banner(&self) -> String {
        let own_path = std::env::current_exe().ok();
        let on_path = self.environment.path(env::PATH).is_some_and(|path| {
            std::env::split_paths(&path).any(|dir| {
                let found = std::fs::canonicalize(dir.join("bitrouter")).ok();
                found.is_some() && found == own_path.as_deref().and_then(|path| std::fs::canonicalize(path).ok())
            })
        });
        let base_url = format!("http://{}/v1", self.address);
        let model = self.agent.status.any_model().await;
        let facts = BannerInput {
            base_url: &base_url,
            model: model.as_deref(),
            own_path: own_path.as_deref().filter(|_| !on_path),
        };
        banner::text(&self.agent.status.read().await, facts)
    }

    /// Waits for the order to end, and ends.
    pub(super) async fn run_and_drain(mut self, terminal: Terminal) -> Result<(), ServeError> {
        self.spawn_service_manager_tasks();
        let bound = self.until_told(terminal).await;
        let (stop, feed) = (&mut self.stop, &mut self.signals.feed);
        let interrupted = Cell::new(false);
        let shorter = async || loop {
            tokio::select! {
                Some(order) = stop.recv() => return order.timeout.unwrap_or(drain::DEFAULT),
                Some(signal) = feed.recv() => {
                    if signal.kind == Kind::End {
                        tracing::warn!(signal = signal.name, "told again: ending now");
                        interrupted.set(signal.is_interrupt());
                        return Duration::ZERO;
                    }
                }
                else => std::future::pending().await,
            }
        };
        let drained = drain::drain(&self.agent, &self.http, &self.control, &self.notifier, bound, shorter).await;
        remove_files(self.socket.borrow().clone(), self.lock, self.places).await;
        tracing::info!(whole = drained == Drained::Whole, "ended");
        if drained == Drained::Cut && interrupted.get() {
            let message = "interrupted again: running requests were cut";
            return Err(ServeError { exit: exit::INTERRUPTED, ..ServeError::failure(message) });
        }
        Ok(())
    }

    /// Obeys signals and looks after the socket until an order to end comes; answers the bound of the drain.
    async fn until_told(&mut self, terminal: Terminal) -> Duration {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        look.tick().await;
        let mut memory = IdleMemory::after_start();
        loop {
            tokio::select! {
                order = self.stop.recv() => {
                    return order.and_then(|order| order.timeout).unwrap_or(drain::DEFAULT);
                }
                Some(signal) = self.signals.feed.recv() => {
                    tracing::info!(
                        signal = signal.name, sender_pid = signal.sender_pid, sender_uid = signal.sender_uid, "signal"
                    );
                    if signal.kind == Kind::End {
                        return drain::DEFAULT;
                    }
                    if terminal.is_lost(signal) {
                        tracing::info!("the terminal is gone");
                        return drain::DEFAULT;
                    }
                    let trigger = Trigger::Signal { pid: signal.sender_pid, uid: signal.sender_uid };
                    self.agent.reloader.trigger(trigger);
                }
                _ = look.tick() => {
                    self.look_after_socket();
                    memory.look();
                }
                () = self.look.notified() => self.look_after_socket(),
            }
        }
    }

    /// Re-creates a control socket that vanished (a cleaned `/run`, a careless `rm`).
    fn look_after_socket(&mut self) {
        let Place { path, identity } = self.socket.borrow().clone();
        let Some(identity) = identity else { return };
        let health = self.agent.health.clone();
        match socket::standing(&path, identity) {
            Standing::Ours => health.clear(Code::ControlSocketTaken),
            Standing::Gone => match socket::bind(&path) {
                Ok(bound) => {
                    tracing::warn!(socket = %path.display(), "the control socket had vanished; it is there again");
                    self.listen_at(&path, bound);
                }
                Err(error) => {
                    if !self.move_to_fallback(&path) {
                        health.raise(Code::ControlSocketTaken, error.message, None);
                    }
                }
            },
            Standing::Foreign => {
                let shown = path.display();
                let message = format!(
                    "something else stands at `{shown}`; once it is removed, the socket is there again within 15 s"
                );
                let command = format!("rm {}", shell::quoted(&path.to_string_lossy()));
                health.raise(Code::ControlSocketTaken, message, Some(&command));
            }
        }
    }

    /// Where the directory is gone for good (a runtime directory ends with its user's last session), the socket moves
    /// below the state directory: a daemon that nobody reaches can be neither used nor ended.
    fn move_to_fallback(&mut self, lost: &Path) -> bool {
        let refuge = self.places.fallback_socket();
        if refuge == lost || lost.parent().is_none_or(Path::exists) {
            return false;
        }
        let Ok(bound) = socket::bind(&refuge) else { return false };
        let message =
            format!("the directory of `{}` is gone; the control socket is below the state directory", lost.display());
        self.agent.health.raise(Code::RuntimeDirUnusable, message, None);
        self.listen_at(&refuge, bound);
        self.json.socket = refuge.display().to_string();
        self.agent.status.moved(refuge);
        let written = state_file::write(&self.lock.dir, &self.places, &self.json);
        self.agent.health.set(Code::StateUnwritable, written.err().map(|error| error.to_string()), None);
        true
    }

    fn listen_at(&mut self, path: &Path, bound: Bound) {
        self.control_listening.cancel();
        self.control_listening = self.control.serve(bound.listener);
        self.socket.send_replace(Place { path: path.to_owned(), identity: Some(bound.identity) });
        self.agent.health.clear(Code::ControlSocketTaken);
    }

    fn spawn_service_manager_tasks(&self) {
        if !self.notifier.speaks() {
            return;
        }
        let (status, notifier) = (self.agent.status.clone(), self.notifier.clone());
        let mut events = self.agent.events.watch();
        self.tasks.spawn("service status", async move {
            // Whatever is an event may change the line; how many were missed does not matter to it.
            while !matches!(events.recv().await, Err(RecvError::Closed)) {
                while events.try_recv().is_ok() {}
                notifier.status(&status.summary().await);
            }
        });
        if let Some(period) = self.notifier.watchdog_period() {
            let check = BothSockets {
                phase: self.agent.phase.clone(),
                socket: self.socket.subscribe(),
                look: Arc::clone(&self.look),
                http: self.address,
            };
            let watchdog = ServiceWatchdog { notifier: self.notifier.clone(), check };
            self.tasks.spawn("watchdog", watchdog.feed(period));
        }
    }
}

/// Removes what tells where we listen, within a bound: a home directory that hangs must not keep a daemon alive. What is left
/// behind is replaced at the next start. The lock ends with this.
async fn remove_files(place: Place, lock: InstanceLock, places: Places) {
    let removed = tokio::task::spawn_blocking(move || {
        if let Some(identity) = place.identity {
            socket::remove(&place.path, identity);
        }
        state_file::remove(&lock.dir, &places);
    });
    if tokio::time::timeout(REMOVING, removed).await.is_err() {
        tracing::warn!("the state directory does not answer; the control socket and daemon.json stay");
    }
}
