//! Accepts connections: within the cap, without spinning when the system is short of descriptors or memory, and asking
//! at once who is at the other end.

use std::{
    io,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bitrouter_proto::tasks::Tasks;
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{
    access::ListenerAuthorities,
    connection,
    options::Audience,
    peer::{Peer, PeerIdentity},
    shared::Shared,
};
use crate::rate_limited_warning::RateLimitedWarning;

/// First pause after the system refused a connection for want of something; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Other users together get this part of the connections, so that they cannot lock out the owner.
const OTHER_USERS_PART: usize = 4;

/// The listeners of one audience: whom they serve, and how many at once.
#[derive(Debug)]
pub(super) struct Reception {
    audience: Audience,
    limit: usize,
    slots: Arc<Semaphore>,
    other_users: AtomicUsize,
}

impl Reception {
    pub(super) fn new(audience: Audience, limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { audience, limit, slots: Arc::new(Semaphore::new(limit)), other_users: AtomicUsize::new(0) }
    }

    /// Who is at the other end, and the inode of the socket there where that is a program of the daemon's own user.
    fn peer(&self, tcp: &TcpStream, shared: &Shared) -> (PeerIdentity, Option<NonZeroU32>) {
        match (self.audience, tcp.peer_addr(), tcp.local_addr()) {
            (Audience::Team, ..) => (PeerIdentity::NotAsked, None),
            (Audience::ThisMachine, Ok(peer), Ok(local)) => shared.peers.identify_socket(peer, local),
            (Audience::ThisMachine, ..) => (PeerIdentity::Unknown, None),
        }
    }
}

/// Accepts until the server drains; the listener is closed when this returns.
pub(super) async fn run(
    listener: TcpListener,
    own: Arc<ListenerAuthorities>,
    reception: Arc<Reception>,
    shared: Arc<Shared>,
    tasks: Tasks,
) {
    let mut pause = FIRST_PAUSE;
    let mut warning = RateLimitedWarning::default();
    loop {
        if reception.slots.available_permits() == 0 {
            warning.warn(|unsaid| {
                tracing::warn!(limit = reception.limit, unsaid, "the connection limit is reached");
            });
        }
        let slot = tokio::select! {
            biased;
            () = shared.draining.cancelled() => return,
            slot = Arc::clone(&reception.slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            biased;
            () = shared.draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, address)) => {
                pause = FIRST_PAUSE;
                let (identity, socket) = reception.peer(&tcp, &shared);
                let peer = Peer { identity, address: address.ip().to_canonical() };
                let Some(permit) = ConnectionPermit::enter(&reception, &shared, peer.identity) else {
                    shared.refusals.refused("connection_limit");
                    warning.warn(|unsaid| {
                        tracing::warn!(?peer, unsaid, "closing a connection: other users hold their share");
                    });
                    continue;
                };
                // Small writes are whole events here: waiting to fill a packet only delays them.
                tcp.set_nodelay(true).ok();
                let (own, shared) = (Arc::clone(&own), Arc::clone(&shared));
                tasks.spawn("http connection", async move {
                    connection::run(tcp, peer, own, shared, socket).await;
                    drop((permit, slot));
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                warning.warn(|unsaid| tracing::warn!(%error, unsaid, "cannot accept connections; trying again"));
                tokio::select! {
                    biased;
                    () = shared.draining.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// A connection that failed before it was accepted says nothing about the next.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | WouldBlock)
        || Errno::from_io_error(error) == Some(Errno::PROTO)
}

/// Counts a connection for as long as it lives.
struct ConnectionPermit {
    reception: Arc<Reception>,
    shared: Arc<Shared>,
    other_user: bool,
}

impl ConnectionPermit {
    fn enter(reception: &Arc<Reception>, shared: &Arc<Shared>, peer: PeerIdentity) -> Option<Self> {
        let other_user = !matches!(peer, PeerIdentity::SameUser | PeerIdentity::NotAsked);
        if other_user {
            let share = (reception.limit / OTHER_USERS_PART).max(1);
            if reception.other_users.fetch_add(1, Relaxed) >= share {
                reception.other_users.fetch_sub(1, Relaxed);
                return None;
            }
        }
        shared.connections.fetch_add(1, Relaxed);
        Some(Self { reception: Arc::clone(reception), shared: Arc::clone(shared), other_user })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Relaxed);
        if self.other_user {
            self.reception.other_users.fetch_sub(1, Relaxed);
        }
    }
}
