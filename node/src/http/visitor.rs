//! Who asks, as far as the listener could tell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// By a loopback name, which `Host` holds.
    Loopback {
        /// `Host`, as it was sent.
        authority: String,
    },
    /// By `[node] public_url`.
    Public,
}

/// Who asks, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Whose process it is: the kernel's answer, where it has one and nothing forwarded the request.
    pub uid: Option<u32>,
    /// True where [`Visitor::uid`] is the daemon's own user, or may be taken for it.
    pub is_own_user: bool,
    /// Where it is: the peer, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// Where the request came in.
    pub entrance: Entrance,
}

/// What limits are counted by: on loopback the uid of the peer, elsewhere an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKey {
    /// A user of this machine.
    Uid(u32),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl Visitor {
    /// What limits are counted by.
    pub fn key(&self) -> AddressKey {
        match (self.uid, self.address.to_canonical()) {
            (Some(uid), address) if address.is_loopback() => AddressKey::Uid(uid),
            (_, IpAddr::V4(address)) => AddressKey::V4(address),
            (_, IpAddr::V6(address)) => AddressKey::V6(upper(address)),
        }
    }
}

fn upper(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)
}

impl std::fmt::Display for AddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::V4(address) => address.fmt(f),
            Self::V6(upper) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*upper) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_users_here_and_networks_elsewhere() {
        let visitor = |uid, address: &str| Visitor {
            uid,
            is_own_user: false,
            address: address.parse().unwrap(),
            entrance: Entrance::Public,
        };
        for (uid, address, key) in [
            (Some(7), "127.0.0.1", "uid 7"),
            (Some(7), "::1", "uid 7"),
            (None, "127.0.0.1", "127.0.0.1"),
            (Some(7), "192.0.2.1", "192.0.2.1"),
            (None, "::ffff:192.0.2.1", "192.0.2.1"),
            (None, "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(visitor(uid, address).key().to_string(), key);
        }
    }
}
