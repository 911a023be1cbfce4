//! How serving fails at the edge: what happened, the exit code, the command that helps.

use bitrouter_proto::{codes::exit, files::PlaceError, paths::PathError};

/// Why the daemon could not start, or ended badly. The text is a fragment, lower case, without a period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServeError {
    /// What happened.
    pub message: String,
    /// What to run or change next.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: u8,
    /// The process that already runs, where that is the reason.
    pub running: Option<u32>,
}

impl ServeError {
    /// The caller's mistake, or something only the caller can change.
    pub fn caller(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: exit::CALLER, running: None }
    }

    /// Our own failure.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { exit: exit::FAILURE, ..Self::caller(message) }
    }

    /// With the command that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<PathError> for ServeError {
    fn from(error: PathError) -> Self {
        Self::caller(error.to_string())
    }
}

impl From<PlaceError> for ServeError {
    fn from(error: PlaceError) -> Self {
        Self::caller(error.to_string())
    }
}
