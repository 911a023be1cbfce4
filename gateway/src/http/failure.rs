//! A provider's own error on its way to the caller, and our words for calls that got none.

use std::time::{Duration, Instant};

use axum::{body::Body, response::Response};
use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version, header, response::Parts};
use http_body_util::BodyExt as _;
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

use super::{InferenceError, headers};
use crate::{
    interrupt::Interrupt,
    registry::ProviderId,
    snapshot::Limits,
    upstream::{Side, UpstreamBody, UpstreamError},
};

/// The most of a provider's error that is read.
const LONGEST_ERROR: usize = 16 << 20;
/// How long a provider's error is read.
const ERROR_TIME: Duration = Duration::from_secs(10);
/// What stands where a key stood.
const REDACTED: &[u8] = b"[redacted]";
/// Shorter keys would be found in every other word: they are left, and KNOWN-ISSUES says so.
const SHORTEST_KEY: usize = 4;
/// How much of an error that is not JSON is quoted.
const QUOTED: usize = 200;

/// Why a call to a provider got no reply that could be passed on.
#[derive(Debug)]
pub(super) enum CallError {
    /// No reply at all.
    Upstream(UpstreamError),
    /// The reply ended before its first body byte.
    Interrupted,
    /// A limit of `[timeouts]` passed; its name.
    Late(&'static str),
    /// The daemon is ending.
    Ending,
    /// A redirect or another status that is no reply to a call.
    Status(u16),
}

impl CallError {
    /// True where the request never left, so that another provider could be asked.
    pub(super) fn retryable(&self) -> bool {
        matches!(self, Self::Upstream(error) if error.retryable())
    }

    /// What the caller is told.
    pub(super) fn explain(&self, provider: &ProviderId) -> InferenceError {
        let (code, message) = match self {
            Self::Upstream(error) if error.side() == Side::Internal => {
                (InferenceCode::UpstreamUnavailable, format!("`{provider}` cannot be called: {error}"))
            }
            Self::Upstream(error @ UpstreamError::Exchange { .. }) => {
                (InferenceCode::UpstreamInterrupted, format!("`{provider}` gave no reply: {error}"))
            }
            Self::Upstream(error @ UpstreamError::ConnectTime { .. }) => {
                (InferenceCode::UpstreamTimeout, format!("`{provider}` cannot be reached: {error}"))
            }
            Self::Upstream(error) => {
                (InferenceCode::UpstreamUnavailable, format!("`{provider}` cannot be reached: {error}"))
            }
            Self::Interrupted => (
                InferenceCode::UpstreamInterrupted,
                format!("the reply of `{provider}` broke off before its first byte"),
            ),
            Self::Late(limit) => {
                (InferenceCode::UpstreamTimeout, format!("`{provider}` took longer than `[timeouts] {limit}`"))
            }
            Self::Ending => (InferenceCode::UpstreamInterrupted, "the daemon is stopping".to_owned()),
            Self::Status(status) => (
                InferenceCode::UpstreamError,
                format!("`{provider}` answered {status}, which is no reply to a call; check its `base_url`"),
            ),
        };
        InferenceError::new(code, message).with("provider", provider.as_str())
    }
}

/// What comes of an error's body within its bounds, and whether that is all of it. Its status is known, so that nothing
/// that happens here takes the place of it.
pub(super) async fn read_error(
    mut body: UpstreamBody,
    limits: &Limits,
    started: Instant,
    interrupt: &Interrupt,
) -> (Bytes, bool) {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let all = async {
        loop {
            let frame = match tokio::time::timeout(limits.between_chunks, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            };
            let Ok(data) = frame.into_data() else { continue };
            // An error in one piece, the usual case, is not copied.
            if first.is_empty() && data.len() <= LONGEST_ERROR {
                first = data;
                continue;
            }
            let room = LONGEST_ERROR.saturating_sub(first.len() + more.len());
            more.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return false;
            }
        }
    };
    let until = (clock::mono() + ERROR_TIME).min(started + limits.total);
    let whole = tokio::select! {
        biased;
        whole = all => whole,
        () = tokio::time::sleep_until(until.into()) => false,
        () = interrupt.wait() => false,
    };
    let read = if more.is_empty() { first } else { [&first[..], &more[..]].concat().into() };
    (read, whole)
}

/// The reply for a provider's error: its status and headers; its body too, where that is JSON.
pub(super) fn passed_on(
    mut parts: Parts,
    body: &Bytes,
    whole: bool,
    provider: &ProviderId,
    key: Option<&SecretString>,
) -> Response {
    let key = key.map(ExposeSecret::expose_secret).filter(|key| key.len() >= SHORTEST_KEY);
    let plain = !parts.headers.contains_key(header::CONTENT_ENCODING);
    headers::back(&mut parts.headers);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    if let Some(key) = key {
        let quotes = |value: &HeaderValue| memmem::find(value.as_bytes(), key.as_bytes()).is_some();
        let doomed: Vec<_> =
            parts.headers.iter().filter(|(_, value)| quotes(value)).map(|(name, _)| name.clone()).collect();
        for name in doomed {
            parts.headers.remove(name);
        }
    }
    let body = key.map_or_else(|| body.clone(), |key| redact(body, key));
    let is_json = plain && whole && {
        // Where the provider does not say that it is JSON, a number or a word may as well be a text.
        let opens = || body.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
        (headers::is_json(&parts.headers) || opens()) && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok()
    };
    let json = HeaderValue::from_static("application/json");
    let body = if is_json {
        if !headers::is_json(&parts.headers) {
            parts.headers.insert(header::CONTENT_TYPE, json);
        }
        body
    } else {
        parts.headers.insert(header::CONTENT_TYPE, json);
        let text = if plain { quoted(&body) } else { String::new() };
        let message = if text.trim().is_empty() {
            format!("`{provider}` answered {} without a text that can be read", parts.status.as_u16())
        } else {
            text
        };
        let error = InferenceError::new(InferenceCode::UpstreamError, message).status(parts.status);
        error.with("provider", provider.as_str()).to_json().into()
    };
    // The provider's HTTP/1.0 is its own.
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, Body::from(body))
}

fn quoted(body: &[u8]) -> String {
    // A character has at most four bytes: what follows them need not be looked at.
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED)]);
    text.chars().take(QUOTED).collect()
}

/// `body` with the key, also as JSON would write it, replaced; every other byte stays.
fn redact(body: &Bytes, key: &str) -> Bytes {
    let quoted = serde_json::to_string(key).unwrap_or_default();
    let escaped = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let mut body = body.clone();
    for form in [key, escaped] {
        let finder = memmem::Finder::new(form.as_bytes());
        if form.is_empty() || finder.find(&body).is_none() {
            continue;
        }
        let mut clean = Vec::with_capacity(body.len());
        let mut from = 0;
        for at in finder.find_iter(&body) {
            clean.extend_from_slice(&body[from..at]);
            clean.extend_from_slice(REDACTED);
            from = at + form.len();
        }
        clean.extend_from_slice(&body[from..]);
        body = clean.into();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reply(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &'static [u8],
        key: &str,
    ) -> (Parts, String) {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let provider = ProviderId::parse("acme").unwrap();
        let key = SecretString::from(key);
        let response = passed_on(parts, &Bytes::from_static(body), true, &provider, Some(&key));
        let (parts, body) = response.into_parts();
        (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn json_passes_byte_for_byte_but_for_the_key() {
        let body = br#"{"error" : {"message":"bad key sk-12\/34 or sk-12/34", "n":1e5}}"#;
        let headers = [("retry-after", "7"), ("content-length", "9"), ("content-type", "application/json; x=y")];
        let (parts, text) = reply(429, &headers, body, "sk-12/34").await;
        // `\/` is one of many spellings; the two that a server would write are the plain one and serde's.
        assert_eq!(text, r#"{"error" : {"message":"bad key sk-12\/34 or [redacted]", "n":1e5}}"#);
        assert_eq!((parts.status.as_u16(), &parts.headers["retry-after"]), (429, &HeaderValue::from_static("7")));
        assert!(!parts.headers.contains_key("content-length"));
        assert_eq!(parts.headers["content-type"], "application/json; x=y");
        let (_, text) = reply(401, &[], br#"["a\"b\\c"]"#, "a\"b\\c").await;
        assert_eq!(text, r#"["[redacted]"]"#);
        let (_, text) = reply(401, &[], br#"["abc"]"#, "abc").await;
        assert_eq!(text, r#"["abc"]"#);
    }

    #[tokio::test]
    async fn anything_else_is_wrapped_with_its_beginning() {
        let (parts, text) = reply(
            503,
            &[("content-type", "text/html"), ("x-key", "long-key!")],
            b"<h1>\x07Down\nlong-key!</h1>",
            "long-key!",
        )
        .await;
        assert_eq!(
            text,
            r#"{"error":{"message":"<h1>\u0007Down\n[redacted]</h1>","type":"upstream_error","code":"upstream_error","param":null,"provider":"acme"}}"#
        );
        assert_eq!(parts.headers["content-type"], "application/json");
        assert!(!parts.headers.contains_key("x-key"));
        for blank in [&b""[..], b" \r\n\t"] {
            let (_, text) = reply(500, &[], blank, "long-key!").await;
            assert!(text.contains("`acme` answered 500"), "{text}");
        }
        for scalar in [&b"\"oops\""[..], b"null", b" 5 "] {
            let (_, text) = reply(500, &[("content-type", "application/json")], scalar, "long-key!").await;
            assert_eq!(text.as_bytes(), scalar);
            let (_, text) = reply(500, &[("content-type", "text/plain")], scalar, "long-key!").await;
            assert!(text.contains("upstream_error"), "{text}");
        }
        let (_, text) = reply(500, &[], b"{\"half\":", "long-key!").await;
        assert!(text.contains("upstream_error"), "{text}");
        let long: &'static [u8] = Box::leak(vec![b'x'; 5000].into_boxed_slice());
        let (_, text) = reply(500, &[], long, "long-key!").await;
        assert!(text.contains(&"x".repeat(200)) && !text.contains(&"x".repeat(201)));
    }
}
