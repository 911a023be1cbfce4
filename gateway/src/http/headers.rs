//! Which headers pass in which direction.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response::Parts};

use crate::registry::Target;

/// True for headers that speak of one connection only.
fn hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// True for headers of a request that must not reach a provider.
fn stays_here(name: &str) -> bool {
    hop_by_hop(name)
        || matches!(
            name,
            "host"
                | "cookie"
                | "authorization"
                | "x-api-key"
                | "x-goog-api-key"
                | "api-key"
                | "origin"
                | "referer"
                | "accept-encoding"
                | "content-encoding"
                | "content-length"
                | "expect"
        )
        || name.starts_with("sec-")
        || name.starts_with("x-forwarded-")
}

/// True for headers of a reply that must not reach the caller.
fn stays_there(name: &str) -> bool {
    hop_by_hop(name) || name == "set-cookie" || name == "set-cookie2" || name.starts_with("x-bitrouter-")
}

/// Removes what `drop` names, and what `Connection` names.
fn strip(headers: &mut HeaderMap, drop: fn(&str) -> bool) {
    let mut doomed: Vec<HeaderName> = headers.keys().filter(|name| drop(name.as_str())).cloned().collect();
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            if !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive") {
                doomed.extend(HeaderName::from_bytes(token));
            }
        }
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Makes the headers of the caller's request those of the request to the provider.
pub(super) fn upstream(headers: &mut HeaderMap, target: &Target, auth: Option<HeaderValue>) {
    strip(headers, stays_here);
    headers.insert(header::HOST, target.host.clone());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in &target.extra_headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    // Whatever the caller sent under a name that carries a key at this provider is a credential too.
    for name in &target.key_headers {
        headers.remove(name);
    }
    match auth {
        Some(auth) => drop(headers.insert(target.auth_header.clone(), auth)),
        None => drop(headers.remove(&target.auth_header)),
    }
}

/// Marks a reply as our own: its type, not to be guessed at, not to be kept.
pub(crate) fn own(headers: &mut HeaderMap, media_type: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    guard_own_reply(headers);
}

/// What every reply of our own carries, so that no browser makes anything else of it.
pub fn guard_own_reply(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
}

/// Makes the headers of the provider's reply those of the reply to the caller.
pub(super) fn back(headers: &mut HeaderMap) {
    // A length beside chunks means nothing (RFC 9112 §6.3); it must not outlive them and cut the reply short.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers, stays_there);
}

/// True where only the end of the connection marks the end of the body.
pub(super) fn is_unmeasured(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// True where a reply without a body says so itself.
pub(super) fn says_empty(parts: &Parts) -> bool {
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    bodiless || parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

/// True where the reply is a stream of events that can be read as it is.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    is_plain(headers) && media_type(headers).is_some_and(|value| value.eq_ignore_ascii_case(b"text/event-stream"))
}

/// True where the body is not compressed.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_none_or(|value| value.as_bytes() == b"identity")
}

/// True where the reply is JSON that can be read as it is.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    is_plain(headers) && media_type(headers).is_some_and(|value| value.to_ascii_lowercase().ends_with(b"json"))
}

fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    value.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::registry::{Catalog, shipped};

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<String> {
        let mut names: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_of_the_callers_connection_or_credentials_goes_up() {
        let catalog = Arc::new(Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap());
        let mut headers = map(&[
            ("host", "127.0.0.1:4356"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("authorization", "Bearer caller"),
            ("x-api-key", "caller"),
            ("x-goog-api-key", "caller"),
            ("api-key", "caller"),
            ("proxy-authorization", "caller"),
            ("cookie", "a=b"),
            ("origin", "http://localhost"),
            ("referer", "http://localhost"),
            ("sec-fetch-mode", "cors"),
            ("x-forwarded-for", "1.2.3.4"),
            ("accept-encoding", "gzip"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-type", "application/json"),
            ("user-agent", "sdk"),
            ("x-stainless-lang", "python"),
            ("x-stainless-lang", "twice"),
        ]);
        let target = catalog.find("openai").unwrap().chat().unwrap();
        upstream(&mut headers, target, Some(HeaderValue::from_static("Bearer ours")));
        assert_eq!(
            names(&headers),
            [
                "accept-encoding: identity",
                "authorization: Bearer ours",
                "content-type: application/json",
                "host: api.openai.com",
                "user-agent: sdk",
                "x-stainless-lang: python",
                "x-stainless-lang: twice",
            ]
        );
    }

    #[test]
    fn the_header_that_carries_a_key_is_never_the_callers() {
        let text = "id = \"x\"\nkind = \"local\"\nendpoint = \"http://localhost:1/v1\"\nprotocol = \"chat_completions\"\n[auth]\nheader = \"X-Token\"\nextra_headers = { x-version = \"1\" }";
        let manifest = crate::registry::Manifest::parse(text, std::path::Path::new("x")).unwrap();
        let catalog = Catalog::build(vec![manifest], vec![], BTreeMap::new(), false).unwrap();
        let mut headers = map(&[("x-token", "caller"), ("x-version", "2")]);
        upstream(&mut headers, catalog.find("x").unwrap().chat().unwrap(), None);
        assert_eq!(names(&headers), ["accept-encoding: identity", "host: localhost:1", "x-version: 2"]);
    }

    #[test]
    fn p03_a_header_that_carries_a_key_at_another_endpoint_stays_here() {
        let text = "id = \"x\"\nkind = \"local\"\nendpoint = \"http://localhost:1/v1\"\nprotocol = \"messages\"\n[auth]\nheader = \"X-My-Key\"\n[endpoints.chat_completions]\nurl = \"http://localhost:1/v1\"\nheader = \"X-Chat-Key\"\n[endpoints.responses]\nurl = \"http://localhost:1/v1\"\nheader = \"X-Other-Key\"";
        let manifest = crate::registry::Manifest::parse(text, std::path::Path::new("x")).unwrap();
        let catalog = Catalog::build(vec![manifest], vec![], BTreeMap::new(), false).unwrap();
        let target = catalog.find("x").unwrap().chat().unwrap();
        for auth in [None, Some(HeaderValue::from_static("ours"))] {
            let mut headers = map(&[("x-my-key", "caller"), ("x-chat-key", "caller"), ("x-other-key", "caller")]);
            upstream(&mut headers, target, auth.clone());
            assert!(!names(&headers).iter().any(|header| header.contains("caller")), "{headers:?}");
            assert_eq!(headers.get("x-chat-key"), auth.as_ref());
        }
    }

    #[test]
    fn nothing_of_the_providers_connection_comes_back() {
        let mut headers = map(&[
            ("connection", "close, x-trace"),
            ("x-trace", "1"),
            ("set-cookie", "a=b"),
            ("x-bitrouter-request-id", "theirs"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("x-ratelimit-remaining", "3"),
            ("content-type", "text/event-stream; charset=utf-8"),
        ]);
        assert!(is_event_stream(&headers));
        back(&mut headers);
        assert_eq!(names(&headers), ["content-type: text/event-stream; charset=utf-8", "x-ratelimit-remaining: 3"]);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_event_stream(&headers));
    }
}
