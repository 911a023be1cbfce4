//! Which URL may be an authorization server, where its metadata is, and when two spellings mean the same one. Pure.

use std::net::{IpAddr, Ipv6Addr};

use bitrouter_proto::codes::Reason;
use reqwest::Url;

use super::AccountError;
use crate::config;

/// The URL of a server: https, or http to this machine; without user, query, fragment, or a slash at its end.
///
/// # Errors
/// Where it is none that a credential may be sent to. No request was made.
pub(crate) fn server_url(text: &str) -> Result<String, AccountError> {
    let refused = |why: &str| {
        AccountError::new(Reason::InvalidArgument, format!("`{}` is no server: it {why}", without_user(text)))
    };
    config::server_url(text).map_err(refused)?;
    // In one spelling, whoever wrote it.
    let url = Url::parse(text).map_err(|_| refused("is no URL"))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A text as it may be shown: what stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else { return text.to_owned() };
    let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
    format!("{scheme}…@{after}")
}

/// True for https, and for http to a loopback host.
fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// True where the host is this machine: exactly `localhost`, 127.0.0.0/8 or `[::1]`. Other names may lead elsewhere.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']'])) else { return false };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => host == "localhost",
    }
}

/// An endpoint that the metadata of `server` names: https, or http to this machine where the server is that too.
pub(super) fn endpoint(server: &str, member: &str, text: &str) -> Result<Url, AccountError> {
    let unsafe_there = || {
        let message = format!("`{server}` names an endpoint that no credential is sent to: `{member}` is `{text}`");
        AccountError::new(Reason::ServerFailed, message)
    };
    let url = Url::parse(text).map_err(|_| unsafe_there())?;
    let downgraded = url.scheme() == "http" && !server.starts_with("http:");
    if !is_safe(&url) || downgraded || !url.username().is_empty() || url.password().is_some() {
        return Err(unsafe_there());
    }
    Ok(url)
}

/// Where the metadata of `server` is: the well-known segment stands between host and path (RFC 8414 §3.1).
pub(super) fn metadata_url(server: &Url) -> Url {
    let mut url = server.clone();
    let path = server.path().trim_end_matches('/');
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

/// True where both mean the same issuer: the same URL, with or without a slash at its end; on this machine however its
/// loopback address is spelled.
pub(crate) fn same_issuer(one: &str, other: &str) -> bool {
    if one.trim_end_matches('/') == other.trim_end_matches('/') {
        return true;
    }
    let (Ok(one), Ok(other)) = (Url::parse(one), Url::parse(other)) else { return false };
    let same_host = match (one.host_str(), other.host_str()) {
        (Some(_), Some(_)) if is_loopback(&one) && is_loopback(&other) => true,
        (one, other) => one == other,
    };
    same_host
        && one.scheme() == other.scheme()
        && one.port_or_known_default() == other.port_or_known_default()
        && one.path().trim_end_matches('/') == other.path().trim_end_matches('/')
        && one.query() == other.query()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_http_to_this_machine_are_servers() {
        for (text, expected) in [
            ("https://api.bitrouter.ai", Some("https://api.bitrouter.ai")),
            ("https://api.example/", Some("https://api.example")),
            ("https://api.example/as/", Some("https://api.example/as")),
            ("https://api.example:443", Some("https://api.example")),
            ("http://127.0.0.1:4356/", Some("http://127.0.0.1:4356")),
            ("http://localhost:1", Some("http://localhost:1")),
            ("http://[::1]:1", Some("http://[::1]:1")),
            ("http://127.9.9.9:1", Some("http://127.9.9.9:1")),
            ("http://api.example", None),
            ("http://localhost.example", None),
            ("http://a.localhost", None),
            ("http://LOCALHOST:1", Some("http://localhost:1")),
            ("http://128.0.0.1", None),
            ("http://[::2]", None),
            ("ftp://localhost", None),
            ("https://user@api.example", None),
            ("https://api.example?x", None),
            ("https://api.example#x", None),
            ("api.example", None),
            ("", None),
        ] {
            let read = server_url(text);
            assert_eq!(read.as_deref().ok(), expected, "{text}");
            if let Err(error) = read {
                assert!(error.message.contains(&without_user(text)) && error.reason == Reason::InvalidArgument);
                assert!(!error.message.contains("user@"), "{}", error.message);
            }
        }
    }

    #[test]
    fn a_server_that_is_https_has_no_other_endpoints() {
        for (server, text, good) in [
            ("https://a.example", "https://b.example/token", true),
            ("https://a.example", "http://127.0.0.1:1/token", false),
            ("https://a.example", "http://b.example/token", false),
            ("http://127.0.0.1:1", "http://localhost:2/token", true),
            ("http://127.0.0.1:1", "https://b.example/token", true),
            ("http://127.0.0.1:1", "http://b.example/token", false),
            ("https://a.example", "/token", false),
            ("https://a.example", "https://u:p@a.example/token", false),
        ] {
            assert_eq!(endpoint(server, "token_endpoint", text).is_ok(), good, "{server} {text}");
        }
    }

    #[test]
    fn rfc8414_3_1_the_well_known_segment_stands_before_the_path() {
        for (server, expected) in [
            ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/x/y", "https://a.example/.well-known/oauth-authorization-server/x/y"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/.well-known/oauth-authorization-server"),
        ] {
            assert_eq!(metadata_url(&server.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn loopback_spellings_with_one_port_are_one_issuer() {
        for (one, other, same) in [
            ("https://a.example", "https://a.example/", true),
            ("https://a.example", "https://a.example:443", true),
            ("https://a.example/x", "https://a.example/x/", true),
            ("https://a.example", "https://b.example", false),
            ("https://a.example", "https://a.example/x", false),
            ("https://a.example", "http://a.example", false),
            ("http://127.0.0.1:1", "http://localhost:1", true),
            ("http://[::1]:1", "http://localhost:1", true),
            ("http://127.0.0.1:1", "http://localhost:2", false),
            ("http://127.0.0.1:1", "https://localhost:1", false),
            ("http://127.0.0.1:1/a", "http://localhost:1", false),
            ("nonsense", "nonsense/", true),
            ("nonsense", "https://a.example", false),
        ] {
            assert_eq!(same_issuer(one, other), same, "{one} {other}");
            assert_eq!(same_issuer(other, one), same, "{other} {one}");
        }
    }
}
