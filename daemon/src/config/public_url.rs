//! `[node] public_url`: the address at which others reach the node, through a proxy or a tunnel.

use std::{fmt, str::FromStr};

use bitrouter_gateway::registry::BaseAddress;
use http::Uri;

/// A scheme and an authority, in lower case and without the scheme's own port: an origin, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    https: bool,
    authority: String,
}

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// It is no URL, or one that may not stand here.
    #[error("{0}")]
    Url(&'static str),
    /// Something stands behind the host.
    #[error("must be a scheme and a host, and nothing after them")]
    NotAnOrigin,
    /// Passwords would cross the network in clear.
    #[error(
        "must be https: over http passwords and tokens would cross the network in clear (http goes only to 127.0.0.1, [::1] and localhost)"
    )]
    NotHttps,
}

impl PublicUrl {
    /// True where browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// `node.example`, or `node.example:8443`.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let no_url = PublicUrlError::Url("must be an http or https URL with a host, such as https://node.example");
        let uri: Uri = text.parse().map_err(|_| no_url)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_url),
        };
        let authority = uri.authority().ok_or(no_url)?.as_str().to_ascii_lowercase();
        if authority.contains(['@', '*']) || uri.query().is_some() || text.contains('#') || uri.path() != "/" {
            return Err(PublicUrlError::NotAnOrigin);
        }
        // Read as an address of a provider is: whether plain http may be, and what is no port.
        BaseAddress::parse(text).map_err(|reason| {
            if reason.starts_with("must be https") { PublicUrlError::NotHttps } else { PublicUrlError::Url(reason) }
        })?;
        let usual = if https { ":443" } else { ":80" };
        let authority = authority.strip_suffix(usual).map_or(authority.clone(), str::to_owned);
        // No `Host` with a dot at its end passes.
        if uri.host().is_some_and(|host| host.ends_with('.')) {
            return Err(no_url);
        }
        Ok(Self { https, authority })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        for (text, shown) in [
            ("https://node.example", "https://node.example"),
            ("https://Node.Example/", "https://node.example"),
            ("https://node.example:443", "https://node.example"),
            ("https://node.example:8443", "https://node.example:8443"),
            ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn everything_else_is_refused_and_never_quoted() {
        for (text, part) in [
            ("", "must be an http or https URL"),
            ("node.example", "must be an http or https URL"),
            ("ftp://node.example", "must be an http or https URL"),
            ("https://", "must be an http or https URL"),
            ("https://node.example:", "must be an http or https URL"),
            ("https://node.example.", "must be an http or https URL"),
            ("https://node.example.:8443", "must be an http or https URL"),
            ("https://node.example:99999", "has a port that is none"),
            ("http://node.example", "must be https"),
            ("http://localhost.evil.example", "must be https"),
            ("https://canary@node.example", "nothing after them"),
            ("https://node.example/canary", "nothing after them"),
            ("https://node.example?canary", "nothing after them"),
            ("https://node.example#canary", "nothing after them"),
            ("https://*.example", "nothing after them"),
        ] {
            let reason = text.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(reason.contains(part) && !reason.contains("canary"), "{text}: {reason}");
        }
    }
}
