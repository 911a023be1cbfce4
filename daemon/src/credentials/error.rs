//! Why an account's server, or our own files, did not do what was asked.

use bitrouter_proto::{account::NOT_SIGNED_IN, codes::Reason};

/// Why an account's server, or our own files, did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct AccountError {
    /// The reason as the control API has it.
    pub(crate) reason: Reason,
    /// For people: a fragment.
    pub(crate) message: String,
    /// The command that helps.
    pub(crate) command: Option<String>,
    /// The server's own word for it.
    pub(crate) code: Option<Box<str>>,
    /// The HTTP status, where a server answered.
    pub(crate) status: Option<u16>,
    /// The member that the server complains of.
    pub(crate) field: Option<Box<str>>,
    /// The id that the server gave the request.
    pub(crate) request_id: Option<Box<str>>,
    /// What else the server's error says, each member as JSON.
    pub(crate) more: Box<[(String, String)]>,
}

impl AccountError {
    /// An error without what only a server knows.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            reason,
            message,
            command: None,
            code: None,
            status: None,
            field: None,
            request_id: None,
            more: Box::default(),
        }
    }

    /// The same with the command that helps.
    pub(crate) fn with_command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// Nobody is signed in.
    pub(crate) fn not_signed_in() -> Self {
        Self::new(Reason::NotSignedIn, NOT_SIGNED_IN).with_command("bitrouter auth login")
    }
}
