//! How a command fails: a stable word, a fragment for people, the command that helps, the exit code.

use bitrouter_proto::{
    account::WIDER_KEY,
    client::{ClientError, Refusal},
    codes::{Reason, exit},
    paths::PathError,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u8);

impl From<Status> for std::process::ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.0)
    }
}

/// Why a command did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// A stable word.
    pub(crate) code: String,
    /// A fragment, lower case, without a period.
    pub(crate) message: String,
    /// What an account's server said.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) said: Option<Box<ServerSaid>>,
    /// What to run next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// True where for people the hint says it all, on a line of its own.
    #[serde(skip)]
    pub(crate) is_all_in_the_hint: bool,
    /// The exit code.
    #[serde(skip)]
    pub(crate) exit: u8,
}

/// What an account's server said of a refusal, besides the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServerSaid {
    /// The HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The member that it complains of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// The id that it gave the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// What else its error says.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Failure {
    /// The caller's mistake.
    pub(crate) fn caller(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            said: None,
            hint: None,
            is_all_in_the_hint: false,
            exit: exit::CALLER,
        }
    }

    /// The failure of something that cannot be reached.
    pub(crate) fn unreachable(code: &str, message: impl Into<String>) -> Self {
        Self { exit: exit::UNREACHABLE, ..Self::caller(code, message) }
    }

    /// Somebody pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self { exit: exit::INTERRUPTED, ..Self::caller("interrupted", "interrupted") }
    }

    /// With other words.
    pub(crate) fn saying(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    /// With the command that helps.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let mut failure = Self::caller(error.code(), error.to_string());
        (failure.hint, failure.exit) = (error.hint(), error.exit());
        if let ClientError::Refused(refusal) = error {
            failure.is_all_in_the_hint = is_scope_hint(&refusal);
            let Refusal { status, field, request_id, more, .. } = *refusal;
            failure.said = Some(Box::new(ServerSaid { status, field, request_id, more }));
        }
        failure
    }
}

/// A server that wants another scope is answered by signing in again or by another key, and the whole command for that is at hand.
fn is_scope_hint(refusal: &Refusal) -> bool {
    let command = refusal.command.as_deref().unwrap_or_default();
    refusal.reason == Reason::ServerRefused
        && refusal.status == Some(403)
        && (command.starts_with("bitrouter auth login ") || command.starts_with(WIDER_KEY))
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        ClientError::from(error).into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { exit: exit::FAILURE, ..Self::caller("io", error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: Option<u16>, command: Option<&str>) -> ClientError {
        ClientError::Refused(Box::new(Refusal {
            reason: Reason::ServerRefused,
            message: "missing required scope: clients:read".to_owned(),
            command: command.map(str::to_owned),
            code: Some("conflict".to_owned()),
            status,
            field: Some("name".to_owned()),
            request_id: Some("r1".to_owned()),
            more: [("current_kek_id".to_owned(), "kek_1".into())].into_iter().collect(),
        }))
    }

    #[test]
    fn what_a_server_said_stands_in_the_json() {
        let failure = Failure::from(refusal(Some(409), None));
        let text = serde_json::to_string(&failure).unwrap();
        let expected = r#"{"code":"conflict","message":"missing required scope: clients:read","status":409,"field":"name","request_id":"r1","current_kek_id":"kek_1"}"#;
        assert_eq!((text.as_str(), failure.exit), (expected, exit::CALLER));
        let ours = Failure::caller("bad_argument", "x").hint("y");
        assert_eq!(serde_json::to_string(&ours).unwrap(), r#"{"code":"bad_argument","message":"x","hint":"y"}"#);
    }

    #[test]
    fn only_the_scope_hint_stands_alone() {
        let alone = |status, command| Failure::from(refusal(status, command)).is_all_in_the_hint;
        assert!(alone(Some(403), Some("bitrouter auth login --scope \"a b\"")));
        assert!(alone(Some(403), Some("mint a wider key: bitrouter cloud keys mint --name NAME --scope \"a\"")));
        assert!(!alone(Some(403), None) && !alone(Some(401), Some("bitrouter auth login ")));
        assert!(!alone(Some(403), Some("bitrouter auth logout")));
    }
}
