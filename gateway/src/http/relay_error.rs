//! A provider's own error on its way to the caller: status and headers stay, and so does a body that is JSON.

use std::{io::Read as _, time::Duration};

use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header, response::Parts};
use http_body_util::BodyExt as _;
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

use super::{
    content_coding::is_identity,
    context::RequestContext,
    deadline::{earlier, total, within},
    own_response::json_response,
    quoted_key::{SHORTEST_KEY, drop_quoting},
    render_error::challenge,
    response_body::{ResponseBody, remove_digests},
    response_headers::{Media, sanitize_response},
};
use crate::{
    content_rules::{Blocked, ContentRules},
    error::InferenceError,
    interrupt::Interrupt,
    protocol::{Dialect, Verdict, check_any, with_raw},
    registry::ProviderId,
    snapshot::Limits,
    upstream::UpstreamBody,
};

/// The most of a provider's error that is read, before and after it is decoded.
const LONGEST_ERROR: usize = 16 << 20;
/// Errors up to this size are read in no time, whatever is in them.
const QUICK: usize = 4 << 10;
/// How long a provider's error is read.
const ERROR_TIME: Duration = Duration::from_secs(10);
/// What stands where a key stood.
const REDACTED: &[u8] = b"[redacted]";
/// How much of an error that is not JSON is quoted, in characters.
const QUOTED: usize = 200;

/// The body of an error, as much of it as came.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    bytes: Bytes,
    is_whole: bool,
}

impl ErrorBody {
    /// True where it can be read on a worker without that other requests of it would feel it.
    pub(super) fn is_quick(&self) -> bool {
        self.bytes.len() <= QUICK
    }
}

/// What comes of an error's body within its bounds. Its status is known, so that nothing that happens here takes the
/// place of it.
pub(super) async fn read_error(
    mut body: UpstreamBody,
    limits: &Limits,
    context: &RequestContext,
    interrupt: &Interrupt,
) -> ErrorBody {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let until = earlier((clock::monotonic_now() + ERROR_TIME, "error"), total(context.started, limits));
    let is_whole = loop {
        let limit = earlier(until, (clock::monotonic_now() + limits.between_chunks, "between_chunks"));
        let frame = match within(body.frame(), interrupt, &*context.connection, || limit).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break true,
            Ok(Some(Err(_))) | Err(_) => break false,
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
            break false;
        }
    };
    let bytes = if more.is_empty() { first } else { [&first[..], &more[..]].concat().into() };
    ErrorBody { bytes, is_whole }
}

/// The reply for a provider's error: its status and headers; its body too, where that is JSON.
pub(super) fn relay_error(
    mut parts: Parts,
    error: ErrorBody,
    provider: &ProviderId,
    key: Option<&SecretString>,
    dialect: Dialect,
    rules: Option<&ContentRules>,
) -> Response<ResponseBody> {
    let key = key.map(ExposeSecret::expose_secret).filter(|key| key.len() >= SHORTEST_KEY);
    let decoded = decoded(&parts.headers, error);
    remove_digests(&mut parts.headers);
    sanitize_response(&mut parts.headers);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    if let Some(key) = key {
        drop_quoting(&mut parts.headers, key);
    }
    // HTTP/1.0 is the provider's, not the caller's.
    parts.version = Version::HTTP_11;
    let body = decoded.as_ref().map(|error| match key {
        Some(key) => redact(&error.bytes, key),
        None => error.bytes.clone(),
    });
    let (body, rule) = match (body, rules) {
        (Some(body), Some(rules)) => judged(body, rules),
        (body, _) => (body, None),
    };
    if let Some(body) = body.as_ref()
        // An object or a list that is complete is so however the connection ended: who answers early often resets it.
        && (decoded.as_ref().is_some_and(|error| error.is_whole) || matches!(body.trim_ascii_start(), [b'{' | b'[', ..]))
        && is_json(&parts.headers, body)
    {
        if Media::of(&parts.headers) != Media::Json {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        return Response::from_parts(parts, ResponseBody::from(body.clone()));
    }
    let text = body.as_deref().map(quoted).filter(|text| !text.trim().is_empty());
    let message = text
        .or_else(|| {
            rule.as_ref()
                .map(|rule| format!("`{provider}` answered with a text that the content rule `{}` blocks", rule.rule))
        })
        .unwrap_or_else(|| format!("`{provider}` answered {} without a text that can be read", parts.status.as_u16()));
    let mut wrapped = InferenceError::new(InferenceCode::UpstreamError, message)
        .with_status(parts.status)
        .with("provider", provider.as_str());
    if let Some(rule) = rule {
        wrapped = wrapped.with("policy_id", rule.policy.to_string());
    }
    let (own, body) = json_response(dialect.error_document(&wrapped)).into_parts();
    parts.headers.extend(own.headers);
    if parts.status == StatusCode::UNAUTHORIZED && !parts.headers.contains_key(header::WWW_AUTHENTICATE) {
        parts.headers.insert(header::WWW_AUTHENTICATE, challenge());
    }
    Response::from_parts(parts, body)
}

/// What content rules leave of an error; nothing where they block it, which the rule says, or cannot judge it.
fn judged(body: Bytes, rules: &ContentRules) -> (Option<Bytes>, Option<Blocked>) {
    let Ok(text) = std::str::from_utf8(&body) else { return (None, None) };
    match check_any(rules, text) {
        Verdict::Clear => (Some(body), None),
        Verdict::Redacted(edits) => (Some(with_raw(&body, &edits)), None),
        Verdict::Blocked(rule) => (None, Some(rule)),
    }
}

/// The body without its `Content-Encoding`; `None` where it cannot be read.
fn decoded(headers: &HeaderMap, error: ErrorBody) -> Option<ErrorBody> {
    if is_identity(headers) {
        return Some(error);
    }
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase();
    let bytes = error.bytes.as_ref();
    let (text, is_whole) = match coding.as_str() {
        "gzip" | "x-gzip" => inflated(MultiGzDecoder::new(bytes)),
        // By the standard in a zlib wrapper (RFC 9110 §8.4.1.2); some servers leave it away.
        "deflate" => match inflated(ZlibDecoder::new(bytes)) {
            (text, true) => (text, true),
            (wrapped, false) => {
                let (raw, whole) = inflated(DeflateDecoder::new(bytes));
                if raw.len() > wrapped.len() { (raw, whole) } else { (wrapped, false) }
            }
        },
        _ => return None,
    };
    let is_whole = is_whole && error.is_whole;
    (is_whole || !text.is_empty()).then(|| ErrorBody { bytes: text.into(), is_whole })
}

/// What `decoder` gives, at most [`LONGEST_ERROR`] of it, and whether that is all and well formed.
fn inflated(decoder: impl std::io::Read) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let most = LONGEST_ERROR as u64;
    let ended = decoder.take(most + 1).read_to_end(&mut text).is_ok();
    let fits = text.len() <= LONGEST_ERROR;
    text.truncate(LONGEST_ERROR);
    (text, ended && fits)
}

/// True where the body is a JSON document. Where the provider does not say that it is JSON, a number or a word may as
/// well be a text.
fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let opens = || body.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    (Media::of(headers) == Media::Json || opens()) && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
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
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let provider = ProviderId::parse("acme").unwrap();
        let key = SecretString::from(key);
        let error = ErrorBody { bytes: Bytes::from_static(body), is_whole: true };
        let response = relay_error(parts, error, &provider, Some(&key), Dialect::ChatCompletions, None);
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
            text.trim_end(),
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

    #[tokio::test]
    async fn r1_09_a_compressed_error_keeps_its_text_and_its_code() {
        use std::io::Write as _;
        let text = br#"{"error":{"message":"slow down, sk-secret","code":"rate_limit_exceeded"}}"#;
        let leak = |bytes: Vec<u8>| -> &'static [u8] { Box::leak(bytes.into_boxed_slice()) };
        let level = flate2::Compression::default();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
        gzip.write_all(text).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
        zlib.write_all(text).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), level);
        raw.write_all(text).unwrap();
        let gzip = leak(gzip.finish().unwrap());
        let (zlib, raw) = (leak(zlib.finish().unwrap()), leak(raw.finish().unwrap()));
        for (coding, body) in
            [("gzip", gzip), ("X-GZip", gzip), ("deflate", zlib), ("deflate", raw), ("Identity", &text[..])]
        {
            let headers = [("content-encoding", coding), ("content-type", "application/json"), ("retry-after", "3")];
            let (parts, said) = reply(429, &headers, body, "sk-secret").await;
            let expected = r#"{"error":{"message":"slow down, [redacted]","code":"rate_limit_exceeded"}}"#;
            assert_eq!(said, expected, "{coding}");
            assert!(!parts.headers.contains_key("content-encoding"));
        }
        let half = &gzip[..gzip.len() - 12];
        for (coding, body) in [("gzip", half), ("br", gzip), ("gzip", b"no gzip at all")] {
            let (parts, said) = reply(429, &[("content-encoding", coding)], body, "sk-secret").await;
            assert!(said.contains("upstream_error") && !said.contains("sk-secret"), "{said}");
            assert_eq!(parts.status, 429);
        }
    }

    #[test]
    fn a_bomb_is_read_within_the_bound() {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            gzip.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        let (text, whole) = inflated(MultiGzDecoder::new(&gzip.finish().unwrap()[..]));
        assert_eq!((text.len(), whole), (LONGEST_ERROR, false));
    }
}
