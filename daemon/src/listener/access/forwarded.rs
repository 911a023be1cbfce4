//! What forwarding headers say of a request that somebody else passed on. Pure: headers in, facts out.
//!
//! Believed only from a peer that `[node] trusted_proxies` names. From anybody else their presence alone counts: whoever
//! calls through a proxy or a tunnel is not the user whose process the proxy is.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::Network;

/// What the parts of `X-Forwarded-*` that say neither an address nor a host are called.
const HARMLESS: [&str; 9] = ["proto", "protocol", "scheme", "ssl", "port", "prefix", "path", "uri", "method"];
const PREFIX: &str = "x-forwarded-";

/// True for a header (in lower case) that only a proxy adds.
pub(super) fn is_forwarding(name: &str) -> bool {
    // Nearly every header of a request begins otherwise.
    if !matches!(name.as_bytes(), [b'f' | b't' | b'v' | b'x', ..] | [b'c', b'f', ..]) {
        return false;
    }
    matches!(
        name,
        "forwarded" | "via" | "x-real-ip" | "x-client-ip" | "true-client-ip" | "cf-connecting-ip" | "x-original-host"
    ) || name.starts_with(PREFIX)
}

/// What the forwarding headers of one request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forwarded<'a> {
    /// The first of them that names an address or a host that is no loopback one. Where none does, the request never left
    /// this machine.
    pub(super) from_elsewhere: Option<&'a str>,
    /// Whom the last proxy that nobody trusts speaks for; `None` where that cannot be read.
    pub(super) client: Option<IpAddr>,
}

impl<'a> Forwarded<'a> {
    /// Reads the headers of a request that one of the `trusted` passed on.
    pub(super) fn of(headers: &'a HeaderMap, trusted: &[Network]) -> Self {
        let is_local = |name: &str, value: &str| match name {
            "forwarded" => elements(value).all(|element| pairs(element).all(pair_is_loopback)),
            "via" => via_is_plain(headers),
            "x-original-host" => value.split(',').all(host_is_loopback),
            name => match name.strip_prefix(PREFIX) {
                Some(part) if HARMLESS.contains(&part) => true,
                Some("host" | "server") => value.split(',').all(host_is_loopback),
                _ => value.split(',').all(|address| node(address).is_some_and(|address| address.is_loopback())),
            },
        };
        let mut all = headers.iter().filter(|(name, _)| is_forwarding(name.as_str()));
        let foreign = all.find(|(name, value)| !value.to_str().is_ok_and(|value| is_local(name.as_str(), value)));
        Self { from_elsewhere: foreign.map(|(name, _)| name.as_str()), client: client(headers, trusted) }
    }
}

/// The address that the chain of proxies ends at: from the right, the first that is no trusted one. `X-Forwarded-For`
/// counts where it is there, then `Forwarded`, then `X-Real-IP`.
fn client(headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let values = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut chain: Vec<Option<IpAddr>> =
        values("x-forwarded-for").flat_map(|value| value.split(',')).map(node).collect();
    if chain.is_empty() {
        let fors = |element| pairs(element).find(|(name, _)| name.eq_ignore_ascii_case("for"));
        chain = values("forwarded").flat_map(elements).map(|element| node(fors(element)?.1)).collect();
    }
    if chain.is_empty() {
        chain = values("x-real-ip").map(node).collect();
    }
    let is_trusted = |address: &Option<IpAddr>| address.is_some_and(|ip| trusted.iter().any(|net| net.contains(ip)));
    chain.iter().rfind(|address| !is_trusted(address)).or_else(|| chain.first()).copied().flatten()
}

/// `Via` (RFC 9110 §7.6.3) names proxies: hosts on this machine, and at most one by a name that is no host.
fn via_is_plain(headers: &HeaderMap) -> bool {
    let mut pseudonyms = 0;
    let all = headers.get_all("via").iter().map(|value| value.to_str().unwrap_or_default());
    all.flat_map(|value| value.split(',')).all(|element| {
        let Some(by) = element.split_ascii_whitespace().nth(1) else { return false };
        pseudonyms += usize::from(!by.contains(['.', ':']) && !host_is_loopback(by));
        pseudonyms <= 1 && (host_is_loopback(by) || !by.contains(['.', ':']))
    })
}

/// One pair of `Forwarded` (RFC 7239 §4). What it is called decides; a name that nobody knows may say anything.
fn pair_is_loopback((name, value): (&str, &str)) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "for" | "by" => node(value).is_some_and(|address| address.is_loopback()),
        "host" => host_is_loopback(value),
        "proto" => true,
        _ => false,
    }
}

/// The elements of `Forwarded`: commas inside quotes separate none.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    outside_quotes(value, ',')
}

fn pairs(element: &str) -> impl Iterator<Item = (&str, &str)> {
    outside_quotes(element, ';').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.trim(), value.trim())
    })
}

fn outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, also in quotes; no name, no `unknown`.
fn node(text: &str) -> Option<IpAddr> {
    let text = unquoted(text.trim());
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|at| at.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// True for `localhost` and loopback addresses, with a port or without one.
fn host_is_loopback(text: &str) -> bool {
    let text = unquoted(text.trim());
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    };
    name.eq_ignore_ascii_case("localhost") || node(text).is_some_and(|address| address.is_loopback())
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (bool, Option<IpAddr>) {
        let trusted = ["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert!(headers.keys().all(|name| is_forwarding(name.as_str())), "{pairs:?}");
        let Forwarded { from_elsewhere, client } = Forwarded::of(&headers, &trusted);
        (from_elsewhere.is_none(), client)
    }

    #[test]
    fn every_forwarding_header_is_known() {
        for name in ["x-forwarded-for", "x-forwarded-anything", "via", "forwarded", "cf-connecting-ip", "x-real-ip"] {
            assert!(is_forwarding(name), "{name}");
        }
        for name in ["host", "x-forwarded", "x-api-key", "authorization", "viable"] {
            assert!(!is_forwarding(name), "{name}");
        }
    }

    #[test]
    fn only_what_names_loopback_alone_never_left_this_machine() {
        for pairs in [
            &[("x-forwarded-for", "127.0.0.1")][..],
            &[("x-forwarded-for", "127.0.0.1, ::1"), ("x-forwarded-host", "localhost:3000")],
            &[("x-forwarded-for", "::ffff:127.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "3000")],
            &[("x-forwarded-for", "[::1]:80"), ("x-real-ip", "127.0.0.9")],
            &[("forwarded", "for=127.0.0.1;host=\"localhost:80\";proto=http, for=\"[::1]:3000\"")],
            &[("Forwarded", "For=127.0.0.1;BY=\"127.0.0.1:80\"")],
            &[("x-original-host", "127.0.0.1:3000"), ("via", "1.1 localhost:3000, 1.1 Caddy")],
            &[("via", "1.1 Caddy")],
        ] {
            assert!(read(pairs).0, "{pairs:?}");
        }
        for pairs in [
            &[("x-forwarded-for", "203.0.113.7")][..],
            &[("x-forwarded-for", "127.0.0.1, 203.0.113.7")],
            &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.7")],
            &[("x-forwarded-for", "")],
            &[("x-forwarded-for", "127.0.0.1,")],
            &[("x-forwarded-for", "unknown")],
            &[("x-forwarded-for", "localhost")],
            &[("x-forwarded-for", "127.0.0.1\u{e9}")],
            &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-host", "box.example")],
            &[("x-forwarded-host", "localhost.evil.example")],
            &[("x-forwarded-server", "proxy.example")],
            &[("x-forwarded-client-ip", "203.0.113.7")],
            &[("x-forwarded-user", "ann")],
            &[("x-original-host", "box.example")],
            &[("cf-connecting-ip", "203.0.113.7")],
            &[("true-client-ip", "203.0.113.7")],
            &[("x-client-ip", "203.0.113.7")],
            &[("x-real-ip", "203.0.113.7")],
            &[("forwarded", "for=203.0.113.7")],
            &[("forwarded", "for=127.0.0.1, for=203.0.113.7")],
            &[("forwarded", "for=127.0.0.1;host=box.example")],
            &[("forwarded", "for=\"127.0.0.1, for=127.0.0.1\"")],
            &[("forwarded", "for=_hidden")],
            &[("forwarded", "for=127.0.0.1;secret=x")],
            &[("forwarded", "")],
            &[("via", "1.1 proxy.example")],
            &[("via", "1.1 Caddy, 1.1 google")],
            &[("via", "1.1")],
        ] {
            assert!(!read(pairs).0, "{pairs:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_that_nobody_trusts() {
        for (pairs, client) in [
            (&[("x-forwarded-for", "203.0.113.7")][..], Some("203.0.113.7")),
            (&[("x-forwarded-for", "198.51.100.1, 203.0.113.7, 10.1.2.3")], Some("203.0.113.7")),
            (&[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7:80")], Some("203.0.113.7")),
            (&[("x-forwarded-for", "10.0.0.1, 127.0.0.1")], Some("10.0.0.1")),
            (&[("x-forwarded-for", "203.0.113.7, unknown, 127.0.0.1")], None),
            (&[("x-forwarded-for", "2001:db8::1"), ("x-real-ip", "203.0.113.7")], Some("2001:db8::1")),
            (&[("forwarded", "for=\"[2001:db8::1]:80\";proto=https, for=10.0.0.1")], Some("2001:db8::1")),
            (&[("forwarded", "proto=https")], None),
            (&[("x-real-ip", "203.0.113.7")], Some("203.0.113.7")),
            (&[("x-client-ip", "203.0.113.7")], None),
            (&[("via", "1.1 Caddy")], None),
        ] {
            assert_eq!(read(pairs).1, client.map(|ip| ip.parse().unwrap()), "{pairs:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_them_is_read_without_a_panic(value in "[ -~]{0,40}", other in "[\"a-z=;,:.\\[\\]0-9]{0,40}") {
            read(&[("forwarded", &value), ("x-forwarded-for", &other), ("via", &value), ("x-original-host", &other)]);
        }

        #[test]
        fn an_address_elsewhere_is_never_overlooked(before in "(127\\.0\\.0\\.1, ){0,2}", after in "(, ::1){0,2}", last: u8) {
            let value = format!("{before}203.0.113.{last}{after}");
            proptest::prop_assert!(!read(&[("x-forwarded-for", &value)]).0);
        }
    }
}
