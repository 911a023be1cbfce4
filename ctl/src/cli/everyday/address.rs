//! Addresses of servers, as far as they are compared here. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The version segment.
const VERSION: &str = "/v1";

/// Says whether a text can be the address of a server, and nothing that a shell or a .env file reads otherwise.
pub(super) fn is_address(text: &str) -> bool {
    let text = &canonical(text);
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%+@=,".contains(&byte);
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['))
        // What stands before an `@` may be a password.
        && !authority.contains('@')
        && text.len() <= 2048
        && text.bytes().all(plain)
}

/// Says whether a key may be sent to an address: https, or http to this machine.
pub(super) fn is_safe(address: &str) -> bool {
    canonical(address).starts_with("https://") || loopback(address).is_some()
}

/// The same address, with scheme and host in lower case.
fn canonical(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{}://{}{path}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase())
}

/// The address of a server's models.
pub(super) fn with_version(server: &str) -> String {
    format!("{}{VERSION}", without_version(&canonical(server)))
}

fn without_version(address: &str) -> &str {
    let address = address.trim_end_matches('/');
    address.strip_suffix(VERSION).unwrap_or(address)
}

/// Says whether two addresses are of one server: with the version segment or without, and however a loopback address with one
/// port is spelled.
pub(in crate::cli) fn same_server(one: &str, other: &str) -> bool {
    let plain = |address: &str| {
        let (scheme, rest) = without_version(address).split_once("://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = match loopback(address) {
            Some(places) => format!("localhost:{}", places.first()?.port()),
            None => authority.to_ascii_lowercase(),
        };
        Some((scheme.to_ascii_lowercase(), place, path.to_owned()))
    };
    matches!((plain(one), plain(other)), (Some(one), Some(other)) if one == other)
}

/// Where an address of this machine leads; `None` for another's.
pub(super) fn loopback(address: &str) -> Option<Vec<SocketAddr>> {
    let address = canonical(address);
    let (rest, usual) = match address.strip_prefix("http://") {
        Some(rest) => (rest, 80),
        None => (address.strip_prefix("https://")?, 443),
    };
    let authority = rest.split('/').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare IPv6 address is none before a port.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    let hosts: Vec<IpAddr> = match host {
        "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        host => vec![host.trim_start_matches('[').trim_end_matches(']').parse().ok()?],
    };
    let hosts = hosts.into_iter().filter(IpAddr::is_loopback);
    let places: Vec<_> = hosts.map(|host| SocketAddr::new(host, port)).collect();
    (!places.is_empty()).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_with_its_version_once() {
        for server in ["https://a.example", "https://a.example/", "https://a.example/v1", "https://a.example/v1/"] {
            assert_eq!(with_version(server), "https://a.example/v1");
        }
    }

    #[test]
    fn an_address_is_plain() {
        for text in ["https://a.example", "http://127.0.0.1:4356", "http://[::1]:1/v1", "https://a.example/x/v1"] {
            assert!(is_address(text) && is_safe(text), "{text}");
        }
        assert!(is_address("HTTP://LOCALHOST:1") && is_safe("HTTP://LOCALHOST:1") && is_safe("HTTPS://A.example"));
        assert_eq!(with_version("HTTP://LOCALHOST:1/X"), "http://localhost:1/X/v1");
        for text in ["http://a.example", "http://192.0.2.1", "http://localhost.example", "http://128.0.0.1"] {
            assert!(is_address(text) && !is_safe(text), "{text}");
        }
        for text in ["https://user:password@a.example", "http://user@127.0.0.1:1"] {
            assert!(!is_address(text), "{text}");
        }
        for text in
            ["", "a.example", "ftp://a", "https://", "https:///x", "https://a b", "https://a/$(id)", "https://a?x"]
        {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn one_server_has_several_addresses() {
        for (one, other, same) in [
            ("https://a.example", "https://A.example/v1/", true),
            ("https://a.example", "https://b.example", false),
            ("https://a.example", "http://a.example", false),
            ("https://a.example/x", "https://a.example/y", false),
            ("http://127.0.0.1:4356/v1", "http://localhost:4356", true),
            ("http://[::1]:4356", "http://127.0.0.1:4356", true),
            ("http://[::1]:4356", "http://127.0.0.1:4357", false),
            ("HTTP://LOCALHOST:4356", "http://127.0.0.1:4356/v1", true),
            ("nonsense", "nonsense", false),
        ] {
            assert_eq!(same_server(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        let first =
            |address| loopback(address).map(|places| places.iter().map(ToString::to_string).collect::<Vec<_>>());
        let some = |places: &[&str]| Some(places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
        assert_eq!(first("http://127.0.0.1:4356/v1"), some(&["127.0.0.1:4356"]));
        assert_eq!(first("http://[::1]:80"), some(&["[::1]:80"]));
        assert_eq!(first("http://localhost/v1"), some(&["127.0.0.1:80", "[::1]:80"]));
        for other in ["https://a.example", "http://192.0.2.1:1", "http://127.0.0.1:x", "ftp://localhost", "localhost"] {
            assert_eq!(first(other), None, "{other}");
        }
    }
}
