//! Checks of the addresses that settings name: base URLs of providers, hosts, and origins.
//!
//! A reason never quotes what was written: a URL can carry a password.

use std::net::IpAddr;

use bitrouter_gateway::registry::BaseAddress;

/// Checks a provider's `base_url` and drops slashes at its end.
pub(super) fn base_url(text: &str) -> Result<String, &'static str> {
    BaseAddress::parse(text)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// Checks the address of an account's server, of its authorization server or of one of that server's endpoints, and drops
/// slashes at its end.
///
/// # Errors
/// What is wrong with it, as what follows its name.
pub fn server_url(text: &str) -> Result<String, &'static str> {
    const HTTPS: &str = "must be https: over http tokens would cross the network in clear (http goes only to 127.0.0.1, [::1] and localhost)";
    let address = BaseAddress::parse(text).map_err(|reason| match reason {
        // Nothing is added to these but well-known paths, and what crosses the network is more than a key.
        reason if reason.starts_with("must be an http") => {
            "must be an http or https URL with a host, such as https://host"
        }
        reason if reason.starts_with("must be https") => HTTPS,
        reason if reason.starts_with("must end before") => {
            "must be the address of the server, before `/v1/chat/completions` and the like"
        }
        reason => reason,
    })?;
    // Other names below `localhost`, and other spellings of an address, may lead elsewhere.
    let is_here = address.host == "localhost" || address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !address.tls && !is_here {
        return Err(HTTPS);
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Checks an entry of `allow_hosts` (a `Host` header that is accepted) and lower-cases it.
pub(super) fn host(text: &str) -> Result<String, String> {
    let authority = text.parse::<http::uri::Authority>().ok().filter(|a| !a.host().is_empty());
    let plain = !text.contains('@') && !text.ends_with(':') && !text.contains('*');
    match authority.filter(|_| plain) {
        Some(authority) => Ok(authority.as_str().to_ascii_lowercase()),
        None => Err("must hold host names, each with a port where the port is not ours".to_owned()),
    }
}

/// Checks an entry of `allow_origins` (an `Origin` header that is accepted) and lower-cases it.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let bad = || "must hold origins: a scheme and a host, and nothing after them".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return Err(bad());
    }
    let rest = host(rest).map_err(|_| bad())?;
    Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        for (text, expected) in [
            ("https://api.openai.com/v1", Ok("https://api.openai.com/v1")),
            ("https://api.openai.com/v1//", Ok("https://api.openai.com/v1")),
            ("http://127.0.0.1:8080/v1", Ok("http://127.0.0.1:8080/v1")),
            ("http://[::1]:8080/v1", Ok("http://[::1]:8080/v1")),
            ("http://LOCALHOST/v1", Ok("http://LOCALHOST/v1")),
            ("http://api.openai.com/v1", Err("must be https")),
            ("http://127.0.0.1.evil.example/v1", Err("must be https")),
            ("http://localhost.evil.example/v1", Err("must be https")),
            ("https://user:secret@host/v1", Err("must not carry a user name")),
            ("https://host/v1?key=secret", Err("without `?` or `#`")),
            ("https://host/v1#x", Err("without `?` or `#`")),
            ("ftp://host/v1", Err("must be an http or https URL")),
            ("api.openai.com/v1", Err("must be an http or https URL")),
            ("https:///v1", Err("must be an http or https URL")),
            ("https://host:/v1", Err("must be an http or https URL")),
            ("", Err("must be an http or https URL")),
        ] {
            match (base_url(text), expected) {
                (Ok(url), Ok(wanted)) => assert_eq!(url, wanted),
                (Err(reason), Err(part)) => {
                    assert!(reason.contains(part), "{text}: {reason}");
                    assert!(!reason.contains("secret"), "{reason}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_server_is_reached_by_https_or_is_this_machine_by_its_exact_name() {
        for (text, expected) in [
            ("https://api.example//", Some("https://api.example")),
            ("https://api.example/as", Some("https://api.example/as")),
            ("http://127.9.9.9:1", Some("http://127.9.9.9:1")),
            ("http://[::1]:1/", Some("http://[::1]:1")),
            ("http://LocalHost:1", Some("http://LocalHost:1")),
            ("http://a.localhost:1", None),
            ("http://localhost.:1", None),
            ("http://[::ffff:127.0.0.1]:1", None),
            ("http://api.example", None),
            ("https://canary@api.example", None),
            ("https://api.example?canary", None),
            ("https://api.example/v1/chat/completions", None),
            ("canary", None),
        ] {
            match (server_url(text), expected) {
                (Ok(url), Some(wanted)) => assert_eq!(url, wanted),
                (Err(reason), None) => assert!(!reason.contains("canary"), "{reason}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn hosts_and_origins() {
        for (text, ok) in [
            ("Box.example", true),
            ("box:8080", true),
            ("[fd00::1]:80", true),
            ("*.example", false),
            ("http://box", false),
            ("box/", false),
            ("a@box", false),
            ("box:", false),
            ("", false),
        ] {
            assert_eq!(host(text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [
            ("https://App.example:8443", true),
            ("vscode-webview://abc", true),
            ("null", false),
            ("*", false),
            ("https://app.example/", false),
            ("https://app.example/x", false),
            ("app.example", false),
        ] {
            assert_eq!(origin(text).is_ok(), ok, "{text}");
        }
        assert_eq!(origin("HTTPS://App.example").unwrap(), "https://app.example");
    }
}
