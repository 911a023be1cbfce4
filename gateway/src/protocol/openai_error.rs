//! Errors as OpenAI's clients read them, in chat completions as in responses: `{"error":{message,type,code,param,…}}`.
//!
//! Source: OpenAI API reference, "Error codes"; `param` is null where no parameter is at fault.

use http::StatusCode;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::InferenceError;

/// The document of a response.
pub(super) fn document(error: &InferenceError) -> Vec<u8> {
    // Writing strings and values to memory cannot fail.
    serde_json::to_vec(&Document(error)).unwrap_or_default()
}

/// The error itself, to be set into other documents.
pub(super) struct ErrorObject<'a>(pub(super) &'a InferenceError);

/// `error.type` of a status.
fn type_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "payment_required",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500 | 501 | 508 => "internal_error",
        502..=599 => "upstream_error",
        _ => "invalid_request_error",
    }
}

struct Document<'a>(&'a InferenceError);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("error", &ErrorObject(self.0))?;
        map.end()
    }
}

impl Serialize for ErrorObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", self.0.message())?;
        map.serialize_entry("type", type_of(self.0.status()))?;
        map.serialize_entry("code", self.0.code().as_str())?;
        map.serialize_entry("param", &self.0.param())?;
        for (name, value) in self.0.extra() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::codes::InferenceCode;

    use super::*;

    #[test]
    fn param_is_always_there() {
        let error = InferenceError::new(InferenceCode::ProviderKeyMissing, "no \"key\"")
            .with_param("model")
            .with("provider", "openai")
            .with("variables", vec!["A", "B"]);
        let expected = r#"{"error":{"message":"no \"key\"","type":"payment_required","code":"provider_key_missing","param":"model","provider":"openai","variables":["A","B"]}}"#;
        assert_eq!(String::from_utf8(document(&error)).unwrap(), expected);
        let plain = InferenceError::new(InferenceCode::UpstreamTimeout, "late");
        let expected = r#"{"error":{"message":"late","type":"upstream_error","code":"upstream_timeout","param":null}}"#;
        assert_eq!(String::from_utf8(document(&plain)).unwrap(), expected);
    }

    #[test]
    fn every_status_has_its_type() {
        for (status, expected) in [
            (400, "invalid_request_error"),
            (405, "invalid_request_error"),
            (413, "invalid_request_error"),
            (415, "invalid_request_error"),
            (426, "invalid_request_error"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "internal_error"),
            (501, "internal_error"),
            (508, "internal_error"),
            (502, "upstream_error"),
            (503, "upstream_error"),
            (504, "upstream_error"),
            (529, "upstream_error"),
        ] {
            assert_eq!(type_of(StatusCode::from_u16(status).unwrap()), expected);
        }
    }
}
