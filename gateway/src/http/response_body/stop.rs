//! Why a reply ends before its provider ended it.

use bitrouter_proto::codes::InferenceCode;

use crate::{
    error::InferenceError,
    http::{deadline::WaitError, run::run_has_ended},
    meter::CallEnd,
    registry::ProviderId,
};

/// Why a reply ends before its provider ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The provider's bytes broke off.
    Broken,
    /// A wait is over.
    Wait(WaitError),
    /// The run that it belongs to has ended.
    RunEnded,
}

impl Stop {
    /// How its call ended.
    pub(super) fn call_end(self) -> CallEnd {
        match self {
            Self::Wait(WaitError::ShuttingDown) => CallEnd::Interrupted,
            Self::Broken | Self::Wait(WaitError::Deadline(_)) => CallEnd::Failed,
            Self::RunEnded => CallEnd::Left,
        }
    }

    /// What its caller is told.
    pub(super) fn explain(self, provider: &ProviderId) -> InferenceError {
        match self {
            Self::Broken => InferenceError::new(
                InferenceCode::UpstreamInterrupted,
                format!("the reply of `{provider}` broke off before its end"),
            ),
            Self::Wait(WaitError::Deadline(limit)) => InferenceError::new(
                InferenceCode::UpstreamTimeout,
                format!("`{provider}` took longer than `[timeouts] {limit}`"),
            ),
            Self::Wait(WaitError::ShuttingDown) => {
                InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping")
            }
            Self::RunEnded => run_has_ended(),
        }
    }
}
