//! How a command fails: a stable word, a fragment for people, the command that helps, the exit code.

use bitrouter_proto::{client::ClientError, codes::exit, paths::PathError};
use serde::Serialize;

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
    /// What to run next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// The exit code.
    #[serde(skip)]
    pub(crate) exit: u8,
}

impl Failure {
    /// The caller's mistake.
    pub(crate) fn caller(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: None, exit: exit::CALLER }
    }

    /// With the command that helps.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { code: error.code().to_owned(), hint: error.hint(), exit: error.exit(), message: error.to_string() }
    }
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
