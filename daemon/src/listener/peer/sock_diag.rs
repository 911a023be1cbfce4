//! One question to `NETLINK_SOCK_DIAG`: who owns the socket at this end of that TCP connection.
//!
//! The layouts are those of `linux/netlink.h` and `linux/inet_diag.h`; no pointer is involved, only byte arrays.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    os::fd::OwnedFd,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
        netlink::{self, SocketAddrNetlink},
        recvfrom, send, socket_with,
    },
};

pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const HEADER: usize = 16;
pub(super) const REQUEST: usize = HEADER + 56;
pub(super) const REPLY: usize = HEADER + 72;
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;
pub(super) const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;

/// Answers that belong to earlier questions and are thrown away before we give up.
const STALE_ANSWERS: usize = 8;

/// A kept socket to the kernel.
#[derive(Debug)]
pub(super) struct SockDiag {
    socket: OwnedFd,
    sequence: u32,
}

impl SockDiag {
    /// Opens the socket.
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::SOCK_DIAG),
        )?;
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The uid behind `peer`, and the inode of its socket, where the kernel shows an established one of a living owner.
    pub(super) fn owner(&mut self, peer: SocketAddr, local: SocketAddr) -> Result<Option<(u32, NonZeroU32)>, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let Some(question) = question(self.sequence, peer, local) else { return Ok(None) };
        send(&self.socket, &question, SendFlags::empty())?;
        let mut buffer = [0u8; 512];
        for _ in 0..STALE_ANSWERS {
            // The kernel answers inside `send`; where nothing waits now, nothing will come.
            let (_, length, from) = recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty())?;
            let from_kernel = from.is_some_and(|from| SocketAddrNetlink::try_from(from).is_ok_and(|a| a.pid() == 0));
            let answer = &buffer[..length.min(buffer.len())];
            if from_kernel && u32_at(answer, 8) == Some(self.sequence) {
                return read_answer(answer, peer, local);
            }
        }
        Err(Errno::PROTO)
    }
}

/// The request, or `None` where the two ends are of different families.
fn question(sequence: u32, peer: SocketAddr, local: SocketAddr) -> Option<[u8; REQUEST]> {
    let mut bytes = [0u8; REQUEST];
    let (source, destination) = (peer.ip().to_canonical(), local.ip().to_canonical());
    let family = match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AF_INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AF_INET6,
        _ => return None,
    };
    put(&mut bytes, 0, &72u32.to_ne_bytes());
    put(&mut bytes, 4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&mut bytes, 6, &NLM_F_REQUEST.to_ne_bytes());
    put(&mut bytes, 8, &sequence.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = IPPROTO_TCP;
    put(&mut bytes, HEADER + 4, &u32::MAX.to_ne_bytes());
    put(&mut bytes, HEADER + 8, &peer.port().to_be_bytes());
    put(&mut bytes, HEADER + 10, &local.port().to_be_bytes());
    put_ip(&mut bytes, HEADER + 12, source);
    put_ip(&mut bytes, HEADER + 28, destination);
    put(&mut bytes, HEADER + 48, &[0xff; 8]);
    Some(bytes)
}

/// The uid and the inode in an answer. Two traps: a peer that is gone is reported as uid 0 without an inode, and without a connection
/// the kernel answers for a listener on that port.
fn read_answer(answer: &[u8], peer: SocketAddr, local: SocketAddr) -> Result<Option<(u32, NonZeroU32)>, Errno> {
    match u16_at(answer, 4) {
        Some(NLMSG_ERROR) => {
            let code = u32_at(answer, HEADER).map_or(0, |code| code.cast_signed().wrapping_neg());
            match (1..4096).contains(&code).then(|| Errno::from_raw_os_error(code)) {
                Some(Errno::NOENT) => Ok(None),
                Some(error) => Err(error),
                None => Err(Errno::PROTO),
            }
        }
        Some(SOCK_DIAG_BY_FAMILY) if answer.len() >= REPLY => {
            let socket = &answer[HEADER..];
            let family = socket[0];
            let ends_match = be16_at(socket, 4) == Some(peer.port())
                && be16_at(socket, 6) == Some(local.port())
                && ip_at(socket, 8, family) == Some(peer.ip().to_canonical())
                && ip_at(socket, 24, family) == Some(local.ip().to_canonical());
            let is_alive = socket[1] == TCP_ESTABLISHED;
            let inode = u32_at(socket, 68).and_then(NonZeroU32::new).filter(|_| ends_match && is_alive);
            Ok(u32_at(socket, 64).zip(inode))
        }
        _ => Err(Errno::PROTO),
    }
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put_ip(bytes: &mut [u8], at: usize, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => put(bytes, at, &ip.octets()),
        IpAddr::V6(ip) => put(bytes, at, &ip.octets()),
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn be16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn ip_at(bytes: &[u8], at: usize, family: u8) -> Option<IpAddr> {
    match family {
        AF_INET => array_at::<4>(bytes, at).map(|octets| Ipv4Addr::from(octets).into()),
        AF_INET6 => array_at::<16>(bytes, at).map(|octets| IpAddr::from(Ipv6Addr::from(octets)).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (SocketAddr, SocketAddr) {
        ("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:4356".parse().unwrap())
    }

    fn answer(state: u8, uid: u32, inode: u32, ports: (u16, u16)) -> Vec<u8> {
        let mut bytes = vec![0; REPLY];
        put(&mut bytes, 4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes[HEADER] = AF_INET;
        bytes[HEADER + 1] = state;
        put(&mut bytes, HEADER + 4, &ports.0.to_be_bytes());
        put(&mut bytes, HEADER + 6, &ports.1.to_be_bytes());
        put(&mut bytes, HEADER + 8, &[127, 0, 0, 1]);
        put(&mut bytes, HEADER + 24, &[127, 0, 0, 1]);
        put(&mut bytes, HEADER + 64, &uid.to_ne_bytes());
        put(&mut bytes, HEADER + 68, &inode.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_an_established_socket_with_an_inode_and_our_ports_identifies() {
        let (peer, local) = ends();
        let read = |bytes: &[u8]| read_answer(bytes, peer, local);
        assert_eq!(read(&answer(1, 1000, 7, (40000, 4356))), Ok(Some((1000, NonZeroU32::new(7).unwrap()))));
        assert_eq!(read(&answer(1, 0, 0, (40000, 4356))), Ok(None), "gone: uid 0 without inode");
        assert_eq!(read(&answer(5, 1000, 7, (40000, 4356))), Ok(None), "FIN_WAIT2");
        assert_eq!(read(&answer(10, 1000, 7, (40000, 0))), Ok(None), "a listener on the port");
        assert_eq!(read(&answer(1, 1000, 7, (40001, 4356))), Ok(None), "another port");
        let mut short = answer(1, 1000, 7, (40000, 4356));
        short.truncate(REPLY - 1);
        assert_eq!(read(&short), Err(Errno::PROTO));
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(bytes: Vec<u8>) {
            let (peer, local) = ends();
            let _ = read_answer(&bytes, peer, local);
        }
    }
}
