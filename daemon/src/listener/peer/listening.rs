//! Whose process listens at a port of this machine: asked before a secret goes there.
//!
//! On one port the two families and several addresses can belong to different users. Whoever names the port may reach any
//! of them, so that it belongs to a user only where every listener on a loopback or wildcard address is that user's.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::overflow_uid;
use crate::listener::port_owner::listening_on;

/// Who listens at a port of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUid {
    /// This user alone; and at one of these addresses.
    One(u32, IpAddr),
    /// Nobody.
    Nobody,
    /// Several users.
    Several,
    /// The kernel does not tell.
    Unknown,
}

/// Asks the kernel who listens at `port` on any loopback or wildcard address.
pub(crate) fn who_listens(port: u16) -> PortUid {
    let found = ask_kernel(port).or_else(|| read_tables(port));
    judge(found.as_deref(), overflow_uid())
}

fn judge(found: Option<&[(IpAddr, u32)]>, overflow: u32) -> PortUid {
    let Some(found) = found else { return PortUid::Unknown };
    let local = |address: &IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    let here: Vec<_> = found.iter().filter(|(address, _)| local(address)).collect();
    let uids: BTreeSet<u32> = here.iter().map(|(_, uid)| *uid).collect();
    if uids.contains(&overflow) {
        return PortUid::Unknown;
    }
    let mut uids = uids.into_iter();
    match (uids.next(), uids.next()) {
        (None, _) => PortUid::Nobody,
        (Some(uid), None) => {
            let has_four = here.iter().any(|(address, _)| address.to_canonical().is_ipv4() || address.is_unspecified());
            let address = if has_four { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            PortUid::One(uid, address)
        }
        (Some(_), Some(_)) => PortUid::Several,
    }
}

/// Asks the kernel who takes what is sent to `at`: who listens at that very address, else at every one. The address in the
/// answer is `at`'s.
pub fn who_takes(at: SocketAddr) -> PortUid {
    let found = ask_kernel(at.port()).or_else(|| read_tables(at.port()));
    taker(found.as_deref(), at.ip().to_canonical(), overflow_uid())
}

fn taker(found: Option<&[(IpAddr, u32)]>, at: IpAddr, overflow: u32) -> PortUid {
    let Some(found) = found else { return PortUid::Unknown };
    let uids = |takes: &dyn Fn(IpAddr) -> bool| -> BTreeSet<u32> {
        found.iter().filter(|(address, _)| takes(address.to_canonical())).map(|(_, uid)| *uid).collect()
    };
    let exact = uids(&|address| address == at);
    // `::` takes both families unless told otherwise, which the kernel does not show.
    let all = |address: IpAddr| address.is_unspecified() && (address.is_ipv6() || at.is_ipv4());
    let uids = if exact.is_empty() { uids(&all) } else { exact };
    let mut uids = uids.into_iter();
    match (uids.next(), uids.next()) {
        (Some(uid), None) if uid != overflow => PortUid::One(uid, at),
        (Some(_), Some(_)) => PortUid::Several,
        (Some(_), None) => PortUid::Unknown,
        (None, _) => PortUid::Nobody,
    }
}

/// The tables as `/proc` shows them, where the kernel's socket cannot be had.
fn read_tables(port: u16) -> Option<Vec<(IpAddr, u32)>> {
    let four = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
    // Without IPv6 there is no such file.
    let six = std::fs::read_to_string("/proc/self/net/tcp6").unwrap_or_default();
    Some(
        [four, six]
            .iter()
            .flat_map(|text| listening_on(text, port).map(|found| (found.address, found.uid)).collect::<Vec<_>>())
            .collect(),
    )
}

#[cfg(not(target_os = "linux"))]
fn ask_kernel(_port: u16) -> Option<Vec<(IpAddr, u32)>> {
    None
}

#[cfg(target_os = "linux")]
use dump::ask as ask_kernel;

/// The dump of listening sockets (`linux/inet_diag.h`): the kernel walks its listeners only, however many connections
/// there are.
#[cfg(target_os = "linux")]
mod dump {
    use rustix::{
        fd::OwnedFd,
        io::Errno,
        net::{
            AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
            netlink::{self, SocketAddrNetlink},
            recvfrom, send, socket_with,
        },
    };

    use super::IpAddr;
    use crate::listener::peer::sock_diag::{
        AF_INET, AF_INET6, HEADER, IPPROTO_TCP, NLM_F_REQUEST, NLMSG_ERROR, REPLY, REQUEST, SOCK_DIAG_BY_FAMILY,
        be16_at, ip_at, put, u16_at, u32_at,
    };

    const NLM_F_DUMP: u16 = 0x300;
    const NLMSG_DONE: u16 = 3;
    const STATE_LISTEN: u32 = 1 << 10;
    /// Datagrams of one answer before we give up: thousands of listeners on one port.
    const MOST: usize = 256;

    type Found = Vec<(IpAddr, u32)>;

    pub(super) fn ask(port: u16) -> Option<Found> {
        let asked = || -> Result<Found, Errno> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
            connect(&socket, &SocketAddrNetlink::new(0, 0))?;
            let mut found = of_family(&socket, AF_INET, port)?;
            found.extend(of_family(&socket, AF_INET6, port)?);
            Ok(found)
        };
        asked().inspect_err(|error| tracing::debug!(%error, "the kernel does not list its listeners")).ok()
    }

    fn of_family(socket: &OwnedFd, family: u8, port: u16) -> Result<Found, Errno> {
        send(socket, &question(family, port), SendFlags::empty())?;
        let mut found = Vec::new();
        let mut buffer = vec![0u8; 32 << 10];
        for _ in 0..MOST {
            let (_, length, from) = recvfrom(socket, &mut buffer[..], RecvFlags::empty())?;
            if !from.is_some_and(|from| SocketAddrNetlink::try_from(from).is_ok_and(|a| a.pid() == 0)) {
                continue;
            }
            if read(&buffer[..length.min(buffer.len())], family, port, &mut found)? {
                return Ok(found);
            }
        }
        Err(Errno::PROTO)
    }

    fn question(family: u8, port: u16) -> [u8; REQUEST] {
        let mut bytes = [0u8; REQUEST];
        put(&mut bytes, 0, &72u32.to_ne_bytes());
        put(&mut bytes, 4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(&mut bytes, 6, &(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        // The family stands in the sequence, so that the two answers are told apart.
        put(&mut bytes, 8, &u32::from(family).to_ne_bytes());
        bytes[HEADER] = family;
        bytes[HEADER + 1] = IPPROTO_TCP;
        put(&mut bytes, HEADER + 4, &STATE_LISTEN.to_ne_bytes());
        put(&mut bytes, HEADER + 8, &port.to_be_bytes());
        put(&mut bytes, HEADER + 48, &[0xff; 8]);
        bytes
    }

    /// Reads one datagram; true at the end of the answer.
    pub(super) fn read(mut datagram: &[u8], family: u8, port: u16, found: &mut Found) -> Result<bool, Errno> {
        while let Some(length) = u32_at(datagram, 0).map(|length| length as usize) {
            if length < HEADER || length > datagram.len() {
                return Err(Errno::PROTO);
            }
            let message = &datagram[..length];
            let is_answer = u32_at(message, 8) == Some(u32::from(family));
            match u16_at(message, 4) {
                Some(NLMSG_DONE) if is_answer => return Ok(true),
                Some(NLMSG_ERROR) if is_answer => return Err(Errno::PROTO),
                Some(SOCK_DIAG_BY_FAMILY) if is_answer && message.len() >= REPLY => {
                    let socket = &message[HEADER..];
                    if be16_at(socket, 4) == Some(port) {
                        let address = ip_at(socket, 8, socket[0]).ok_or(Errno::PROTO)?;
                        found.push((address, u32_at(socket, 64).ok_or(Errno::PROTO)?));
                    }
                }
                _ => {}
            }
            // Messages begin at multiples of four.
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_very_address_takes_before_every_address() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let (four, six) = (at("127.0.0.1"), at("::1"));
        let one = PortUid::One;
        for (found, asked, expected) in [
            (vec![], four, PortUid::Nobody),
            (vec![("127.0.0.1", 7)], four, one(7, four)),
            (vec![("::ffff:127.0.0.1", 7)], four, one(7, four)),
            (vec![("127.0.0.1", 7), ("::1", 8), ("127.0.0.2", 9)], four, one(7, four)),
            (vec![("0.0.0.0", 8), ("127.0.0.1", 7)], four, one(7, four)),
            (vec![("0.0.0.0", 8)], four, one(8, four)),
            (vec![("::", 8)], four, one(8, four)),
            (vec![("0.0.0.0", 8)], six, PortUid::Nobody),
            (vec![("0.0.0.0", 8), ("::", 9)], four, PortUid::Several),
            (vec![("192.0.2.1", 5)], at("192.0.2.1"), one(5, at("192.0.2.1"))),
            (vec![("127.0.0.1", 65_534)], four, PortUid::Unknown),
        ] {
            let found: Vec<_> = found.into_iter().map(|(address, uid)| (at(address), uid)).collect();
            assert_eq!(taker(Some(&found), asked, 65_534), expected, "{found:?} {asked}");
        }
        assert_eq!(taker(None, four, 65_534), PortUid::Unknown);
    }

    #[test]
    fn a_port_is_a_users_only_where_every_local_listener_is() {
        let a = |text: &str| text.parse::<IpAddr>().unwrap();
        let (four, six) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
        for (found, expected) in [
            (vec![], PortUid::Nobody),
            (vec![("127.0.0.1", 1000)], PortUid::One(1000, four)),
            (vec![("::1", 1000)], PortUid::One(1000, six)),
            (vec![("127.0.0.1", 1000), ("::1", 1000)], PortUid::One(1000, four)),
            (vec![("127.0.0.1", 1000), ("::1", 1001)], PortUid::Several),
            (vec![("127.0.0.1", 1000), ("::", 0)], PortUid::Several),
            (vec![("0.0.0.0", 7), ("127.0.0.9", 8)], PortUid::Several),
            (vec![("::", 7)], PortUid::One(7, four)),
            (vec![("127.0.0.1", 1000), ("192.0.2.1", 5)], PortUid::One(1000, four)),
            (vec![("192.0.2.1", 5)], PortUid::Nobody),
            (vec![("127.0.0.1", 65534)], PortUid::Unknown),
            (vec![("127.0.0.1", 1000), ("::1", 65534)], PortUid::Unknown),
        ] {
            let found: Vec<_> = found.into_iter().map(|(address, uid)| (a(address), uid)).collect();
            assert_eq!(judge(Some(&found), 65534), expected, "{found:?}");
        }
        assert_eq!(judge(None, 65534), PortUid::Unknown);
    }

    #[test]
    fn our_own_listener_is_ours_by_either_way_and_a_free_port_is_nobodys() {
        let own = rustix::process::geteuid().as_raw();
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(listen) else { continue };
            let address = listener.local_addr().unwrap();
            let expected = if own == overflow_uid() { PortUid::Unknown } else { PortUid::One(own, address.ip()) };
            assert_eq!(who_listens(address.port()), expected);
            assert_eq!(judge(read_tables(address.port()).as_deref(), overflow_uid()), expected);
            drop(listener);
            assert_eq!(who_listens(address.port()), PortUid::Nobody);
        }
    }

    #[cfg(target_os = "linux")]
    proptest::proptest! {
        #[test]
        fn any_datagram_is_read_without_a_panic(bytes: Vec<u8>, port: u16) {
            let _ = dump::read(&bytes, 2, port, &mut Vec::new());
        }
    }
}
