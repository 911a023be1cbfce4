//! What is wrong now, as warnings: one list for `status`, `--json`, the service manager's status line, and metrics.
//!
//! A warning has a stable code, a severity, and the command that cures it. A cause suppresses its effects: while the
//! env file is refused, nobody needs to hear that its keys are missing.

pub mod events;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bitrouter_proto::{
    clock,
    status::{Severity, Warning},
};

use tokio::sync::watch;

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
    /// A value that stands where a key should can be none.
    KeyValueIgnored,
    /// A former daemon held pushed keys that are gone.
    PushedKeysLost,
    /// Env files cannot be watched; they are read at `reload` only.
    WatchUnavailable,
    /// The log cannot be written: the disk is full, or its place is not ours.
    LogUnwritable,
    /// The control socket's path is held by somebody else.
    ControlSocketTaken,
    /// `daemon.json` cannot be written.
    StateUnwritable,
    /// The daemon runs as root.
    RunningAsRoot,
    /// There is no node, though the settings want one.
    NodeOff,
    /// Calls come through a proxy or a tunnel that nobody trusts: their callers are strangers.
    UntrustedProxy,
    /// Others could read keys on their way to us.
    KeysInClear,
    /// The node is off, and calls without a key are served uncounted.
    Unmetered,
    /// The node's database was last open on another machine.
    DatabaseMoved,
    /// The wall clock was set, or is wrong.
    ClockStepped,
    /// Every session was ended: what had been revoked could not be told.
    SessionsEnded,
    /// Keys hold that come from a session which was ended for a refresh token that was used twice.
    KeysOfReplayed,
    /// Keys are refused until somebody says that they hold.
    KeysSuspended,
    /// Stored provider keys were changed within a day.
    ByokChanged,
    /// The node's database finds no room.
    DiskFull,
    /// The server of the node's database does not answer.
    DatabaseUnreachable,
    /// No row of a call can be written.
    JournalUnwritable,
    /// The journal of calls cannot be read.
    JournalDamaged,
    /// The account's session has ended; only signing in again helps.
    SessionEnded,
    /// What stands in the credential file is not used.
    CredentialUnusable,
    /// The credential cannot be written, so that nothing is renewed.
    CredentialUnwritable,
    /// The session's token is over, and its server cannot be reached.
    AccountUnreachable,
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
            Self::KeyValueIgnored => "key_value_ignored",
            Self::PushedKeysLost => "pushed_keys_lost",
            Self::WatchUnavailable => "watch_unavailable",
            Self::LogUnwritable => "log_unwritable",
            Self::ControlSocketTaken => "control_socket_taken",
            Self::StateUnwritable => "state_unwritable",
            Self::RunningAsRoot => "running_as_root",
            Self::NodeOff => "node_off",
            Self::UntrustedProxy => "untrusted_proxy",
            Self::KeysInClear => "keys_in_clear",
            Self::Unmetered => "unmetered",
            Self::DatabaseMoved => "database_moved",
            Self::ClockStepped => "clock_stepped",
            Self::SessionsEnded => "sessions_ended",
            Self::KeysOfReplayed => "keys_of_replayed_session",
            Self::KeysSuspended => "keys_suspended",
            Self::ByokChanged => "byok_changed",
            Self::DiskFull => "disk_full",
            Self::DatabaseUnreachable => "database_unreachable",
            Self::JournalUnwritable => "journal_unwritable",
            Self::JournalDamaged => "journal_damaged",
            Self::SessionEnded => "session_ended",
            Self::CredentialUnusable => "credential_unusable",
            Self::CredentialUnwritable => "credential_unwritable",
            Self::AccountUnreachable => "account_unreachable",
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::NoProviderKey | Self::RunningAsRoot => Severity::Info,
            Self::ReloadRefused
            | Self::PeerLookupUnavailable
            | Self::ControlSocketTaken
            | Self::DatabaseUnreachable
            | Self::JournalUnwritable
            | Self::JournalDamaged
            | Self::SessionEnded
            | Self::CredentialUnusable => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// True where whoever raises it writes a log line that says more.
    fn has_its_own_line(self) -> bool {
        matches!(self, Self::ReloadRefused)
    }

    /// The causes that make this one not worth saying.
    fn causes(self) -> &'static [Code] {
        match self {
            Self::NoProviderKey => {
                &[Self::ReloadRefused, Self::PushedKeysLost, Self::UnknownKeyVariable, Self::KeyValueIgnored]
            }
            _ => &[],
        }
    }
}

/// One of several warnings that share a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What tells it from the others, and stays when only its text changes.
    pub subject: String,
    /// For people.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
}

/// The warnings of one daemon. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Health {
    inner: Arc<Inner>,
}

/// A warning's code, and its subject where several share the code.
type Key = (Code, String);

#[derive(Debug)]
struct Inner {
    now: Mutex<Now>,
    metrics: Arc<Metrics>,
    events: Events,
}

#[derive(Debug, Default)]
struct Now {
    raised: BTreeMap<Key, Warning>,
    /// What is not worth saying though it is so.
    excused: BTreeSet<Code>,
}

impl Health {
    /// Nothing wrong yet.
    pub fn new(metrics: Arc<Metrics>, events: Events) -> Self {
        Self { inner: Arc::new(Inner { now: Mutex::default(), metrics, events }) }
    }

    /// Raises `code`, or changes its text; says so once.
    pub fn raise(&self, code: Code, message: impl Into<String>, command: Option<&str>) {
        let notice = Notice { subject: String::new(), message: message.into(), severity: code.severity() };
        self.set_each(code, vec![notice], command);
    }

    /// Raises `code` unless it is raised: what comes again and again is said as it was seen first.
    pub fn raise_first(&self, code: Code, message: impl FnOnce() -> String) {
        if !self.is_raised(code) {
            self.raise(code, message(), None);
        }
    }

    /// Clears `code`; says so if it was raised.
    pub fn clear(&self, code: Code) {
        self.set_each(code, Vec::new(), None);
    }

    /// Raises `code` with `message`, or clears it where there is none.
    pub fn set(&self, code: Code, message: Option<String>, command: Option<&str>) {
        match message {
            Some(message) => self.raise(code, message, command),
            None => self.clear(code),
        }
    }

    /// Keeps `code` from being said, raised or not, as long as it `is_excused`.
    pub fn excuse(&self, code: Code, is_excused: bool) {
        let mut now = self.inner.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = visible(&now);
        if is_excused {
            now.excused.insert(code);
        } else {
            now.excused.remove(&code);
        }
        self.publish(&before, &visible(&now));
    }

    /// Makes `notices` all that is said under `code`: a warning each.
    pub fn set_each(&self, code: Code, notices: Vec<Notice>, command: Option<&str>) {
        let mut now = self.inner.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = visible(&now);
        let mut changed = false;
        now.raised.retain(|(of, subject), warning| {
            let stays = *of != code || notices.iter().any(|notice| notice.subject == *subject);
            if !stays {
                changed = true;
                tracing::info!(code = code.as_str(), was = warning.message.as_str(), "warning cleared");
            }
            stays
        });
        for Notice { subject, message, severity } in notices {
            let key = (code, subject);
            let known = now.raised.get(&key);
            if known.is_some_and(|warning| warning.message == message && warning.command.as_deref() == command) {
                continue;
            }
            changed = true;
            match severity {
                _ if code.has_its_own_line() => {}
                Severity::Info => tracing::info!(code = code.as_str(), "{message}"),
                _ => tracing::warn!(code = code.as_str(), "{message}"),
            }
            let warning = Warning {
                code: code.as_str().to_owned(),
                severity,
                since: known.map_or_else(clock::now_rfc3339, |warning| warning.since.clone()),
                command: command.map(str::to_owned),
                message,
            };
            now.raised.insert(key, warning);
        }
        if changed {
            self.publish(&before, &visible(&now));
        }
    }

    /// Shows under `code` what `problem` says, as long as there is somebody to say it.
    pub async fn follow(self, code: Code, mut problem: watch::Receiver<Option<String>>) {
        loop {
            let message = problem.borrow_and_update().clone();
            self.set(code, message, None);
            if problem.changed().await.is_err() {
                return;
            }
        }
    }

    /// True where a warning of this code stands.
    pub fn is_raised(&self, code: Code) -> bool {
        let now = self.inner.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.raised.keys().any(|(raised, _)| *raised == code)
    }

    /// What is worth saying now, worst first.
    pub fn list(&self) -> Vec<Warning> {
        let list = visible(&self.inner.now.lock().unwrap_or_else(PoisonError::into_inner));
        list.into_iter().map(|(_, warning)| warning).collect()
    }

    /// Tells what came into sight and what went out of it: whoever watches has seen the list that `status` showed.
    fn publish(&self, before: &[(Key, Warning)], after: &[(Key, Warning)]) {
        let tell = |kind, warning: &Warning| {
            self.inner.events.send(kind, &warning.message, &[("code", warning.code.as_str())]);
        };
        for (_, gone) in before.iter().filter(|(old, _)| !after.iter().any(|(new, _)| new == old)) {
            tell("warning_cleared", gone);
        }
        let same = |(old, before): &(Key, Warning), (new, after): &(Key, Warning)| {
            old == new && before.message == after.message
        };
        for new in after.iter().filter(|new| !before.iter().any(|old| same(old, new))) {
            tell("warning_raised", &new.1);
        }
        self.inner.metrics.warnings(after.iter().map(|(_, w)| (w.code.clone(), w.severity.as_str())));
    }
}

fn visible(now: &Now) -> Vec<(Key, Warning)> {
    let Now { raised, excused } = now;
    let is_raised =
        |cause: &Code| raised.iter().any(|((code, _), warning)| code == cause && warning.severity > Severity::Info);
    let mut list: Vec<(Key, Warning)> = raised
        .iter()
        .filter(|((code, _), _)| !excused.contains(code) && !code.causes().iter().any(is_raised))
        .map(|(key, warning)| (key.clone(), warning.clone()))
        .collect();
    list.sort_by_key(|(_, warning)| std::cmp::Reverse(warning.severity));
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
    fn warnings_that_share_a_code_come_and_go_one_by_one() {
        let events = Events::default();
        let health = Health::new(Arc::default(), events.clone());
        let mut feed = events.watch();
        let notice = |subject: &str, severity| Notice { subject: subject.into(), message: subject.into(), severity };
        let set = |notices: Vec<Notice>| health.set_each(Code::KeyValueIgnored, notices, None);
        let (info, warning) = (Severity::Info, Severity::Warning);
        health.raise(Code::NoProviderKey, "none", None);
        set(vec![notice("a", info)]);
        assert_eq!(health.list().len(), 2, "a stand-in is not why there is no key");
        set(vec![notice("a", info), notice("b", warning)]);
        let messages: Vec<_> = health.list().into_iter().map(|w| w.message).collect();
        assert_eq!(messages, ["b", "a"], "a value that is no key is why there is none");
        set(vec![notice("b", warning)]);
        let told: Vec<_> = std::iter::from_fn(|| feed.try_recv().ok()).map(|e| (e.kind, e.message.clone())).collect();
        let told: Vec<_> =
            told.iter().map(|(kind, message)| format!("{} {message}", kind.trim_start_matches("warning_"))).collect();
        assert_eq!(told, ["raised none", "raised a", "cleared none", "raised b", "cleared a"]);
    }

    #[test]
    fn what_is_excused_is_not_said_until_it_is_not() {
        let health = health();
        health.raise(Code::NoProviderKey, "none", None);
        health.excuse(Code::NoProviderKey, true);
        assert_eq!(health.list(), []);
        health.raise(Code::NoProviderKey, "none at all", None);
        assert_eq!(health.list(), []);
        health.excuse(Code::NoProviderKey, false);
        assert_eq!(health.list()[0].message, "none at all");
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
