//! The rules of a base address, the one place of them: what `endpoint`, `url` and `base_url` may say.
//!
//! Pure. A reason never quotes what was written: an address can carry a password.

use std::net::IpAddr;

use http::{HeaderValue, Uri};

use crate::{
    host::{bracketed, is_loopback_host},
    upstream::is_public,
};

/// Paths that are added to a base address: whoever wrote one of them meant what stands before it.
const ADDED: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/responses", "/messages"];

/// A base address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseAddress {
    /// True for https.
    pub tls: bool,
    /// The host in lower case: a name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path without a slash at its end.
    pub path: String,
    /// The `Host` header.
    pub host_header: HeaderValue,
}

impl BaseAddress {
    /// False for an address that is not public by its spelling; what a name stands for shows when it is called.
    pub fn may_be_public(&self) -> bool {
        !is_loopback_host(&self.host) && self.host.parse().map_or(true, is_public)
    }

    /// Takes `url` apart.
    ///
    /// # Errors
    /// What is wrong with it, as what follows its name.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let no_url = "must be an http or https URL with a host, such as https://host/v1";
        let uri: Uri = url.parse().map_err(|_| no_url)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_url),
        };
        let authority = uri.authority().ok_or(no_url)?;
        if authority.as_str().contains('@') {
            return Err("must not carry a user name or password; keys come from variables");
        }
        if uri.query().is_some() || url.contains('#') {
            return Err("must end with its path, without `?` or `#`");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || authority.as_str().ends_with(':') {
            return Err(no_url);
        }
        if host.parse::<IpAddr>().is_err() && !is_plain_name(&host) {
            return Err(
                "must be an http or https URL whose host is spelled as usual: letters, digits, `-` and `_` between single dots, or an IP address",
            );
        }
        if !tls && !is_loopback_host(&host) {
            return Err(
                "must be https: over http a key would cross the network in clear (http goes only to 127.0.0.1, \
                        [::1] and localhost)",
            );
        }
        let path = uri.path().trim_end_matches('/');
        if ADDED.iter().any(|added| path.ends_with(added)) {
            return Err(
                "must end before `/chat/completions`, `/messages` and the like, which are added to it; write https://host/v1",
            );
        }
        let default_port = if tls { 443 } else { 80 };
        let port = match authority.as_str().rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            None => default_port,
            // Anything else would be taken for no port at all, and the key would go to another server.
            Some((_, port)) => plain_port(port).ok_or("has a port that is none; write 1 to 65535")?,
        };
        let bracketed = bracketed(&host);
        let spelled = if port == default_port { bracketed } else { format!("{bracketed}:{port}") };
        let host_header = HeaderValue::from_str(&spelled).map_err(|_| "has no usable host")?;
        Ok(Self { tls, path: path.to_owned(), host, port, host_header })
    }
}

/// True for a host's name as it is usually written. What ends in a number is an address to resolvers, however it is spelled
/// (<https://url.spec.whatwg.org/#ends-in-a-number-checker>).
fn is_plain_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    host.split('.').all(is_label) && !is_number
}

fn plain_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_is_taken_apart_once_and_for_all() {
        let address = BaseAddress::parse("https://[2001:DB8::1]:8443/api/v1/").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.tls), ("2001:db8::1", 8443, true));
        assert_eq!((address.path.as_str(), address.host_header.to_str().unwrap()), ("/api/v1", "[2001:db8::1]:8443"));
        assert_eq!(BaseAddress::parse("https://H:443").unwrap().host_header, "h");
    }

    #[test]
    fn plain_http_goes_only_to_this_machine() {
        for good in ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:3/v1", "http://127.9.9.9"] {
            assert!(BaseAddress::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/v1",
            "http://10.0.0.1/v1",
            "http://localhost.example.com",
            "http://user@localhost/v1",
            "ftp://localhost",
            "https://",
            "example.com/v1",
            "https://h/v1?x=1",
            "https://h/v1#x",
            "https://h/v1/chat/completions",
            "https://h/v1/embeddings/",
            "https://h/v1/messages",
            "https://h/v1/responses",
            "https://h./v1",
            "https://h../v1",
            "https://.h/v1",
            "https://localhost./v1",
            "https://a..b/v1",
            "https://2130706433/v1",
            "https://127.1/v1",
            "https://0177.0.0.1/v1",
            "https://0x7f.0.0.1/v1",
            "https://0x7f000001/v1",
            "https://1.2.3.4.5/v1",
            "https://127.0.0.1./v1",
            "https://[::1%25eth0]/v1",
            "https://a%41/v1",
        ] {
            assert!(BaseAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_is_one_or_the_address_is_none() {
        let port = |url: &str| BaseAddress::parse(url).map(|address| address.port);
        assert_eq!(port("http://127.0.0.1:65535/v1"), Ok(65535));
        assert_eq!(port("https://[::1]/v1"), Ok(443));
        assert_eq!(port("http://[::1]:8/v1"), Ok(8));
        for bad in ["65536", "99999", "080", "0", "+5", "-1", "8a"] {
            for host in ["127.0.0.1", "[::1]"] {
                assert!(port(&format!("http://{host}:{bad}/v1")).is_err(), "{host}:{bad}");
            }
        }
    }
}
