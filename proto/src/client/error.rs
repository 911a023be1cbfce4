//! What can go wrong on the way to the daemon, and the command that helps.

use std::path::PathBuf;

use serde_json::{Map, Value};
use tonic_types::StatusExt as _;

use crate::{
    codes::{Reason, exit},
    files::PlaceError,
    paths::PathError,
    terminal::{visible, visible_line},
};

/// A refusal by the daemon: a stable reason, a text, and the next command.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why, from the closed set.
    pub reason: Reason,
    /// For people: a fragment, lower case.
    pub message: String,
    /// What to run next.
    pub command: Option<String>,
    /// The word of an account's server for it, where it refused.
    pub code: Option<String>,
    /// The HTTP status, where an account's server refused.
    pub status: Option<u16>,
    /// The member that it complains of.
    pub field: Option<String>,
    /// The id that it gave the request.
    pub request_id: Option<String>,
    /// What else its error says, by name: a part of a JSON document, with nothing in it that a terminal obeys.
    pub more: Map<String, Value>,
}

/// Why a call did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon is there.
    #[error("no daemon is running{}", socket_text(tried))]
    NotRunning {
        /// The sockets that were tried.
        tried: Vec<PathBuf>,
    },
    /// The socket or its directory is not trustworthy.
    #[error("will not talk to `{path}`: {why}")]
    Unsafe {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The command that mends it, where one can.
        cure: Option<String>,
    },
    /// The system does not let us reach the socket.
    #[error("no permission for `{path}`{}", owner_text(barrier.as_ref()))]
    Denied {
        /// The socket.
        path: PathBuf,
        /// What does not let us through, the socket or a directory above it, and its owner's uid.
        barrier: Option<(PathBuf, u32)>,
    },
    /// A daemon holds the lock or accepts, but does not answer in time.
    #[error("the daemon{} does not answer{}", pid_text(*.pid), .cause.text())]
    Unresponsive {
        /// Its process, where known.
        pid: Option<u32>,
        /// What is known of why.
        cause: UnresponsiveCause,
    },
    /// The daemon speaks another protocol.
    #[error(
        "this client is bitrouter {} (protocol {}), the daemon is {theirs} (protocol {protocol})",
        crate::VERSION,
        crate::PROTOCOL
    )]
    Version {
        /// The daemon's release.
        theirs: String,
        /// The daemon's protocol number.
        protocol: String,
    },
    /// The daemon refused.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// It asked for something that no daemon of ours asks for.
    #[error("the daemon asks for `{}`, which is no name of a variable", crate::terminal::visible_line(.0))]
    Suspicious(String),
    /// The connection broke.
    #[error("the connection to the daemon broke: {0}")]
    Broken(String),
    /// There is no place to look for the daemon.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A place cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// Says whose it is.
fn owner_text(barrier: Option<&(PathBuf, u32)>) -> String {
    match barrier {
        Some((path, uid)) => format!(": `{}` belongs to uid {uid}, and you are uid {}", path.display(), my_uid()),
        None => String::new(),
    }
}

fn my_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Names the socket where only one was to be tried.
fn socket_text(tried: &[PathBuf]) -> String {
    match tried {
        [only] => format!(" at `{}`", only.display()),
        _ => String::new(),
    }
}

/// What is known of why a daemon does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnresponsiveCause {
    /// Nothing.
    Unknown,
    /// The kernel says the process is stopped (SIGSTOP, a debugger).
    Stopped,
    /// It runs, and nothing stands at the path of its control socket.
    SocketGone,
    /// It takes connections and ends them: perhaps because there are too many.
    Cut,
}

impl UnresponsiveCause {
    fn text(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Stopped => ": its process is stopped",
            Self::SocketGone => ": its control socket is gone, and will be there again within 15 s",
            Self::Cut => ": it ends the connection, perhaps because there are too many",
        }
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl ClientError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> u8 {
        match self {
            Self::NotRunning { .. } | Self::Unresponsive { .. } | Self::Broken(_) => exit::UNREACHABLE,
            Self::Unsafe { .. }
            | Self::Denied { .. }
            | Self::Suspicious(_)
            | Self::Version { .. }
            | Self::Path(_)
            | Self::Place(_) => exit::CALLER,
            Self::Refused(refusal) => refusal.reason.exit(),
        }
    }

    /// A stable word for `--json`: the server's own where one refused.
    pub fn code(&self) -> &str {
        match self {
            Self::NotRunning { .. } => "not_running",
            Self::Unsafe { .. } | Self::Denied { .. } => "unsafe_socket",
            Self::Suspicious(_) => "suspicious_daemon",
            Self::Unresponsive { .. } => "unresponsive",
            Self::Version { .. } => "version_mismatch",
            Self::Refused(refusal) if refusal.code.is_some() => refusal.code.as_deref().unwrap_or_default(),
            Self::Refused(refusal) => match refusal.reason {
                Reason::VersionMismatch => "version_mismatch",
                Reason::PeerNotAllowed => "peer_not_allowed",
                Reason::ConfigInvalid => "config_invalid",
                Reason::RestartNeeded => "restart_needed",
                Reason::InvalidArgument => "invalid_argument",
                Reason::NotFound => "not_found",
                Reason::Conflict => "conflict",
                Reason::LimitReached => "limit_reached",
                Reason::NodeOff => "node_off",
                Reason::NotSignedIn => "not_signed_in",
                Reason::SessionEnded => "session_ended",
                Reason::ServerRefused => "server_refused",
                Reason::ServerUnreachable => "server_unreachable",
                Reason::ServerFailed => "server_failed",
                Reason::MessageTooLarge => "message_too_large",
                Reason::Draining => "draining",
                Reason::Unimplemented => "unimplemented",
                Reason::Internal => "internal",
            },
            Self::Broken(_) => "connection_broken",
            Self::Path(_) => "no_place",
            Self::Place(_) => "bad_place",
        }
    }

    /// The command that helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning { .. } => Some("bitrouter start".to_owned()),
            Self::Unresponsive { pid: Some(pid), cause: UnresponsiveCause::Stopped } => {
                Some(format!("kill -CONT {pid}"))
            }
            Self::Unresponsive { cause: UnresponsiveCause::SocketGone | UnresponsiveCause::Cut, .. } => {
                Some("bitrouter status".to_owned())
            }
            Self::Unresponsive { pid: Some(pid), cause: UnresponsiveCause::Unknown } => {
                Some(format!("kill -9 {pid}; bitrouter start"))
            }
            Self::Version { .. } => Some("bitrouter restart".to_owned()),
            Self::Unsafe { cure, .. } => cure.clone(),
            Self::Refused(refusal) => refusal.command.clone(),
            _ => None,
        }
    }

    /// Reads a gRPC status: the typed reason where the daemon attached one.
    pub(super) fn from_status(status: &tonic::Status) -> Self {
        let info = status.get_details_error_info();
        if let Some(reason) = info.as_ref().and_then(|info| Reason::parse(&info.reason)) {
            let mut metadata = info.map(|info| info.metadata).unwrap_or_default();
            let mut said = |key: &str| metadata.remove(key).map(|text| visible_line(&text).into_owned());
            return Self::Refused(Box::new(Refusal {
                reason,
                message: visible(status.message()).into_owned(),
                command: said("command"),
                code: said("code"),
                status: said("status").and_then(|status| status.parse().ok()),
                field: said("field"),
                request_id: said("request_id"),
                more: said("more").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            }));
        }
        // What a library says of a connection that ended is of no use to anybody.
        let what = match status.code() {
            tonic::Code::Unknown | tonic::Code::Unavailable | tonic::Code::Cancelled => {
                "it ended before the answer".to_owned()
            }
            code => format!("{code}: {}", visible_line(status.message())),
        };
        Self::Broken(what)
    }
}
