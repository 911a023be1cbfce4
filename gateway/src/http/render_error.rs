//! The edge where an error of ours becomes a response in the caller's dialect. (What wraps a provider's error that is no
//! JSON is made in `relay_error`, because its status and headers are the provider's.)

use http::{HeaderValue, Response, StatusCode, header};

use super::{own_response::json_response, response_body::ResponseBody};
use crate::{error::InferenceError, protocol::Dialect};

/// The challenge that every 401 carries (RFC 9110 §11.6.1).
pub(super) fn challenge() -> HeaderValue {
    HeaderValue::from_static("Bearer realm=\"bitrouter\"")
}

/// `error` as a response.
pub fn render_error(error: &InferenceError, dialect: Dialect) -> Response<ResponseBody> {
    let mut response = json_response(dialect.error_document(error));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    if error.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, challenge());
    }
    if is_final(error.status()) {
        // Some agents repeat a refusal for minutes before they show it, unless they are told as their SDKs agree on it.
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    headers.extend(error.headers().iter().cloned());
    response
}

/// True for a refusal that the same request would meet again.
fn is_final(status: StatusCode) -> bool {
    let is_passing =
        matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
    (status.is_client_error() && !is_passing)
        || matches!(status, StatusCode::NOT_IMPLEMENTED | StatusCode::LOOP_DETECTED)
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::codes::InferenceCode;

    use super::*;

    #[test]
    fn only_what_repeating_cannot_cure_is_final() {
        for (code, is_final) in [
            (InferenceCode::InvalidApiKey, true),
            (InferenceCode::ProviderKeyMissing, true),
            (InferenceCode::ModelNotFound, true),
            (InferenceCode::ProtocolNotSupported, true),
            (InferenceCode::LoopDetected, true),
            (InferenceCode::UpstreamUnavailable, false),
            (InferenceCode::UpstreamTimeout, false),
            (InferenceCode::Unavailable, false),
            (InferenceCode::Internal, false),
        ] {
            let response = render_error(&InferenceError::new(code, "no"), Dialect::default());
            assert_eq!(response.headers().contains_key("x-should-retry"), is_final, "{code}");
        }
        assert!(!is_final(StatusCode::TOO_MANY_REQUESTS) && !is_final(StatusCode::REQUEST_TIMEOUT));
    }
}
