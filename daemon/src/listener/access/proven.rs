//! Whose process calls, as far as the kernel's answer proves it.
//!
//! The kernel names the process at the other end of the connection. Where that is a proxy or a tunnel, its uid says nothing
//! of whoever it speaks for: everybody who comes that way is a stranger.

use std::net::IpAddr;

use bitrouter_node::http::{Entrance, Visitor};
use http::HeaderMap;

use super::{
    forwarded::Forwarded,
    headers::{AccessHeaders, SingleHeader},
    host::AllowedHost,
};
use crate::{
    config::Network,
    listener::peer::{Peer, PeerIdentity},
};

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvenPeer<'a> {
    /// What the kernel says, of a request that nobody passed on.
    Kernel(PeerIdentity),
    /// A request with this forwarding header.
    Forwarded(&'a str),
    /// A request for this host, which is no loopback name.
    OtherHost(&'a str),
}

impl ProvenPeer<'_> {
    /// The user, where there is a proof.
    pub fn identity(self) -> PeerIdentity {
        match self {
            Self::Kernel(identity) => identity,
            Self::Forwarded(_) | Self::OtherHost(_) => PeerIdentity::Unknown,
        }
    }
}

/// A request whose `Host` was allowed, and the peer that sent it.
pub(super) struct Arrival<'a> {
    pub(super) host: AllowedHost,
    pub(super) headers: &'a AccessHeaders<'a>,
    pub(super) all: &'a HeaderMap,
    pub(super) peer: Peer,
    pub(super) trusted: &'a [Network],
}

impl<'a> Arrival<'a> {
    /// Whose process it is.
    #[inline]
    pub(super) fn proven(&self) -> ProvenPeer<'a> {
        // Nothing can take a proof away that nobody looked for.
        if self.peer.identity == PeerIdentity::NotAsked {
            return ProvenPeer::Kernel(PeerIdentity::NotAsked);
        }
        if let Some(name) = self.headers.forwarding {
            if !self.is_of_a_trusted_proxy() {
                return ProvenPeer::Forwarded(name);
            }
            if let Some(name) = Forwarded::of(self.all, self.trusted).from_elsewhere {
                return ProvenPeer::Forwarded(name);
            }
        }
        if self.host.is_loopback || self.peer.identity == PeerIdentity::Remote {
            ProvenPeer::Kernel(self.peer.identity)
        } else {
            ProvenPeer::OtherHost(self.authority())
        }
    }

    /// The header that shows that somebody whom nobody trusts passed the request on.
    pub(super) fn untrusted_header(&self) -> Option<&'a str> {
        self.headers.forwarding.filter(|_| !self.is_of_a_trusted_proxy())
    }

    /// `Host`, which was allowed.
    fn authority(&self) -> &'a str {
        match self.headers.host {
            SingleHeader::Value(host) => host.to_str().unwrap_or_default(),
            SingleHeader::Absent | SingleHeader::Repeated => "",
        }
    }

    /// True where the peer may say for whom it speaks.
    pub(super) fn is_of_a_trusted_proxy(&self) -> bool {
        self.trusted.iter().any(|network| network.contains(self.peer.address))
    }

    /// Who asks, as the node wants to know it; `own` is the daemon's user.
    pub(super) fn visitor(&self, own: u32) -> Visitor {
        let identity = self.proven().identity();
        Visitor {
            uid: match identity {
                PeerIdentity::SameUser => Some(own),
                PeerIdentity::OtherUser(uid) => Some(uid),
                PeerIdentity::Unknown | PeerIdentity::Remote | PeerIdentity::NotAsked => None,
            },
            is_own_user: identity == PeerIdentity::SameUser,
            address: self.address(),
            // A `public_url` on loopback is no second entrance: there, a session is bound to its user.
            entrance: if self.host.is_public && !self.host.is_loopback {
                Entrance::Public
            } else {
                Entrance::Loopback { authority: self.authority().to_owned() }
            },
        }
    }

    /// The peer's address, or the one that a trusted proxy speaks for.
    fn address(&self) -> IpAddr {
        let forwarded = self.headers.forwarding.filter(|_| self.is_of_a_trusted_proxy());
        forwarded.and_then(|_| Forwarded::of(self.all, self.trusted).client).unwrap_or(self.peer.address)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Uri};

    use super::*;

    const REMOTE: (&str, &str) = ("x-forwarded-for", "203.0.113.7");
    const LOCAL: (&str, &str) = ("x-forwarded-for", "127.0.0.1");

    fn arrived(host: AllowedHost, pairs: &[(&str, &str)], trusted: &[&str]) -> (bool, Visitor) {
        let mut all = HeaderMap::new();
        for (name, value) in [("host", "the.host:1")].iter().chain(pairs) {
            all.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let uri = Uri::from_static("/");
        let headers = AccessHeaders::of(&uri, &all);
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let peer = Peer { identity: PeerIdentity::SameUser, address: "127.0.0.1".parse().unwrap() };
        let arrival = Arrival { host, headers: &headers, all: &all, peer, trusted: &trusted };
        let proven = arrival.proven() == ProvenPeer::Kernel(PeerIdentity::SameUser);
        let visitor = arrival.visitor(1000);
        assert_eq!((visitor.uid.is_some(), visitor.is_own_user), (proven, proven));
        (proven, visitor)
    }

    #[test]
    fn a_proxy_makes_strangers_of_everyone() {
        let loopback = AllowedHost::OWN;
        let listed = AllowedHost { is_loopback: false, is_public: false };
        let public = AllowedHost { is_loopback: false, is_public: true };
        let public_here = AllowedHost { is_loopback: true, is_public: true };
        let trust = &["127.0.0.1"][..];
        for (host, pairs, trusted, proven, address) in [
            (loopback, &[][..], &[][..], true, "127.0.0.1"),
            (loopback, &[], trust, true, "127.0.0.1"),
            (loopback, &[LOCAL], &[], false, "127.0.0.1"),
            (loopback, &[REMOTE], &[], false, "127.0.0.1"),
            (loopback, &[LOCAL], &["10.0.0.0/8"], false, "127.0.0.1"),
            (loopback, &[LOCAL], trust, true, "127.0.0.1"),
            (loopback, &[REMOTE], trust, false, "203.0.113.7"),
            (loopback, &[("via", "1.1 Caddy")], &[], false, "127.0.0.1"),
            (loopback, &[("cf-connecting-ip", "203.0.113.7"), LOCAL], trust, false, "127.0.0.1"),
            (listed, &[], &[], false, "127.0.0.1"),
            (listed, &[], trust, false, "127.0.0.1"),
            (public, &[], trust, false, "127.0.0.1"),
            (public_here, &[], &[], true, "127.0.0.1"),
            (public, &[LOCAL], trust, false, "127.0.0.1"),
            (public, &[REMOTE], trust, false, "203.0.113.7"),
        ] {
            let (found, visitor) = arrived(host, pairs, trusted);
            assert_eq!(found, proven, "{host:?} {pairs:?} {trusted:?}");
            assert_eq!(visitor.address, address.parse::<IpAddr>().unwrap(), "{host:?} {pairs:?} {trusted:?}");
            assert_eq!(visitor.entrance == Entrance::Public, host.is_public && !host.is_loopback);
        }
    }

    #[test]
    fn neither_a_network_nor_a_teams_listener_names_a_user() {
        let here = [AllowedHost::OWN, AllowedHost { is_loopback: false, is_public: true }];
        for (identity, address) in [(PeerIdentity::Remote, "192.0.2.7"), (PeerIdentity::NotAsked, "127.0.0.1")] {
            for host in here {
                for (pairs, trusted, elsewhere) in
                    [(&[][..], &[][..], false), (&[LOCAL], &["127.0.0.1", "192.0.2.7"], false), (&[REMOTE], &[], true)]
                {
                    let mut all = HeaderMap::new();
                    for (name, value) in [("host", "localhost:1")].iter().chain(pairs) {
                        all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
                    }
                    let uri = Uri::from_static("/");
                    let headers = AccessHeaders::of(&uri, &all);
                    let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
                    let peer = Peer { identity, address: address.parse().unwrap() };
                    let arrival = Arrival { host, headers: &headers, all: &all, peer, trusted: &trusted };
                    let forwarded = elsewhere && identity == PeerIdentity::Remote;
                    let expected =
                        if forwarded { ProvenPeer::Forwarded("x-forwarded-for") } else { ProvenPeer::Kernel(identity) };
                    assert_eq!(arrival.proven(), expected, "{host:?} {pairs:?}");
                    assert_eq!(arrival.untrusted_header().is_some(), elsewhere);
                    let visitor = arrival.visitor(1000);
                    assert_eq!((visitor.uid, visitor.is_own_user), (None, false));
                }
            }
        }
    }

    #[test]
    fn what_took_the_proof_away_is_named() {
        let mut all = HeaderMap::new();
        all.insert("host", HeaderValue::from_static("box.lan"));
        let uri = Uri::from_static("/");
        let host = AllowedHost { is_loopback: false, is_public: false };
        let peer = Peer { identity: PeerIdentity::SameUser, address: "::1".parse().unwrap() };
        let headers = AccessHeaders::of(&uri, &all);
        let arrival = Arrival { host, headers: &headers, all: &all, peer, trusted: &[] };
        assert_eq!(arrival.proven(), ProvenPeer::OtherHost("box.lan"));
        let mut more = all.clone();
        more.insert("x-real-ip", HeaderValue::from_static("::1"));
        let headers = AccessHeaders::of(&uri, &more);
        let arrival = Arrival { host, headers: &headers, all: &more, peer, trusted: &[] };
        assert_eq!(arrival.proven(), ProvenPeer::Forwarded("x-real-ip"));
    }
}
