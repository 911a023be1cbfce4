//! An answer of the listener itself: a closed code, words that say what to do, JSON in the dialect of its caller.

use std::borrow::Cow;

use bitrouter_gateway::{
    InferenceError,
    http::{ResponseBody, render_error},
    protocol::Dialect,
};
use bitrouter_proto::codes::InferenceCode;
use http::Response;

/// Why a request was not handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The closed code; its status goes with it.
    pub(super) code: InferenceCode,
    message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(code: InferenceCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The reply, as the caller's dialect has it.
    pub(super) fn into_response(self, dialect: Dialect) -> Response<ResponseBody> {
        render_error(&InferenceError::new(self.code, self.message), dialect)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_json_in_the_openai_shape() {
        let response = Refusal::new(InferenceCode::HostNotAllowed, "say \"why\"\n").into_response(Dialect::default());
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "message": "say \"why\"\n", "type": "permission_error", "code": "host_not_allowed", "param": null
            }})
        );
    }
}
