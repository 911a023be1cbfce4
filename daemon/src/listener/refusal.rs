//! An answer of the listener itself: a closed code, words that say what to do, JSON in the OpenAI shape.

use std::borrow::Cow;

use axum::body::Body;
use bitrouter_gateway::http::guard_own_reply;
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// Why a request was not handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The closed code; its status goes with it.
    pub(super) code: InferenceCode,
    message: Cow<'static, str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    r#type: &'static str,
    code: &'static str,
    param: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(code: InferenceCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The reply.
    pub(super) fn into_response(self) -> Response<Body> {
        let status = self.code.status();
        let object =
            ErrorObject { message: &self.message, r#type: type_of(status), code: self.code.as_str(), param: None };
        // Strings alone always serialise; an empty object keeps the reply JSON all the same.
        let body = serde_json::to_vec(&Envelope { error: object }).unwrap_or_else(|_| b"{}".to_vec());
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bitrouter\""));
        }
        guard_own_reply(headers);
        response
    }
}

fn type_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        status if status.is_server_error() => "internal_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_json_in_the_openai_shape() {
        let response = Refusal::new(InferenceCode::HostNotAllowed, "say \"why\"\n").into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "message": "say \"why\"\n", "type": "permission_error", "code": "host_not_allowed", "param": null
            }})
        );
    }
}
