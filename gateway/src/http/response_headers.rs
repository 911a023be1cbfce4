//! Which headers of a provider reach the caller, and what they say of the body behind them.

use http::{HeaderMap, StatusCode, header, response::Parts};

use super::{
    content_coding::is_identity,
    hop_by_hop::{is_hop_by_hop, strip},
};
use crate::protocol::sse_event::looks_like_events;

/// True for headers of a reply that must not reach the caller.
fn is_withheld(name: &str) -> bool {
    let begins = |prefix: &str| name.as_bytes().starts_with(prefix.as_bytes());
    is_hop_by_hop(name)
        || matches!(name, "set-cookie" | "set-cookie2")
        || begins("x-bitrouter-")
        || begins("access-control-")
}

/// Makes the headers of the provider's reply those of the reply to the caller.
pub(super) fn sanitize_response(headers: &mut HeaderMap) {
    // A length beside chunks means nothing (RFC 9112 §6.3); it must not outlive them and cut the reply short.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers, is_withheld);
}

/// What the head of a reply says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyMeta {
    /// Only the end of the connection marks the end of the body.
    pub(super) is_close_delimited: bool,
    /// It can be read as it is: it is not compressed.
    pub(super) is_identity: bool,
    /// How the media type names it.
    pub(super) media: Media,
}

/// A media type, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// A stream of server-sent events.
    Events,
    /// JSON of any kind.
    Json,
    /// A page for people.
    Html,
    /// Anything else, or nothing said.
    Other,
}

impl BodyMeta {
    /// What `headers` say, before they become the caller's.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_close_delimited: !headers.contains_key(header::CONTENT_LENGTH)
                && !headers.contains_key(header::TRANSFER_ENCODING),
            is_identity: is_identity(headers),
            media: Media::of(headers),
        }
    }

    /// True where what a body of which `first` are the first bytes used can be read: it is JSON or a stream of events.
    pub(super) fn is_readable(self, first: &[u8]) -> bool {
        let is_json = || begins_as_json(first);
        self.is_identity
            && match self.media {
                Media::Events => true,
                // It says so itself: a word or a number is JSON too.
                Media::Json => is_json() || begins_as_value(first),
                // Some servers do not say what they send.
                Media::Other => is_json() || looks_like_events(first),
                Media::Html => false,
            }
    }
}

/// True where bytes begin as any JSON value does, or where nothing has begun yet.
fn begins_as_value(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start().first();
    begin.is_none_or(|byte| matches!(byte, b'"' | b'-' | b't' | b'f' | b'n') || byte.is_ascii_digit())
}

/// True where bytes begin as an object or an array does.
pub(super) fn begins_as_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

impl Media {
    /// What `Content-Type` says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Other };
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let ends =
            |end: &[u8]| essence.len() >= end.len() && essence[essence.len() - end.len()..].eq_ignore_ascii_case(end);
        if ends(b"json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Self::Events
        } else if essence.eq_ignore_ascii_case(b"text/html") || ends(b"xhtml+xml") {
            Self::Html
        } else {
            Self::Other
        }
    }
}

/// True where a reply says that it has no body.
pub(super) fn has_no_body(parts: &Parts) -> bool {
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    bodiless || parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn r1_18_nothing_of_the_providers_connection_and_no_permission_of_its_comes_back() {
        let mut headers = map(&[
            ("connection", "close, x-trace"),
            ("x-trace", "1"),
            ("set-cookie", "a=b"),
            ("x-bitrouter-request-id", "theirs"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x"),
            ("x-ratelimit-remaining", "3"),
            ("content-type", "text/event-stream; charset=utf-8"),
        ]);
        assert_eq!(Media::of(&headers), Media::Events);
        sanitize_response(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "x-ratelimit-remaining"]);
    }

    #[test]
    fn what_a_metered_call_used_is_read_in_json_and_events() {
        for (media, first, readable) in [
            ("application/json", " {\"a\"", true),
            ("application/json", "\n\n", true),
            ("application/json", "[", true),
            ("application/json", "sorry", false),
            ("text/event-stream", "data: x", true),
            ("text/plain", "{\"a\":1}", true),
            ("", "data: {}", true),
            ("text/plain", "hello", false),
            ("text/plain", " ", false),
            ("text/html", "{", false),
            ("audio/mpeg", "\u{0}", false),
        ] {
            let of = |headers: &[(&str, &str)]| BodyMeta::of(&map(headers)).is_readable(first.as_bytes());
            assert_eq!(of(&[("content-type", media)]), readable, "{media} {first:?}");
            assert!(!of(&[("content-type", media), ("content-encoding", "gzip")]));
        }
    }

    #[test]
    fn media_types_are_told_apart() {
        for (value, media) in [
            ("application/json", Media::Json),
            ("Application/Problem+JSON; charset=utf-8", Media::Json),
            ("TEXT/EVENT-STREAM", Media::Events),
            ("text/html; charset=utf-8", Media::Html),
            ("text/plain", Media::Other),
            ("json", Media::Json),
            ("", Media::Other),
        ] {
            assert_eq!(Media::of(&map(&[("content-type", value)])), media, "{value}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other);
    }
}
