//! How a provider wants its key: the header, the word before the key, and the headers that go with every request.
//!
//! Pure, and without any key: the rules are checked when a manifest is read.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;

/// How a provider wants its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Auth {
    /// The header; `Authorization` where absent.
    #[serde(default)]
    pub header: Option<String>,
    /// The word before the key; `Bearer` where the header is `Authorization`, else none. Empty: none.
    #[serde(default)]
    pub scheme: Option<String>,
    /// Variables that supply the key besides `BITROUTER_<ID>_API_KEY`, best first.
    #[serde(default)]
    pub env: Vec<String>,
    /// Headers that the provider wants with every request.
    #[serde(default)]
    pub extra_headers: BTreeMap<String, String>,
}

/// Headers that frame a message or speak of one connection. In a manifest they would cut requests in two, or send them
/// somewhere else than the address says.
const FRAMING: [(&str, &str); 16] = [
    ("host", "must not be or hold `host`, which follows from the address"),
    ("content-length", "must not be or hold `content-length`, which frames the request"),
    ("transfer-encoding", "must not be or hold `transfer-encoding`, which frames the request"),
    ("content-encoding", "must not be or hold `content-encoding`, which frames the request"),
    ("accept-encoding", "must not be or hold `accept-encoding`, which is the gateway's own"),
    ("connection", "must not be or hold `connection`, which speaks of one connection"),
    ("keep-alive", "must not be or hold `keep-alive`, which speaks of one connection"),
    ("proxy-connection", "must not be or hold `proxy-connection`, which speaks of one connection"),
    ("proxy-authenticate", "must not be or hold `proxy-authenticate`, which is a proxy's"),
    ("proxy-authorization", "must not be or hold `proxy-authorization`, which is a proxy's; put it into HTTPS_PROXY"),
    ("te", "must not be or hold `te`, which speaks of one connection"),
    ("trailer", "must not be or hold `trailer`, which frames the request"),
    ("upgrade", "must not be or hold `upgrade`, which speaks of one connection"),
    ("http2-settings", "must not be or hold `http2-settings`, which speaks of one connection"),
    ("expect", "must not be or hold `expect`, which frames the request"),
    ("x-bitrouter-hop", "must not be or hold `x-bitrouter-hop`, which is the gateway's own"),
];

/// A header that a manifest may name.
fn header_name(name: &str, otherwise: &'static str) -> Result<HeaderName, &'static str> {
    let name: HeaderName = name.parse().map_err(|_| otherwise)?;
    match FRAMING.iter().find(|(framing, _)| *framing == name.as_str()) {
        Some((_, reason)) => Err(reason),
        None => Ok(name),
    }
}

/// The header that carries the key.
pub(super) fn key_header(name: Option<&str>) -> Result<HeaderName, &'static str> {
    name.map_or(Ok(header::AUTHORIZATION), |name| header_name(name, "is not the name of an HTTP header"))
}

/// What stands before the key in `header`, with its space.
pub(super) fn scheme_before(scheme: Option<&str>, header: &HeaderName) -> Result<String, &'static str> {
    let scheme = scheme.unwrap_or(if *header == header::AUTHORIZATION { "Bearer" } else { "" });
    HeaderValue::from_str(scheme).map_err(|_| "cannot stand in an HTTP header")?;
    Ok(if scheme.is_empty() { String::new() } else { format!("{scheme} ") })
}

/// The headers that go with every request.
pub(super) fn extra_headers(auth: &Auth) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
    let unusable = "holds what cannot stand in an HTTP header";
    let header = |(name, value): (&String, &String)| {
        Ok((header_name(name, unusable)?, HeaderValue::from_str(value).map_err(|_| unusable)?))
    };
    auth.extra_headers.iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_a_message_is_refused_by_name_in_any_case() {
        for (name, _) in FRAMING {
            let written = name.to_ascii_uppercase();
            let reason = key_header(Some(&written)).unwrap_err();
            assert!(reason.contains(&format!("`{name}`")), "{reason}");
            let auth = Auth { extra_headers: BTreeMap::from([(written, "x".to_owned())]), ..Auth::default() };
            assert_eq!(extra_headers(&auth).unwrap_err(), reason);
        }
        assert_eq!(key_header(Some("X-Api-Key")).unwrap(), "x-api-key");
        assert_eq!(key_header(None).unwrap(), header::AUTHORIZATION);
    }

    #[test]
    fn the_scheme_is_bearer_only_in_authorization() {
        assert_eq!(scheme_before(None, &header::AUTHORIZATION).unwrap(), "Bearer ");
        assert_eq!(scheme_before(None, &HeaderName::from_static("x-api-key")).unwrap(), "");
        assert_eq!(scheme_before(Some("Key"), &header::AUTHORIZATION).unwrap(), "Key ");
        assert_eq!(scheme_before(Some(""), &header::AUTHORIZATION).unwrap(), "");
    }
}
