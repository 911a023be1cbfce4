//! `[node] trusted_proxies`: addresses, and networks of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// An address, or all that begin like it: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a network is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is no address, with or without a number of bits.
    #[error("must hold IP addresses, or networks such as `10.0.0.0/8`")]
    NotANetwork,
    /// Bits behind the network's own are set: something else was meant.
    #[error("holds a network whose address has bits set behind its `/`")]
    HostBits,
    /// Everybody would be trusted.
    #[error("must not trust every address")]
    Everybody,
}

impl Network {
    /// True for an address in it; an IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => masked_v4(address, self.bits) == first,
            (IpAddr::V6(first), IpAddr::V6(address)) => masked_v6(address, self.bits) == first,
            _ => false,
        }
    }
}

fn masked_v4(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn masked_v6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| NetworkError::NotANetwork)?;
        let first = written.to_canonical();
        let width = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            // `u8::from_str` takes a sign, and the bits of a mapped address would count from somewhere else.
            Some(bits) if !bits.bytes().all(|byte| byte.is_ascii_digit()) || written != first => {
                return Err(NetworkError::NotANetwork);
            }
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or(NetworkError::NotANetwork)?,
        };
        if bits == 0 {
            return Err(NetworkError::Everybody);
        }
        let network = Self { first, bits };
        if network.contains(first) { Ok(network) } else { Err(NetworkError::HostBits) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_like_it() {
        for (network, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
            ("::ffff:127.0.0.1", "127.0.0.1", "::1"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, expected) in [
            ("", NetworkError::NotANetwork),
            ("localhost", NetworkError::NotANetwork),
            ("127.1", NetworkError::NotANetwork),
            ("10.0.0.0/33", NetworkError::NotANetwork),
            ("10.0.0.0/", NetworkError::NotANetwork),
            ("10.0.0.0/+8", NetworkError::NotANetwork),
            ("10.0.0.0/8/8", NetworkError::NotANetwork),
            ("[::1]", NetworkError::NotANetwork),
            ("::1/129", NetworkError::NotANetwork),
            ("::ffff:10.0.0.0/104", NetworkError::NotANetwork),
            ("10.0.0.1/8", NetworkError::HostBits),
            ("0.0.0.0/0", NetworkError::Everybody),
            ("::/0", NetworkError::Everybody),
        ] {
            assert_eq!(text.parse::<Network>(), Err(expected), "{text}");
        }
    }
}
