//! What the engine tells besides its targets: the log, events, warnings, metrics, the service manager.

use std::sync::Arc;

use bitrouter_proto::status::KeyChange;

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

impl ReloadObservers {
    /// A reading is in force.
    pub(super) fn reloaded(&self, trigger: Trigger, changes: &[KeyChange], forgotten: &[String]) {
        self.events.send("reload", "everything was read again", &[("trigger", trigger.name())]);
        for change in changes {
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
    pub(super) fn log(trigger: Trigger, result: &Result<Vec<KeyChange>, Refused>) {
        let (pid, uid) = trigger.sender();
        let trigger = trigger.name();
        match result {
            Ok(changes) => {
                tracing::info!(trigger, sender_pid = pid, sender_uid = uid, changed = changes.len(), "reload");
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
