//! How the control API says no: a stable reason, a text, the next command. Never a bare `Unknown`.

use std::collections::HashMap;

use bitrouter_proto::codes::{DOMAIN, Reason};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// A status with `ErrorInfo{reason, domain}` and, where there is one, the command that helps.
pub(in crate::control) fn status(reason: Reason, message: impl Into<String>, command: Option<&str>) -> Status {
    status_with(reason, message, command.map(|command| ("command", command.to_owned())))
}

/// As [`status`], with facts as `ErrorInfo.metadata`.
pub(in crate::control) fn status_with(
    reason: Reason,
    message: impl Into<String>,
    facts: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    let metadata: HashMap<String, String> = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.as_str(), DOMAIN, metadata);
    Status::with_error_details(reason.code(), message.into(), details)
}

/// The reason for a status that a library made without one.
pub(in crate::control) fn reason_of(code: tonic::Code) -> Reason {
    match code {
        tonic::Code::Unimplemented => Reason::Unimplemented,
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Reason::MessageTooLarge,
        tonic::Code::InvalidArgument => Reason::InvalidArgument,
        _ => Reason::Internal,
    }
}
