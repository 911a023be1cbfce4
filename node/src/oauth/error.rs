//! Errors of the OAuth endpoints (RFC 6749 §5.2, RFC 8628 §3.5, RFC 8707 §2).

use std::time::Duration;

use bitrouter_gateway::http::{ResponseBody, set_own_response};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::store::StoreError;

/// Why a request of a client is refused.
#[derive(Clone, Debug)]
pub(super) struct OAuthError {
    code: &'static str,
    status: StatusCode,
    description: String,
    interval: Option<Duration>,
    retry_after: Option<Duration>,
}

impl OAuthError {
    fn new(code: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { code, status: StatusCode::BAD_REQUEST, description, interval: None, retry_after: None }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let description = "the body must be a form: application/x-www-form-urlencoded";
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Self::invalid_request(description) }
    }

    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", description) }
    }

    pub(super) fn unauthorized_client(description: impl Into<String>) -> Self {
        Self::new("unauthorized_client", description)
    }

    pub(super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn invalid_scope(description: impl Into<String>) -> Self {
        Self::new("invalid_scope", description)
    }

    pub(super) fn invalid_target(description: impl Into<String>) -> Self {
        Self::new("invalid_target", description)
    }

    pub(super) fn unsupported_grant_type(description: impl Into<String>) -> Self {
        Self::new("unsupported_grant_type", description)
    }

    /// RFC 6749 §4.1.2.1.
    pub(super) fn unsupported_response_type(description: impl Into<String>) -> Self {
        Self::new("unsupported_response_type", description)
    }

    pub(super) fn authorization_pending() -> Self {
        Self::new("authorization_pending", "nobody has approved or denied it yet")
    }

    pub(super) fn slow_down(interval: Duration) -> Self {
        let description = format!("wait {} seconds between two polls", interval.as_secs());
        Self { interval: Some(interval), ..Self::new("slow_down", description) }
    }

    pub(super) fn access_denied() -> Self {
        Self::new("access_denied", "it was denied")
    }

    pub(super) fn expired_token() -> Self {
        Self::new("expired_token", "the code has expired; ask for another")
    }

    /// 429: the caller has to wait.
    pub(super) fn too_many(description: impl Into<String>, wait: Duration) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, ..Self::unavailable(description, wait) }
    }

    /// 503: what was asked for is right, but not now.
    pub(super) fn unavailable(description: impl Into<String>, wait: Duration) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(wait),
            ..Self::new("temporarily_unavailable", description)
        }
    }

    /// True where the session cannot be refreshed ever again (RFC 6749 §5.2: `invalid_grant`, `invalid_client`).
    pub(super) fn is_final(&self) -> bool {
        matches!(self.code, "invalid_grant" | "invalid_client")
    }

    /// What it is called.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// What is said.
    pub(super) fn into_description(self) -> String {
        self.description
    }

    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let mut document = json!({ "error": self.code, "error_description": described(&self.description) });
        if let Some(interval) = self.interval {
            document["interval"] = interval.as_secs().into();
        }
        let mut response = Response::new(ResponseBody::from(format!("{document}\n")));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        set_own_response(headers, "application/json");
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Basic realm=\"bitrouter\"");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        if let Some(wait) = self.retry_after {
            // Rounded up: whoever waits that long is not told to wait again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

/// What may stand in `error_description` (RFC 6749 §5.2): visible ASCII without `"` and `\`, here of a bounded length.
pub(super) fn described(text: &str) -> String {
    let fits = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().take(300).map(|c| if fits(c) { c } else { '?' }).collect()
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the node's database failed");
        match error.passing() {
            Some((words, seconds)) => Self::unavailable(&words, Duration::from_secs(seconds)),
            None => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Self::new("server_error", "the node's database failed; `bitrouter logs` says more")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_descriptions_hold_only_what_they_may() {
        assert_eq!(described("unknown scope `a\"b\\c\u{e9}\n`"), "unknown scope `a?b?c??`");
        assert_eq!(described(&"x".repeat(5_000)).len(), 300);
    }
}
