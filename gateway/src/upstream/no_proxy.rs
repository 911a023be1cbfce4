//! `NO_PROXY`: which hosts are reached directly. The variable has no standard; this reads what curl, Go, Python and the
//! shells' own documentation let people write.

use std::net::IpAddr;

/// The parsed list.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoProxy {
    everything: bool,
    entries: Vec<Entry>,
}

/// One host or network, with the port where one is written.
#[derive(Clone, Debug)]
struct Entry {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A name, without a dot at either end: it and everything below it.
    Name(String),
    /// An address.
    Address(IpAddr),
    /// A network: an address and how many of its first bits count.
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Reads a list: commas or blanks between its entries. What cannot be meant is left out.
    pub(super) fn parse(list: &str) -> Self {
        let mut parsed = Self::default();
        for entry in list.split([',', ';', ' ', '\t', '\r', '\n']).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                parsed.everything = true;
            } else if let Some(entry) = Entry::parse(entry) {
                parsed.entries.push(entry);
            }
        }
        parsed
    }

    /// True where `host` (without brackets) at `port` is reached directly.
    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        if self.everything {
            return true;
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let address = name.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match (&entry.host, address) {
                    (Host::Name(known), None) => {
                        name.strip_suffix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    }
                    (Host::Address(known), Some(address)) => *known == address,
                    (Host::Network(known, bits), Some(address)) => shares(*known, address, *bits),
                    _ => false,
                }
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if let Some(host) = address_or_network(text) {
            return Some(Self { host, port: None });
        }
        // An IPv6 address has its port behind brackets.
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inner, "")) => (inner, None),
            Some((inner, rest)) => (inner, Some(rest.strip_prefix(':')?)),
            None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(str::parse).transpose().ok()?;
        if let Some(host) = address_or_network(host) {
            return Some(Self { host, port });
        }
        let name = host.strip_prefix('*').unwrap_or(host).trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self { host: Host::Name(name), port })
    }
}

fn address_or_network(text: &str) -> Option<Host> {
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        return (bits <= most).then_some(Host::Network(address, bits));
    }
    text.parse::<IpAddr>().ok().map(|address| Host::Address(address.to_canonical()))
}

/// True where the first `bits` bits of the two are the same.
fn shares(network: IpAddr, address: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_people_use() {
        for (list, host, port, direct) in [
            ("*", "10.1.2.3", 443, true),
            ("*", "api.example", 443, true),
            ("a.example, *", "10.1.2.3", 443, true),
            ("a.example b.example\tc.example", "b.example", 443, true),
            ("a.example b.example\nc.example", "c.example", 443, true),
            ("*.example.com", "x.example.com", 443, true),
            ("*.example.com", "example.com", 443, true),
            (".example.com", "y.x.example.com", 443, true),
            ("example.com", "x.example.com", 443, true),
            ("EXAMPLE.com.", "x.Example.COM.", 443, true),
            ("example.com", "badexample.com", 443, false),
            ("example.com", "example.com.evil.example", 443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("example.com:8443", "example.com", 443, false),
            ("10.1.2.3:8443", "10.1.2.3", 8443, true),
            ("10.1.2.3:8443", "10.1.2.3", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3", "10.1.2.30", 443, false),
            ("10.0.0.0/8", "10.250.3.4", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("0.0.0.0/0", "8.8.8.8", 443, true),
            ("fd00::/8", "fd12::1", 443, true),
            ("fd00::/8", "fe80::1", 443, false),
            ("::1", "::1", 443, true),
            ("[fd00::1]:8443", "fd00::1", 8443, true),
            ("[fd00::1]:8443", "fd00::1", 443, false),
            ("[fd00::1]", "fd00::1", 443, true),
            ("10.0.0.0/33,x.example", "10.0.0.1", 443, false),
            ("", "api.example", 443, false),
            (",, ,", "api.example", 443, false),
            (".", "api.example", 443, false),
            ("*.", "api.example", 443, false),
        ] {
            assert_eq!(NoProxy::parse(list).covers(host, port), direct, "{list:?} {host}:{port}");
        }
    }
}
