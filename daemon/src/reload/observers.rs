//! What the engine tells besides its targets: the log, events, warnings, metrics, the service manager.

use std::sync::Arc;

use bitrouter_proto::status::{KeyChange, ReloadOutcome};

use super::{Refused, Trigger};
use crate::{
    control_peer::ControlPeer,
    health::{Health, events::Events},
    service_manager::Notifier,
    telemetry::metrics::Metrics,
};

/// Who hears of reloads and pushes.
#[derive(Clone, Debug)]
pub struct ReloadObservers {
    /// What is wrong.
    pub health: Health,
    /// What happens.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The service manager.
    pub notifier: Notifier,
}

/// Tells the service manager that a reload began, and when it is dropped that it is over: however it ended, a panic
/// included, the manager must not be left waiting.
pub(super) struct Announced(Notifier);

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.reloaded();
    }
}

impl ReloadObservers {
    /// A reload begins; it ends with what is returned.
    pub(super) fn announce(&self) -> Announced {
        self.notifier.reloading();
        Announced(self.notifier.clone())
    }

    /// A reading is in force.
    pub(super) fn reloaded(&self, trigger: Trigger, outcome: &ReloadOutcome, forgotten: &[String]) {
        self.events.send("reload", "everything was read again", &[("trigger", trigger.name())]);
        for change in &outcome.changed {
            self.key_changed(change);
        }
        for name in forgotten {
            tracing::info!(variable = name.as_str(), "forgotten until it is pushed again");
        }
    }

    /// A shell's delta is in force.
    pub(super) fn pushed(&self, peer: ControlPeer, changes: &[KeyChange]) {
        for change in changes {
            tracing::info!(
                variable = change.name.as_str(),
                provider = change.provider.as_str(),
                change = change.change.as_str(),
                sender_pid = peer.pid,
                sender_uid = peer.uid,
                "pushed"
            );
            self.key_changed(change);
        }
    }

    fn key_changed(&self, change: &KeyChange) {
        let now_from = change.now_from.as_deref().unwrap_or("nowhere");
        let fields = [
            ("name", change.name.as_str()),
            ("provider", change.provider.as_str()),
            ("change", change.change.as_str()),
            ("now_from", now_from),
        ];
        self.events.send("key_changed", &format!("{} {}", change.name, change.change), &fields);
    }

    /// The line of a reload.
    pub(super) fn log(trigger: Trigger, result: Result<&ReloadOutcome, &Refused>) {
        let (pid, uid) = trigger.sender();
        let trigger = trigger.name();
        match result {
            Ok(outcome) => {
                tracing::info!(
                    trigger,
                    sender_pid = pid,
                    sender_uid = uid,
                    changed = outcome.changed.len(),
                    ignored = outcome.ignored.len(),
                    "reload"
                );
            }
            Err(refused) => {
                tracing::warn!(
                    trigger,
                    sender_pid = pid,
                    sender_uid = uid,
                    error = refused.message.as_str(),
                    "reload refused"
                );
            }
        }
    }
}

impl Trigger {
    fn name(self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Signal { .. } => "sighup",
            Self::EnvFile => "env_file",
        }
    }

    fn sender(self) -> (Option<i64>, Option<u32>) {
        match self {
            Self::Command(peer) => (peer.pid.map(i64::from), Some(peer.uid)),
            Self::Signal { pid, uid } => (pid.map(i64::from), uid),
            Self::EnvFile => (None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    };

    use bitrouter_proto::env::Environment;

    use super::*;

    #[test]
    fn r1_19_a_reload_that_panics_does_not_leave_the_service_manager_at_reloading() {
        let name = format!("bitrouter-reload-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let observers = ReloadObservers {
            health: Health::new(Arc::clone(&metrics), Events::default()),
            events: Events::default(),
            metrics,
            notifier: Notifier::new(&Environment::from_iter([("NOTIFY_SOCKET", format!("@{name}"))]), false),
        };
        let reload = std::panic::AssertUnwindSafe(|| {
            let _announced = observers.announce();
            panic!("unforeseen");
        });
        assert!(std::panic::catch_unwind(reload).is_err());
        let told = || {
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert!(told().starts_with("RELOADING=1"));
        assert_eq!(told(), "READY=1\n");
    }
}
