//! The daemon while it runs: obeys signals and orders, looks after its socket, tells the service manager, and drains.

use std::{cell::Cell, path::Path, sync::Arc, time::Duration};

use bitrouter_proto::{codes::exit, env, shell};
use tokio::sync::broadcast::error::RecvError;

use super::{
    ServeError,
    banner::{self, Facts},
    drain::{self, Drained},
    manager,
    serve::{Place, Served},
    signals::{Kind, Terminal},
    socket::{self, Bound, Standing},
    state_file,
};
use crate::{health::Code, reload::Trigger};

/// How often the control socket's place is looked at: a vanished one is there again within 15 s, and an idle daemon sleeps.
const LOOK: Duration = Duration::from_secs(12);

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
        let model = self.agent.any_model().await;
        let facts =
            Facts { base_url: &base_url, model: model.as_deref(), own_path: own_path.as_deref().filter(|_| !on_path) };
        banner::text(&self.agent.status().await, facts)
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
        {
            let place = self.socket.borrow();
            if let Some(identity) = place.identity {
                socket::remove(&place.path, identity);
            }
        }
        state_file::remove(&self.lock.dir, &self.places);
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
                    if terminal.is_lost() {
                        tracing::info!("the terminal is gone");
                        return drain::DEFAULT;
                    }
                    let trigger = Trigger::Signal { pid: signal.sender_pid, uid: signal.sender_uid };
                    self.agent.reloader().trigger(trigger).await;
                }
                _ = look.tick() => self.look_after_socket(),
                () = self.look.notified() => self.look_after_socket(),
            }
        }
    }

    /// Re-creates a control socket that vanished (a cleaned `/run`, a careless `rm`).
    fn look_after_socket(&mut self) {
        let Place { path, identity } = self.socket.borrow().clone();
        let Some(identity) = identity else { return };
        let health = self.agent.health().clone();
        match socket::standing(&path, identity) {
            Standing::Ours => health.clear(Code::ControlSocketTaken),
            Standing::Gone => match socket::bind(&path) {
                Ok(bound) => {
                    tracing::warn!(socket = %path.display(), "the control socket had vanished; it is there again");
                    self.listen_at(&path, bound);
                }
                Err(error) => {
                    if !self.took_refuge(&path) {
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
    fn took_refuge(&mut self, lost: &Path) -> bool {
        let refuge = self.places.fallback_socket();
        if refuge == lost || lost.parent().is_none_or(Path::exists) {
            return false;
        }
        let Ok(bound) = socket::bind(&refuge) else { return false };
        let message =
            format!("the directory of `{}` is gone; the control socket is below the state directory", lost.display());
        self.agent.health().raise(Code::RuntimeDirUnusable, message, None);
        self.listen_at(&refuge, bound);
        self.json.socket = refuge.display().to_string();
        self.agent.moved(refuge);
        let written = state_file::write(&self.lock.dir, &self.places, &self.json);
        self.agent.health().set(Code::StateUnwritable, written.err().map(|error| error.to_string()), None);
        true
    }

    fn listen_at(&mut self, path: &Path, bound: Bound) {
        self.control_listening.cancel();
        self.control_listening = self.control.serve(bound.listener);
        self.socket.send_replace(Place { path: path.to_owned(), identity: Some(bound.identity) });
        self.agent.health().clear(Code::ControlSocketTaken);
    }

    fn spawn_service_manager_tasks(&self) {
        if !self.notifier.speaks() {
            return;
        }
        let (agent, notifier) = (Arc::clone(&self.agent), self.notifier.clone());
        let mut events = agent.events().watch();
        self.tasks.spawn("service status", async move {
            // Whatever is an event may change the line; how many were missed does not matter to it.
            while !matches!(events.recv().await, Err(RecvError::Closed)) {
                while events.try_recv().is_ok() {}
                notifier.status(&agent.summary().await);
            }
        });
        if let Some(period) = self.notifier.watchdog_period() {
            let watchdog = manager::Watchdog {
                agent: Arc::clone(&self.agent),
                notifier: self.notifier.clone(),
                socket: self.socket.subscribe(),
                look: Arc::clone(&self.look),
                http: self.address,
            };
            self.tasks.spawn("watchdog", watchdog.feed(period));
        }
    }
}
