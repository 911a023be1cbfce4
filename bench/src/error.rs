//! What can go wrong while measuring.

use std::io;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A bad flag.
    #[error("{0}; see `--help`")]
    Argument(String),
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A place could not be made.
    #[error(transparent)]
    Place(#[from] bitrouter_proto::files::PlaceError),
    /// The control API failed.
    #[error("the control API failed: {0}")]
    Control(#[from] bitrouter_proto::client::ClientError),
    /// An exchange broke off.
    #[error("an exchange broke off: {0}")]
    Http(#[from] hyper::Error),
    /// Something answered, but not as it should.
    #[error("{0}")]
    Unexpected(String),
    /// Something did not happen in time.
    #[error("{0} took too long")]
    Late(&'static str),
}

impl BenchError {
    /// Wraps an I/O error of `action`, a verb.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
