//! Errors as Anthropic's clients read them: `{"type":"error","error":{type,message,code,…}}`, in a stream as an event that is
//! called `error`.
//!
//! Source: Anthropic API reference, "Errors".

use http::StatusCode;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::InferenceError;

/// The document of a response.
pub(super) fn document(error: &InferenceError) -> Vec<u8> {
    // Writing strings and values to memory cannot fail.
    serde_json::to_vec(&Document(error)).unwrap_or_default()
}

/// The event that ends a stream.
pub(super) fn event(error: &InferenceError) -> Vec<u8> {
    [b"event: error\ndata: ", document(error).as_slice(), b"\n\n"].concat()
}

/// `error.type` of a status.
fn type_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

struct Document<'a>(&'a InferenceError);
struct ErrorObject<'a>(&'a InferenceError);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "error")?;
        map.serialize_entry("error", &ErrorObject(self.0))?;
        map.end()
    }
}

impl Serialize for ErrorObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", type_of(self.0.status()))?;
        map.serialize_entry("message", self.0.message())?;
        map.serialize_entry("code", self.0.code().as_str())?;
        if let Some(param) = self.0.param() {
            map.serialize_entry("param", param)?;
        }
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
    fn an_error_is_typed_twice() {
        let error = InferenceError::new(InferenceCode::ProviderKeyMissing, "no \"key\"").with("variables", vec!["A"]);
        let expected = r#"{"type":"error","error":{"type":"billing_error","message":"no \"key\"","code":"provider_key_missing","variables":["A"]}}"#;
        assert_eq!(String::from_utf8(document(&error)).unwrap(), expected);
        assert_eq!(String::from_utf8(event(&error)).unwrap(), format!("event: error\ndata: {expected}\n\n"));
    }

    #[test]
    fn every_status_has_its_type() {
        for (status, expected) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (405, "invalid_request_error"),
            (413, "request_too_large"),
            (415, "invalid_request_error"),
            (426, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (501, "api_error"),
            (502, "api_error"),
            (503, "api_error"),
            (504, "timeout_error"),
            (508, "api_error"),
            (529, "api_error"),
        ] {
            assert_eq!(type_of(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
