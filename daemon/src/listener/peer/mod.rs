//! Whose process is at the other end of a loopback connection, as the kernel says.
//!
//! Asked once per connection, right after accept. Only an established socket with an inode identifies; the overflow uid,
//! a failed lookup and a system that cannot be asked are all unknown. What did not come over loopback is not asked for. It
//! never guesses and never asks anything but the kernel.

mod listening;
#[cfg(target_os = "linux")]
mod sock_diag;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(target_os = "linux")]
use sock_diag::SockDiag;

pub(crate) use self::listening::who_listens;
pub use self::listening::{PortUid, who_takes};
use crate::uid::overflow_uid;

/// The user at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// The daemon's own user.
    SameUser,
    /// Another user; to a daemon that is not root, root is one too.
    OtherUser(u32),
    /// The kernel does not tell.
    Unknown,
    /// The connection came over a network.
    Remote,
    /// Nobody asked: the listener serves a team, whose members are told by their credentials.
    NotAsked,
}

/// The program at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose it is.
    pub identity: PeerIdentity,
    /// Where it is.
    pub address: IpAddr,
}

/// Asks the kernel on a socket that is kept open.
#[derive(Debug)]
pub struct PeerLookup {
    own: u32,
    overflow: u32,
    available: AtomicBool,
    #[cfg(target_os = "linux")]
    diag: Mutex<Option<SockDiag>>,
    #[cfg(not(target_os = "linux"))]
    diag: Mutex<()>,
}

impl PeerLookup {
    /// Opens the kernel's socket and tries it on a connection to ourselves.
    pub fn new() -> Self {
        let lookup = Self {
            own: rustix::process::geteuid().as_raw(),
            overflow: overflow_uid(),
            available: AtomicBool::new(false),
            diag: Mutex::default(),
        };
        lookup.available.store(lookup.try_on_ourselves() == Some(PeerIdentity::SameUser), Ordering::Relaxed);
        lookup
    }

    /// False where the kernel cannot be asked, so that nobody is served without a key.
    pub fn available(&self) -> bool {
        self.available.load(Ordering::Relaxed)
    }

    /// The daemon's own user.
    pub fn own_uid(&self) -> u32 {
        self.own
    }

    /// Who is at `peer` of the connection that was accepted at `local`.
    pub fn identify(&self, peer: SocketAddr, local: SocketAddr) -> PeerIdentity {
        self.identify_socket(peer, local).0
    }

    /// The same, with the inode of the socket there where that is one of the daemon's own user.
    pub(super) fn identify_socket(&self, peer: SocketAddr, local: SocketAddr) -> (PeerIdentity, Option<NonZeroU32>) {
        if ![peer, local].iter().all(|end| end.ip().to_canonical().is_loopback()) {
            return (PeerIdentity::Remote, None);
        }
        let Some((uid, inode)) = self.ask(peer, local) else { return (PeerIdentity::Unknown, None) };
        let identity = self.judge(uid);
        (identity, (identity == PeerIdentity::SameUser).then_some(inode))
    }

    fn judge(&self, uid: u32) -> PeerIdentity {
        if uid == self.overflow {
            PeerIdentity::Unknown
        } else if uid == self.own {
            PeerIdentity::SameUser
        } else {
            PeerIdentity::OtherUser(uid)
        }
    }

    fn try_on_ourselves(&self) -> Option<PeerIdentity> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)))
            .ok()?;
        let client = std::net::TcpStream::connect(listener.local_addr().ok()?).ok()?;
        Some(self.identify(client.local_addr().ok()?, client.peer_addr().ok()?))
    }

    #[cfg(target_os = "linux")]
    fn ask(&self, peer: SocketAddr, local: SocketAddr) -> Option<(u32, NonZeroU32)> {
        let mut kept = self.diag.lock().unwrap_or_else(PoisonError::into_inner);
        // A kept socket may have been spoilt (an overrun buffer, an interrupted answer): one fresh socket, then give up.
        for _ in 0..2 {
            let diag = match kept.as_mut() {
                Some(diag) => diag,
                None => kept.insert(
                    SockDiag::open()
                        .inspect_err(|error| tracing::debug!(%error, "cannot ask the kernel for a peer"))
                        .ok()?,
                ),
            };
            match diag.owner(peer, local) {
                Ok(owner) => return owner,
                Err(error) => {
                    tracing::debug!(%error, "the kernel did not answer for a peer");
                    *kept = None;
                }
            }
        }
        None
    }

    #[cfg(not(target_os = "linux"))]
    fn ask(&self, _peer: SocketAddr, _local: SocketAddr) -> Option<(u32, NonZeroU32)> {
        let _ = self.diag.lock().unwrap_or_else(PoisonError::into_inner);
        None
    }
}

impl Default for PeerLookup {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
        os::unix::process::CommandExt,
        process::{Command, Stdio},
    };

    fn ask(lookup: &PeerLookup, accepted: &TcpStream) -> PeerIdentity {
        lookup.identify(accepted.peer_addr().unwrap(), accepted.local_addr().unwrap())
    }

    #[test]
    fn our_own_connections_are_ours_on_every_family() {
        let lookup = PeerLookup::new();
        assert!(lookup.available());
        for (listen, mapped) in [("127.0.0.1:0", false), ("[::1]:0", false), ("127.0.0.1:0", true), ("[::]:0", true)] {
            let Ok(listener) = TcpListener::bind(listen) else { continue };
            let port = listener.local_addr().unwrap().port();
            let target =
                if mapped { format!("[::ffff:127.0.0.1]:{port}") } else { listener.local_addr().unwrap().to_string() };
            let Ok(client) = TcpStream::connect(&target) else { continue };
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(ask(&lookup, &accepted), PeerIdentity::SameUser, "{target} at {listen}");
            drop(client);
        }
    }

    #[test]
    fn a_peer_that_left_is_unknown_and_not_root() {
        let lookup = PeerLookup::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        drop(client);
        assert_eq!(accepted.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(ask(&lookup, &accepted), PeerIdentity::Unknown);
    }

    #[test]
    fn a_listener_on_the_peers_port_does_not_lend_its_uid() {
        let lookup = PeerLookup::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody_connected = lookup.identify(listener.local_addr().unwrap(), "127.0.0.1:9".parse().unwrap());
        assert_eq!(nobody_connected, PeerIdentity::Unknown);
        assert_eq!(
            lookup.identify("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()),
            PeerIdentity::Unknown
        );
        assert_eq!(lookup.identify("[::1]:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()), PeerIdentity::Unknown);
    }

    #[test]
    fn what_comes_over_a_network_is_remote_whoever_it_is() {
        let lookup = PeerLookup::new();
        for (peer, local) in [
            ("192.0.2.7:1", "192.0.2.2:2"),
            ("192.0.2.7:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "192.0.2.2:2"),
            ("[::ffff:192.0.2.7]:1", "[::ffff:192.0.2.2]:2"),
            ("[fd00::7]:1", "[fd00::2]:2"),
        ] {
            assert_eq!(lookup.identify(peer.parse().unwrap(), local.parse().unwrap()), PeerIdentity::Remote, "{peer}");
        }
    }

    #[test]
    fn uids_are_judged() {
        let lookup =
            PeerLookup { own: 1000, overflow: 65534, available: AtomicBool::new(true), diag: Mutex::default() };
        assert_eq!(lookup.judge(1000), PeerIdentity::SameUser);
        assert_eq!(lookup.judge(0), PeerIdentity::OtherUser(0));
        assert_eq!(lookup.judge(1001), PeerIdentity::OtherUser(1001));
        assert_eq!(lookup.judge(65534), PeerIdentity::Unknown);
    }

    #[test]
    fn another_user_is_seen_as_another() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let lookup = PeerLookup::new();
        for (uid, expected) in [(4242, PeerIdentity::OtherUser(4242)), (lookup.overflow, PeerIdentity::Unknown)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut child = Command::new("/bin/bash")
                .args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r -u 3 _")])
                .uid(uid)
                .current_dir("/")
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(ask(&lookup, &accepted), expected);
            drop(accepted);
            child.wait().unwrap();
        }
    }
}
