//! Errors as a caller of the OpenAI API sees them: `{"error":{message,type,code,param,…}}`.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub struct InferenceError {
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
        Self {
            code,
            status: code.status(),
            message: message.into(),
            param: None,
            extra: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Names the parameter that is at fault.
    #[must_use]
    pub fn param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Adds a member to the error object.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.extra.push((name, value.into()));
        self
    }

    /// Keeps another status than the code's own (a provider's).
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(self, value: HeaderValue) -> Self {
        self.header(header::RETRY_AFTER, value)
    }

    /// The code.
    pub fn code(&self) -> InferenceCode {
        self.code
    }

    /// The status that the caller will see.
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        // Writing strings and values to memory cannot fail.
        serde_json::to_vec(&Document(self)).unwrap_or_default()
    }

    /// The error as an event of a stream that has begun.
    pub fn to_event(&self) -> Vec<u8> {
        [b"data: ", self.to_json().as_slice(), b"\n\n"].concat()
    }
}

/// `error.type` of a status.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "payment_required",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500 => "internal_error",
        501..=599 => "upstream_error",
        _ => "invalid_request_error",
    }
}

struct Document<'a>(&'a InferenceError);
struct Inner<'a>(&'a InferenceError);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("error", &Inner(self.0))?;
        map.end()
    }
}

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("type", kind(self.0.status))?;
        map.serialize_entry("code", self.0.code.as_str())?;
        map.serialize_entry("param", &self.0.param)?;
        for (name, value) in &self.0.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for InferenceError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        super::headers::own(headers, "application/json");
        headers.extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_openais_and_param_is_always_there() {
        let error = InferenceError::new(InferenceCode::ProviderKeyMissing, "no \"key\"")
            .param("model")
            .with("provider", "openai")
            .with("variables", vec!["A", "B"]);
        let expected = r#"{"error":{"message":"no \"key\"","type":"payment_required","code":"provider_key_missing","param":"model","provider":"openai","variables":["A","B"]}}"#;
        assert_eq!(String::from_utf8(error.to_json()).unwrap(), expected);
        let plain = InferenceError::new(InferenceCode::UpstreamTimeout, "late");
        let expected = "data: {\"error\":{\"message\":\"late\",\"type\":\"upstream_error\",\"code\":\"upstream_timeout\",\"param\":null}}\n\n";
        assert_eq!(String::from_utf8(plain.to_event()).unwrap(), expected);
    }

    #[test]
    fn every_code_has_the_type_of_its_status() {
        for (status, expected) in [
            (400, "invalid_request_error"),
            (405, "invalid_request_error"),
            (413, "invalid_request_error"),
            (415, "invalid_request_error"),
            (426, "invalid_request_error"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "internal_error"),
            (501, "upstream_error"),
            (529, "upstream_error"),
        ] {
            assert_eq!(kind(StatusCode::from_u16(status).unwrap()), expected);
        }
    }
}
