//! Errors as Google's clients read them: `{"error":{code,message,status,details:[ErrorInfo]}}`.
//!
//! Source: Google AIP-193 "Errors", `google.rpc.ErrorInfo`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::error::InferenceError;

/// The document of a response, and of an event or an element that ends a stream.
pub(super) fn document(error: &InferenceError) -> Vec<u8> {
    value(error).to_string().into_bytes()
}

fn value(error: &InferenceError) -> Value {
    let mut metadata = Map::new();
    if let Some(param) = error.param() {
        metadata.insert("param".to_owned(), param.into());
    }
    let mut object = Map::new();
    object.insert("code".to_owned(), error.status().as_u16().into());
    object.insert("message".to_owned(), error.message().into());
    object.insert("status".to_owned(), status_of(error.status()).into());
    for (name, value) in error.extra() {
        // Metadata are texts only.
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        metadata.insert((*name).to_owned(), text.into());
        object.insert((*name).to_owned(), value.clone());
    }
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.code().as_str().to_ascii_uppercase(),
        "domain": "bitrouter",
        "metadata": metadata,
    });
    object.insert("details".to_owned(), json!([info]));
    json!({ "error": object })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `error.status` of a status.
fn status_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::codes::InferenceCode;

    use super::*;

    #[test]
    fn an_error_carries_its_code_as_a_reason() {
        let error = InferenceError::new(InferenceCode::ProviderKeyMissing, "no key")
            .with_param("model")
            .with("provider", "google")
            .with("variables", vec!["A", "B"]);
        let expected = json!({"error": {
            "code": 402, "message": "no key", "status": "FAILED_PRECONDITION",
            "provider": "google", "variables": ["A", "B"],
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "PROVIDER_KEY_MISSING",
                "domain": "bitrouter", "metadata": {"param": "model", "provider": "google", "variables": "A, B"},
            }],
        }});
        assert_eq!(serde_json::from_slice::<Value>(&document(&error)).unwrap(), expected);
    }

    #[test]
    fn every_status_has_its_word() {
        for (status, expected) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (402, "FAILED_PRECONDITION"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (405, "INVALID_ARGUMENT"),
            (413, "INVALID_ARGUMENT"),
            (415, "INVALID_ARGUMENT"),
            (426, "INVALID_ARGUMENT"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (501, "UNIMPLEMENTED"),
            (502, "UNAVAILABLE"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
            (508, "INTERNAL"),
            (529, "INTERNAL"),
        ] {
            assert_eq!(status_of(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
