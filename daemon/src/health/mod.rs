//! What is wrong now, as warnings: one list for `status`, `--json`, the service manager's status line, and metrics.
//!
//! A warning has a stable code, a severity, and the command that cures it. A cause suppresses its effects: while the
//! env file is refused, nobody needs to hear that its keys are missing.

pub mod events;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bitrouter_proto::{
    clock,
    status::{Severity, Warning},
};

use crate::{health::events::Events, telemetry::metrics::Metrics};

/// The closed set of warning codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The configuration, the registry or an env file was refused; the old state stays.
    ReloadRefused,
    /// No provider is active.
    NoProviderKey,
    /// `XDG_RUNTIME_DIR` is missing or not ours; the socket is below the state directory.
    RuntimeDirUnusable,
    /// The kernel cannot be asked who calls: keyless programs are refused.
    PeerLookupUnavailable,
    /// A `BITROUTER_…_API_KEY` names no known provider.
    UnknownKeyVariable,
    /// A former daemon held pushed keys that are gone.
    PushedKeysLost,
    /// Env files cannot be watched; they are read at `reload` only.
    WatchUnavailable,
    /// The control socket's path is held by somebody else.
    ControlSocketTaken,
    /// `daemon.json` cannot be written.
    StateUnwritable,
    /// The daemon runs as root.
    RunningAsRoot,
}

impl Code {
    /// The code as it stands in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReloadRefused => "reload_refused",
            Self::NoProviderKey => "no_provider_key",
            Self::RuntimeDirUnusable => "runtime_dir_unusable",
            Self::PeerLookupUnavailable => "peer_lookup_unavailable",
            Self::UnknownKeyVariable => "unknown_key_variable",
            Self::PushedKeysLost => "pushed_keys_lost",
            Self::WatchUnavailable => "watch_unavailable",
            Self::ControlSocketTaken => "control_socket_taken",
            Self::StateUnwritable => "state_unwritable",
            Self::RunningAsRoot => "running_as_root",
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::NoProviderKey | Self::RunningAsRoot => Severity::Info,
            Self::ReloadRefused | Self::PeerLookupUnavailable | Self::ControlSocketTaken => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// The causes that make this one not worth saying.
    fn causes(self) -> &'static [Code] {
        match self {
            Self::NoProviderKey => &[Self::ReloadRefused, Self::PushedKeysLost, Self::UnknownKeyVariable],
            _ => &[],
        }
    }
}

/// The warnings of one daemon. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    now: Mutex<BTreeMap<Code, Warning>>,
    metrics: Arc<Metrics>,
    events: Events,
}

impl Health {
    /// Nothing wrong yet.
    pub fn new(metrics: Arc<Metrics>, events: Events) -> Self {
        Self { inner: Arc::new(Inner { now: Mutex::default(), metrics, events }) }
    }

    /// Raises `code`, or changes its text; says so once.
    pub fn raise(&self, code: Code, message: impl Into<String>, command: Option<&str>) {
        let message = message.into();
        let mut now = self.inner.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.get(&code);
        if before.is_some_and(|warning| warning.message == message && warning.command.as_deref() == command) {
            return;
        }
        let warning = Warning {
            code: code.as_str().to_owned(),
            severity: code.severity(),
            since: before.map_or_else(clock::now_rfc3339, |warning| warning.since.clone()),
            command: command.map(str::to_owned),
            message,
        };
        if warning.severity == Severity::Info {
            tracing::info!(code = code.as_str(), "{}", warning.message);
        } else {
            tracing::warn!(code = code.as_str(), "{}", warning.message);
        }
        let before = visible(&now);
        now.insert(code, warning);
        self.publish(&before, &now);
    }

    /// Clears `code`; says so if it was raised.
    pub fn clear(&self, code: Code) {
        let mut now = self.inner.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = visible(&now);
        if let Some(warning) = now.remove(&code) {
            tracing::info!(code = code.as_str(), "no longer: {}", warning.message);
            self.publish(&before, &now);
        }
    }

    /// Raises `code` with `message`, or clears it where there is none.
    pub fn set(&self, code: Code, message: Option<String>, command: Option<&str>) {
        match message {
            Some(message) => self.raise(code, message, command),
            None => self.clear(code),
        }
    }

    /// What is worth saying now, worst first.
    pub fn list(&self) -> Vec<Warning> {
        visible(&self.inner.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells what came into sight and what went out of it: whoever watches has seen the list that `status` showed.
    fn publish(&self, before: &[Warning], now: &BTreeMap<Code, Warning>) {
        let after = visible(now);
        let tell = |kind, warning: &Warning| {
            self.inner.events.send(kind, &warning.message, &[("code", warning.code.as_str())]);
        };
        for gone in before.iter().filter(|old| !after.iter().any(|new| new.code == old.code)) {
            tell("warning_cleared", gone);
        }
        for new in
            after.iter().filter(|new| !before.iter().any(|old| (&old.code, &old.message) == (&new.code, &new.message)))
        {
            tell("warning_raised", new);
        }
        self.inner.metrics.warnings(after.into_iter().map(|w| (w.code, w.severity.as_str())));
    }
}

fn visible(now: &BTreeMap<Code, Warning>) -> Vec<Warning> {
    let mut list: Vec<Warning> = now
        .iter()
        .filter(|(code, _)| !code.causes().iter().any(|cause| now.contains_key(cause)))
        .map(|(_, warning)| warning.clone())
        .collect();
    list.sort_by_key(|warning| std::cmp::Reverse(warning.severity));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Arc::default(), Events::default())
    }

    #[test]
    fn a_cause_suppresses_its_effect_until_it_clears() {
        let health = health();
        health.raise(Code::NoProviderKey, "none", None);
        assert_eq!(health.list()[0].code, "no_provider_key");
        health.raise(Code::ReloadRefused, "line 3", Some("bitrouter reload"));
        let list = health.list();
        assert_eq!((list.len(), list[0].code.as_str()), (1, "reload_refused"));
        health.clear(Code::ReloadRefused);
        assert_eq!(health.list()[0].code, "no_provider_key");
    }

    #[test]
    fn events_tell_what_the_list_shows() {
        let events = Events::default();
        let health = Health::new(Arc::default(), events.clone());
        let mut feed = events.watch();
        let mut told = || {
            let mut all = Vec::new();
            while let Ok(event) = feed.try_recv() {
                all.push((event.kind, event.fields["code"].clone()));
            }
            all
        };
        let (cause, effect) = ("reload_refused".to_owned(), "no_provider_key".to_owned());
        health.raise(Code::ReloadRefused, "line 3", None);
        health.raise(Code::NoProviderKey, "none", None);
        assert_eq!(told(), [("warning_raised", cause.clone())], "what is suppressed is not told");
        health.clear(Code::ReloadRefused);
        assert_eq!(told(), [("warning_cleared", cause.clone()), ("warning_raised", effect.clone())]);
        health.raise(Code::ReloadRefused, "line 4", None);
        assert_eq!(told(), [("warning_cleared", effect), ("warning_raised", cause)]);
        health.clear(Code::NoProviderKey);
        assert_eq!(told(), [], "it was out of sight");
    }

    #[test]
    fn since_stays_when_only_the_text_changes() {
        let health = health();
        health.raise(Code::ReloadRefused, "one", None);
        let since = health.list()[0].since.clone();
        health.raise(Code::ReloadRefused, "two", None);
        let now = health.list().remove(0);
        assert_eq!((now.since, now.message), (since, "two".to_owned()));
    }

    #[test]
    fn the_worst_comes_first() {
        let health = health();
        health.raise(Code::RunningAsRoot, "root", None);
        health.raise(Code::PeerLookupUnavailable, "no netlink", None);
        let codes: Vec<_> = health.list().into_iter().map(|w| w.code).collect();
        assert_eq!(codes, ["peer_lookup_unavailable", "running_as_root"]);
    }
}
