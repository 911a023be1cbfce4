//! The typed calls.

use std::{path::Path, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tonic::Streaming;

use crate::{
    PROTOCOL_HEADER, VERSION_HEADER,
    client::{
        ClientError, Located, Refusal, UnresponsiveCause,
        channel::{Channel, OURS},
        distrust, locate,
    },
    clock,
    env::Environment,
    paths::{Places, SYSTEM_SOCKET},
    status::{PushOutcome, ReloadOutcome, Status},
    wire::{
        self, daemon_service_client::DaemonServiceClient, environment_service_client::EnvironmentServiceClient,
        log_service_client::LogServiceClient,
    },
};

/// How long a healthy daemon may take to answer its status. A sick one is reported after it, well within a second.
pub const PATIENCE: Duration = Duration::from_millis(800);

/// The pause before a broken connection is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// How long a call that reads files may take.
const LONG: Duration = Duration::from_secs(30);

/// The wire size limit in both directions, bytes.
pub(super) const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// The same for what holds a whole document of a server.
pub(super) const DOCUMENT_LIMIT: usize = 32 * 1024 * 1024;

/// A connection to a daemon that answered its status.
pub struct Client {
    pub(super) channel: Channel,
    status: Status,
    answered: Answered,
    /// True where the daemon is another user's.
    is_foreign: bool,
    /// Its process, where what it said of it can be believed.
    pid: Option<u32>,
}

/// What the daemon announced with its answer.
struct Answered {
    version: String,
    protocol: String,
}

/// A stream of log lines.
pub struct Logs {
    stream: Streaming<wire::LogsResponse>,
}

impl Client {
    /// Finds the daemon and asks for its status, which also proves that it is alive.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`], [`ClientError::Unsafe`] before anything is sent, [`ClientError::Unresponsive`] after
    /// [`PATIENCE`].
    pub async fn connect(env: &Environment, explicit: Option<&Path>) -> Result<Self, ClientError> {
        let deadline = clock::monotonic_now() + PATIENCE;
        loop {
            match Self::try_connect(env, explicit).await {
                // A process that is being killed still accepts for a moment, and one that others crowd may have had to let
                // us go: look again.
                Err(ClientError::Broken(_) | ClientError::Unresponsive { cause: UnresponsiveCause::Cut, .. })
                    if clock::monotonic_now() < deadline =>
                {
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
    }

    async fn try_connect(env: &Environment, flag: Option<&Path>) -> Result<Self, ClientError> {
        let locate::Search { trusted, tried, mut refused } = locate::search(env, flag)?;
        let mut stale = Vec::new();
        for located in trusted {
            match Self::open(&located, OURS).await {
                // What a daemon left behind must not hide another one, but one that still holds our lock is ours.
                Err(ClientError::NotRunning { .. }) => match absent(env, flag, Vec::new()) {
                    ClientError::NotRunning { .. } => stale.push(located.path),
                    sick => return Err(sick),
                },
                Err(denied @ ClientError::Denied { .. }) => {
                    if locate::named(env, flag).is_some() || located.path != Path::new(SYSTEM_SOCKET) {
                        refused = refused.or(Some(denied));
                    }
                }
                // Nobody took the connection, so the kernel could not say whose it is; the lock's holder is.
                Err(silent @ ClientError::Unresponsive { pid: None, .. }) => {
                    return Err(match absent(env, flag, Vec::new()) {
                        ClientError::NotRunning { .. } => silent,
                        known => known,
                    });
                }
                // A passed socket is listened on by the service manager, whose pid must not stand after `kill -9`.
                Err(ClientError::Unresponsive { pid: Some(listener), .. }) if is_service_manager(listener) => {
                    return Err(match absent(env, flag, Vec::new()) {
                        ClientError::NotRunning { .. } => unresponsive(None),
                        known => known,
                    });
                }
                other => return other,
            }
        }
        match (refused, stale.is_empty()) {
            (Some(refused), true) => Err(refused),
            (_, false) => Err(ClientError::NotRunning { tried: stale }),
            (None, true) => Err(absent(env, flag, tried)),
        }
    }

    /// Connects to one verified socket, announcing `protocol`. Tests announce other numbers.
    pub async fn open(located: &Located, protocol: u32) -> Result<Self, ClientError> {
        let deadline = tokio::time::sleep(PATIENCE);
        let answer = async {
            let (channel, pid) = Channel::connect(located, protocol).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => locate::denied(&located.path),
                std::io::ErrorKind::PermissionDenied => {
                    ClientError::Unsafe { path: located.path.clone(), why: error.to_string(), cure: None }
                }
                _ => ClientError::NotRunning { tried: vec![located.path.clone()] },
            })?;
            let mut service = daemon(&channel);
            let response = service.status(wire::StatusRequest {}).await;
            Ok::<_, ClientError>((channel, pid, response))
        };
        tokio::select! {
            answer = answer => {
                let (channel, pid, response) = answer?;
                let response = response.map_err(|status| match ClientError::from_status(&status) {
                    ClientError::Broken(_) if status.code() == tonic::Code::Unavailable => {
                        ClientError::Unresponsive { pid, cause: UnresponsiveCause::Cut }
                    }
                    error => error,
                })?;
                let text = |key: &str| {
                    response.metadata().get(key).and_then(|v| v.to_str().ok()).unwrap_or("unknown").to_owned()
                };
                let answered = Answered { version: text(VERSION_HEADER), protocol: text(PROTOCOL_HEADER) };
                let is_foreign = located.owner != rustix::process::geteuid().as_raw();
                let status = distrust::status(response.into_inner().into(), is_foreign);
                let pid = status.pid.and_then(|told| distrust::pid(told, pid, located.owner));
                Ok(Self { channel, status, answered, is_foreign, pid })
            }
            () = deadline => Err(unresponsive(peer_pid(located))),
        }
    }

    /// The status that the daemon answered when this connection was made.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// True where the daemon is another user's: what it says is shown, and otherwise believed as little as possible.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// The daemon's process: what it says of itself, where the kernel does not contradict it.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Refuses to go on with a daemon of another protocol. Status and stop work with any.
    pub(super) fn same_protocol(&self) -> Result<(), ClientError> {
        if self.answered.protocol == OURS.to_string() {
            return Ok(());
        }
        Err(ClientError::Version { theirs: self.answered.version.clone(), protocol: self.answered.protocol.clone() })
    }

    /// Tells the daemon to end after running requests had `timeout` (its own default where `None`).
    pub async fn stop(&self, timeout: Option<Duration>) -> Result<u32, ClientError> {
        let timeout_ms = timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
        Ok(self.bounded(daemon(&self.channel).stop(wire::StopRequest { timeout_ms })).await?.pid)
    }

    /// The variable names that the daemon's providers read. Of a daemon of another user only those among `shipped`.
    ///
    /// # Errors
    /// [`ClientError::Suspicious`] where one is no variable's name.
    pub async fn variable_names(&self, shipped: impl FnOnce() -> Vec<String>) -> Result<Vec<String>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListNamesRequest { provider: None };
        let told = self.bounded(environment(&self.channel).list_names(request)).await?.names;
        distrust::names(told, self.is_foreign.then(shipped).as_deref())
    }

    /// The variables that supply the key of `provider`, the one that comes first in front; none where the daemon knows no such
    /// provider. A daemon of another user is told nothing, and says nothing of whose value could be sent.
    ///
    /// # Errors
    /// [`ClientError::Suspicious`] where one is no variable's name.
    pub async fn variable_names_of(&self, provider: &str) -> Result<Vec<String>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListNamesRequest { provider: Some(provider.to_owned()) };
        let told = self.bounded(environment(&self.channel).list_names(request)).await?.names;
        distrust::names(told, self.is_foreign.then(Vec::new).as_deref())
    }

    /// Sends this session's variables and makes the daemon read everything again: whole or not at all.
    pub async fn reload(
        &self,
        variables: Vec<(String, Option<SecretString>)>,
        forget: Vec<String>,
    ) -> Result<ReloadOutcome, ClientError> {
        self.same_protocol()?;
        let request = wire::ReloadRequest { variables: exposed(variables), forget };
        Ok(distrust::reload(self.bounded(daemon(&self.channel).reload(request)).await?.into()))
    }

    /// Sends a delta by name, as the shell hook does.
    pub async fn push(&self, variables: Vec<(String, Option<SecretString>)>) -> Result<PushOutcome, ClientError> {
        self.same_protocol()?;
        let request = wire::PushRequest { variables: exposed(variables) };
        Ok(distrust::push(self.bounded(environment(&self.channel).push(request)).await?.into()))
    }

    /// The names among `variables` whose value would supply another key than the one in force. Changes nothing.
    pub async fn differing(&self, variables: Vec<(String, Option<SecretString>)>) -> Result<Vec<String>, ClientError> {
        self.same_protocol()?;
        let request = wire::CompareRequest { variables: exposed(variables) };
        Ok(self.bounded(environment(&self.channel).compare(request)).await?.differing)
    }

    /// Changes the log level; answers the one before.
    pub async fn set_log_level(&self, level: &str) -> Result<String, ClientError> {
        self.same_protocol()?;
        let mut service = LogServiceClient::with_origin(self.channel.clone(), origin());
        Ok(self.bounded(service.set_level(wire::SetLevelRequest { level: level.to_owned() })).await?.previous)
    }

    /// The newest `tail` log lines (all that the ring holds where `None`), and with `follow` those to come.
    pub async fn logs(&self, follow: bool, tail: Option<u32>) -> Result<Logs, ClientError> {
        self.same_protocol()?;
        let stream = self.bounded(daemon(&self.channel).logs(wire::LogsRequest { follow, tail })).await?;
        Ok(Logs { stream })
    }

    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, ClientError> {
        self.bounded_by(LONG, call).await
    }

    pub(super) async fn bounded_by<T>(
        &self,
        bound: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(bound, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(refused(&status, self.is_foreign)),
            Err(_) => Err(ClientError::Broken(format!("no answer within {} s", bound.as_secs()))),
        }
    }
}

/// Why a call was refused. What another user's daemon would have us run is not handed on.
pub(super) fn refused(status: &tonic::Status, is_foreign: bool) -> ClientError {
    match ClientError::from_status(status) {
        ClientError::Refused(refusal) if is_foreign => {
            ClientError::Refused(Box::new(Refusal { command: None, ..*refusal }))
        }
        error => error,
    }
}

impl Logs {
    /// The next line, with the number of lines that were missed before it; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(String, u64)>, ClientError> {
        let message = self.stream.message().await.map_err(|status| match ClientError::from_status(&status) {
            ClientError::Broken(_) => ClientError::Broken("the daemon ended without a word".to_owned()),
            error => error,
        })?;
        Ok(message.map(|message| (distrust::log_line(message.line), message.missed)))
    }
}

fn exposed(variables: Vec<(String, Option<SecretString>)>) -> Vec<wire::Variable> {
    variables
        .into_iter()
        .map(|(name, value)| wire::Variable { name, value: value.map(|value| value.expose_secret().to_owned()) })
        .collect()
}

/// Where every request goes, as HTTP/2 has to name it.
pub(super) fn origin() -> http::Uri {
    http::Uri::from_static("http://localhost")
}

fn daemon(channel: &Channel) -> DaemonServiceClient<Channel> {
    DaemonServiceClient::with_origin(channel.clone(), origin()).max_decoding_message_size(MESSAGE_LIMIT)
}

fn environment(channel: &Channel) -> EnvironmentServiceClient<Channel> {
    EnvironmentServiceClient::with_origin(channel.clone(), origin())
}

/// Nothing answers: is there no daemon, or one that holds the lock and is silent?
fn absent(env: &Environment, flag: Option<&Path>, tried: Vec<std::path::PathBuf>) -> ClientError {
    if locate::named(env, flag).is_none()
        && let Ok(places) = Places::of(env)
        && locate::lock_is_held(&places)
    {
        let json = locate::read_daemon_json(&places);
        let gone = json.as_ref().is_some_and(|json| !Path::new(&json.socket).exists());
        return match unresponsive(json.map(|json| json.pid)) {
            ClientError::Unresponsive { pid, cause: UnresponsiveCause::Unknown } if gone => {
                ClientError::Unresponsive { pid, cause: UnresponsiveCause::SocketGone }
            }
            error => error,
        };
    }
    ClientError::NotRunning { tried }
}

fn unresponsive(pid: Option<u32>) -> ClientError {
    let cause = if pid.is_some_and(is_stopped) { UnresponsiveCause::Stopped } else { UnresponsiveCause::Unknown };
    ClientError::Unresponsive { pid, cause }
}

/// The process that listens on the socket, as the kernel says. Never waits: a full backlog tells nothing.
fn peer_pid(located: &Located) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let stream = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    rustix::net::connect(&stream, &SocketAddrUnix::new(&located.path).ok()?).ok()?;
    let creds = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    u32::try_from(creds.pid.as_raw_nonzero().get()).ok()
}

/// True where the process hands sockets to others rather than answer on them.
fn is_service_manager(pid: u32) -> bool {
    pid == 1 || std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "systemd")
}

/// True where the kernel says the process is stopped (`T` or `t` in `/proc/<pid>/stat`, proc(5)).
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}
