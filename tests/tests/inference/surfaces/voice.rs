//! How a refusal is written for the callers of each vendor, in every member that they read.

use bitrouter_tests::{Answer, End};
use serde_json::{Value, json};

/// Whose shape an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    OpenAi,
    Anthropic,
    Google,
}

impl Voice {
    /// The word that goes with a status: `error.type`, and `error.status` for Google.
    pub(super) fn word(self, status: u16) -> &'static str {
        match self {
            Self::OpenAi => match status {
                401 => "authentication_error",
                402 => "payment_required",
                403 => "permission_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                500 | 501 | 508 => "internal_error",
                502.. => "upstream_error",
                _ => "invalid_request_error",
            },
            Self::Anthropic => match status {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                504 => "timeout_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            },
            Self::Google => match status {
                401 => "UNAUTHENTICATED",
                402 => "FAILED_PRECONDITION",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                429 => "RESOURCE_EXHAUSTED",
                501 => "UNIMPLEMENTED",
                502 | 503 => "UNAVAILABLE",
                504 => "DEADLINE_EXCEEDED",
                500.. => "INTERNAL",
                _ => "INVALID_ARGUMENT",
            },
        }
    }

    /// Checks every member of a refusal in this shape, and returns its `error`.
    #[track_caller]
    pub(super) fn refused(self, answer: &Answer, status: u16, code: &str) -> Value {
        let found = format!("{self:?}: {} {}", answer.status, answer.text());
        assert_eq!((answer.status, answer.end), (status, End::Complete), "{found}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{found}");
        let document = answer.json();
        let error = document["error"].clone();
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{found}");
        let members: Vec<&str> = document.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        match self {
            Self::OpenAi => {
                assert_eq!(members, ["error"], "{found}");
                assert_eq!((&error["type"], &error["code"]), (&json!(self.word(status)), &json!(code)), "{found}");
                assert!(error.get("param").is_some(), "{found}");
            }
            Self::Anthropic => {
                assert_eq!(document["type"], "error", "{found}");
                assert_eq!((&error["type"], &error["code"]), (&json!(self.word(status)), &json!(code)), "{found}");
            }
            Self::Google => {
                assert_eq!(members, ["error"], "{found}");
                assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(self.word(status))), "{found}");
                let info = &error["details"][0];
                assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo", "{found}");
                assert_eq!(info["reason"], code.to_ascii_uppercase(), "{found}");
                assert_eq!(info["domain"], "bitrouter", "{found}");
                let metadata = info["metadata"].as_object().unwrap_or_else(|| panic!("no metadata: {found}"));
                assert!(metadata.values().all(Value::is_string), "metadata are texts: {found}");
            }
        }
        error
    }
}
