//! What went wrong with a call, as facts: a code, a status, words, what belongs to it. How a caller reads it is the
//! dialect's business ([`crate::protocol::Dialect`]), and is decided once, where the response is made.

use bitrouter_proto::codes::InferenceCode;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub struct InferenceError(Box<ErrorDetails>);

#[derive(Clone, Debug)]
struct ErrorDetails {
    code: InferenceCode,
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    extra: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl InferenceError {
    /// An error with the status that goes with its code.
    pub fn new(code: InferenceCode, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetails {
            code,
            status: code.status(),
            message: message.into(),
            param: None,
            extra: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// Names the parameter that is at fault.
    #[must_use]
    pub fn with_param(mut self, param: &'static str) -> Self {
        self.0.param = Some(param);
        self
    }

    /// Adds a fact: a member of the error object.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extra.push((name, value.into()));
        self
    }

    /// Keeps another status than the code's own (a provider's).
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The code.
    pub fn code(&self) -> InferenceCode {
        self.0.code
    }

    /// The status that the caller will see.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What a person reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The parameter that is at fault.
    pub fn param(&self) -> Option<&'static str> {
        self.0.param
    }

    /// Further members of the error object.
    pub fn extra(&self) -> &[(&'static str, Value)] {
        &self.0.extra
    }

    /// Headers of the response, besides those of every response of ours.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }
}
