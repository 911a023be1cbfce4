//! The daemon while it runs: obeys signals and orders, looks after its socket, tells the service manager, and drains.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::env;

use super::{
    ServeError,
    banner::{self, Facts},
    drain::{self, Drained},
    probe,
    serve::Served,
    signals::{Kind, Terminal},
    socket::{self, Standing},
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
        let shorter = async || loop {
            tokio::select! {
                Some(order) = stop.recv() => return order.timeout.unwrap_or(drain::DEFAULT),
                Some(signal) = feed.recv() => {
                    if signal.kind == Kind::End {
                        tracing::warn!(signal = signal.name, "told again: ending now");
                        return Duration::ZERO;
                    }
                }
                else => std::future::pending().await,
            }
        };
        let drained = drain::drain(&self.agent, &self.http, &self.control, self.notifier, bound, shorter).await;
        if let Some(identity) = self.socket_identity {
            socket::remove(&self.socket_path, identity);
        }
        state_file::remove(&self.lock.dir, &self.places);
        tracing::info!(whole = drained == Drained::Whole, "ended");
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
            }
        }
    }

    /// Re-creates a control socket that vanished (a cleaned `/run`, a careless `rm`).
    fn look_after_socket(&mut self) {
        let Some(identity) = self.socket_identity else { return };
        let health = self.agent.health();
        match socket::standing(&self.socket_path, identity) {
            Standing::Ours => health.clear(Code::ControlSocketTaken),
            Standing::Gone => match socket::bind(&self.socket_path) {
                Ok(bound) => {
                    self.control_listening.cancel();
                    self.control_listening = self.control.serve(bound.listener);
                    self.socket_identity = Some(bound.identity);
                    health.clear(Code::ControlSocketTaken);
                    tracing::warn!(socket = %self.socket_path.display(), "the control socket had vanished; it is there again");
                }
                Err(error) => health.raise(Code::ControlSocketTaken, error.message, None),
            },
            Standing::Foreign => {
                let message = format!("something else stands at `{}`", self.socket_path.display());
                health.raise(Code::ControlSocketTaken, message, Some("bitrouter restart"));
            }
        }
    }

    fn spawn_service_manager_tasks(&self) {
        if self.environment.text(env::NOTIFY_SOCKET).is_none() {
            return;
        }
        let (agent, notifier) = (Arc::clone(&self.agent), self.notifier);
        let mut changed = agent.health().subscribe();
        self.tasks.spawn("service status", async move {
            while changed.changed().await.is_ok() {
                notifier.status(&agent.summary().await);
            }
        });
        if let Some(period) = notifier.watchdog_period() {
            let (socket, address) = (self.socket_path.clone(), self.address);
            self.tasks.spawn("watchdog", async move {
                let mut tick = tokio::time::interval(period);
                tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    // Alive means that both sockets answer, not that a timer fires.
                    match probe::both_answer(&socket, address).await {
                        Ok(()) => notifier.alive(),
                        Err(error) => tracing::error!(error, "the daemon does not answer itself"),
                    }
                }
            });
        }
    }
}
