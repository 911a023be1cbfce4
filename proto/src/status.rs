//! What `bitrouter status` knows, as domain types whose JSON is exactly that of `status --json`.

use serde::{Deserialize, Serialize};

/// Whether a daemon answers, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is on its way: not every listener answers yet.
    Starting,
    /// Everything answers.
    Running,
    /// It was told to stop and lets running requests finish.
    Draining,
    /// There is none.
    Stopped,
    /// It holds the lock but does not answer.
    Unresponsive,
}

impl State {
    /// The state as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Unresponsive => "unresponsive",
        }
    }

    /// The state with this wire text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Starting, Self::Running, Self::Draining, Self::Stopped, Self::Unresponsive]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// One provider and where its key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Registry id.
    pub id: String,
    /// True where requests to it would be sent.
    pub active: bool,
    /// `pushed`, `env_file`, `environment`; `None` where no key is held.
    pub key_source: Option<String>,
    /// The variable that supplies the key.
    pub variable: Option<String>,
    /// The last four characters of the key that a variable supplies, where it has at least twelve.
    #[serde(default)]
    pub key_suffix: Option<String>,
    /// Which source supplies the key, and why another does not. Never a key.
    pub detail: String,
    /// The same in a few words; where inactive, why. Not part of the JSON; empty from an older daemon.
    #[serde(skip)]
    pub source: String,
}

/// The account session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// `none`, `active`, `ended` or `api_key`.
    pub state: String,
    /// The authorization server.
    pub issuer: Option<String>,
    /// The namespace the credential is baked to.
    pub namespace_id: Option<String>,
    /// RFC 3339, UTC.
    pub expires_at: Option<String>,
    /// Why it ended, or why the stored credential cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The command that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// [`ProviderStatus::source`] of a provider that lacks nothing but its key.
pub const NO_KEY: &str = "no key";

impl Default for SessionStatus {
    fn default() -> Self {
        Self {
            state: "none".to_owned(),
            issuer: None,
            namespace_id: None,
            expires_at: None,
            reason: None,
            command: None,
        }
    }
}

/// The self-hosted control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// `on`, `off` or `elsewhere`.
    pub state: String,
    /// `sqlite` or `postgres`.
    pub database: Option<String>,
    /// Where it is on, the address of its console; else why it is not. Not part of the JSON.
    #[serde(skip)]
    pub detail: String,
}

impl Default for NodeStatus {
    fn default() -> Self {
        Self { state: "off".to_owned(), database: None, detail: String::new() }
    }
}

/// How often everything was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloads {
    /// Swaps since start; a refused reload does not count.
    pub count: u64,
    /// When the last swap was, RFC 3339 UTC.
    pub last_at: Option<String>,
    /// Why the last reload was refused; a good one clears it.
    pub last_error: Option<String>,
}

/// How much a warning matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something does not work as it could.
    Warning,
    /// Something that was asked for does not work.
    Error,
}

impl Severity {
    /// The severity as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The severity with this wire text; an unknown one counts as a warning.
    pub fn parse(text: &str) -> Self {
        match text {
            "info" => Self::Info,
            "error" => Self::Error,
            _ => Self::Warning,
        }
    }
}

/// Something about the daemon's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// Since when, RFC 3339 UTC.
    pub since: String,
    /// The command that cures it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<String>,
}

/// The whole of `status --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether a daemon answers.
    pub state: State,
    /// Its process.
    pub pid: Option<u32>,
    /// Its release.
    pub version: Option<String>,
    /// Its control protocol.
    pub protocol: Option<u32>,
    /// RFC 3339, UTC.
    pub started_at: Option<String>,
    /// Seconds since then.
    pub uptime_s: Option<u64>,
    /// `host:port` of each inference listener.
    pub listen: Vec<String>,
    /// Path of the control socket.
    pub socket: Option<String>,
    /// Path of the configuration in force.
    pub config: Option<String>,
    /// Every provider of the registry.
    pub providers: Vec<ProviderStatus>,
    /// The account session.
    pub session: SessionStatus,
    /// The self-hosted control plane.
    pub node: NodeStatus,
    /// Reloads since start.
    pub reloads: Reloads,
    /// What is wrong now.
    pub warnings: Vec<Warning>,
    /// The flags that `restart` starts the next daemon with. Not part of the JSON.
    #[serde(skip)]
    pub serve_args: Vec<String>,
    /// True where a service manager started the daemon. Not part of the JSON.
    #[serde(skip)]
    pub service_managed: bool,
    /// Variables that live only in the process. Not part of the JSON.
    #[serde(skip)]
    pub pushed_variables: u32,
    /// The log level in force. Not part of the JSON.
    #[serde(skip)]
    pub log_level: String,
    /// The file that the daemon was executed from, where it can be told. Not part of the JSON.
    #[serde(skip)]
    pub program: Option<String>,
    /// True where that file was replaced or removed since. Not part of the JSON.
    #[serde(skip)]
    pub program_replaced: bool,
}

impl Status {
    /// The base URL of each listener, for people. One that listens at every address is named by where its own machine calls it.
    pub fn base_urls(&self) -> Vec<String> {
        let called = |listen: &String| {
            let port = ["0.0.0.0:", "[::]:"].into_iter().find_map(|all| listen.strip_prefix(all));
            port.map_or_else(|| format!("http://{listen}/v1"), |port| format!("http://127.0.0.1:{port}/v1"))
        };
        self.listen.iter().map(called).collect()
    }

    /// The status of a daemon that does not answer, in `state`.
    pub fn silent(state: State) -> Self {
        Self {
            state,
            pid: None,
            version: None,
            protocol: None,
            started_at: None,
            uptime_s: None,
            listen: Vec::new(),
            socket: None,
            config: None,
            providers: Vec::new(),
            session: SessionStatus::default(),
            node: NodeStatus::default(),
            reloads: Reloads::default(),
            warnings: Vec::new(),
            serve_args: Vec::new(),
            service_managed: false,
            pushed_variables: 0,
            log_level: String::new(),
            program: None,
            program_replaced: false,
        }
    }
}

/// What `reload` or a push changed for one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The variable.
    pub name: String,
    /// The provider that reads it.
    pub provider: String,
    /// `added`, `changed` or `withdrawn`.
    pub change: String,
    /// Where the provider's key comes from now: `pushed`, `env_file`, `environment`; `None` for nowhere.
    pub now_from: Option<String>,
}

/// A value that stands where a key should and can be none. Never the value itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IgnoredValue {
    /// The variable.
    pub name: String,
    /// Why it is ignored: fits after "ignored: ".
    pub reason: String,
    /// Where it is set: fits after "from ". Not part of the JSON.
    #[serde(skip)]
    pub origin: String,
}

/// What happened to a provider between two readings of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderChange {
    /// Registry id.
    pub id: String,
    /// `added`, `changed` or `removed`.
    pub change: String,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// The keys that requests see differently now.
    pub changed: Vec<KeyChange>,
    /// The values, from any source, that can be no key.
    pub ignored: Vec<IgnoredValue>,
    /// The providers that came or went, or whose manifest says something else.
    pub providers: Vec<ProviderChange>,
    /// The settings that changed, as dotted keys.
    pub settings: Vec<String>,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOutcome {
    /// The keys that requests see differently now.
    pub changed: Vec<KeyChange>,
    /// What was pushed and can be no key.
    pub ignored: Vec<IgnoredValue>,
}

/// What `daemon.json` says: where the running daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonJson {
    /// Its process.
    pub pid: u32,
    /// Path of its control socket.
    pub socket: String,
    /// Base URL of its inference endpoint.
    pub http: String,
    /// Its release.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_daemon_has_every_field_at_its_empty_value() {
        let json = serde_json::to_value(Status::silent(State::Stopped)).unwrap();
        let expected = serde_json::json!({
            "state": "stopped", "pid": null, "version": null, "protocol": null, "started_at": null, "uptime_s": null,
            "listen": [], "socket": null, "config": null, "providers": [],
            "session": {"state": "none", "issuer": null, "namespace_id": null, "expires_at": null},
            "node": {"state": "off", "database": null},
            "reloads": {"count": 0, "last_at": null, "last_error": null}, "warnings": []
        });
        assert_eq!(json, expected);
    }
}
