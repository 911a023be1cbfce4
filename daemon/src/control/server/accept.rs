//! The accept loop: who is there, how many, and what to do when descriptors run out. It never spins and never ends.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use bitrouter_proto::{clock, tasks::Tasks};
use interprocess::local_socket::tokio::{Stream, prelude::*};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::{ControlListener, connection, eviction::Connections, versioned::VersionedService};
use crate::{control::access::PeerClass, control_peer::ControlPeer, rate_limited_warning::RateLimitedWarning};

/// How long the accept loop waits for a connection that it ended.
const CLOSING: Duration = Duration::from_millis(20);
/// Users whose refusals are told apart in the log.
const OTHER_USERS: usize = 64;

/// One loop over one listener.
pub(super) struct AcceptLoop {
    pub(super) tasks: Tasks,
    pub(super) closing: CancellationToken,
    pub(super) stop: CancellationToken,
    pub(super) service: VersionedService,
    pub(super) connections: Arc<Connections>,
    pub(super) cap: usize,
    pub(super) overflow_uid: u32,
    pub(super) crowded: RateLimitedWarning,
    /// By uid: one that knocks all the time must not hide another.
    pub(super) other_users: HashMap<u32, RateLimitedWarning>,
}

impl AcceptLoop {
    pub(super) async fn run(mut self, listener: ControlListener) {
        let mut back_off = BackOff::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.inner.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok(stream) => {
                    back_off.reset();
                    self.admit_connection(stream).await;
                }
                Err(error) if is_exhaustion(&error) => {
                    let open = self.connections.len();
                    back_off.complain("control", &error, open);
                    match self.connections.victim() {
                        // Its descriptor is free now, and the newcomer has waited long enough.
                        Some(victim) => closed(&victim).await,
                        None => back_off.wait().await,
                    }
                }
                Err(error) => tracing::debug!(%error, "a control connection broke before it was accepted"),
            }
        }
    }

    async fn admit_connection(&mut self, stream: Stream) {
        let Some((peer, class)) = self.admitted_peer(&stream) else { return };
        let (id, used, victim) = self.connections.add(peer.pid, self.cap);
        if let Some(victim) = victim {
            self.crowded.warn(|unsaid| {
                tracing::warn!(
                    peer_uid = peer.uid,
                    peer_pid = peer.pid,
                    cap = self.cap,
                    unsaid,
                    "too many control connections"
                );
            });
            closed(&victim).await;
        }
        let (service, closing) = (self.service.clone(), self.closing.clone());
        let remove = RemoveOnDrop { connections: Arc::clone(&self.connections), id };
        let abort = self.tasks.spawn("control connection", async move {
            let _remove = remove;
            connection::serve(stream, service.for_peer(peer, class, used), closing).await;
        });
        self.connections.started(id, abort);
    }

    /// The owner and root may use this socket; a peer that the kernel hides or cannot name may not.
    fn admitted_peer(&mut self, stream: &Stream) -> Option<(ControlPeer, PeerClass)> {
        let creds = stream.peer_creds().ok()?;
        let uid = creds.euid()?;
        let pid = creds.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let class = PeerClass::of(uid, rustix::process::geteuid().as_raw(), self.overflow_uid);
        if class > PeerClass::Other {
            return Some((ControlPeer { uid, pid }, class));
        }
        if self.other_users.len() >= OTHER_USERS && !self.other_users.contains_key(&uid) {
            self.other_users.clear();
        }
        self.other_users.entry(uid).or_default().warn(|unsaid| {
            tracing::warn!(peer_uid = uid, peer_pid = pid, unsaid, "refused a control peer of another user");
        });
        None
    }
}

/// Ends a connection and waits until it is gone: aborting alone closes nothing before the runtime gets to it, and a loop
/// that accepts on meanwhile runs out of descriptors.
async fn closed(victim: &AbortHandle) {
    victim.abort();
    let deadline = clock::monotonic_now() + CLOSING;
    while !victim.is_finished() && clock::monotonic_now() < deadline {
        tokio::task::yield_now().await;
    }
}

struct RemoveOnDrop {
    connections: Arc<Connections>,
    id: u64,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        self.connections.remove(self.id);
    }
}

/// True where accepting failed because descriptors or memory ran out: the connection still waits, and an immediate
/// retry would spin.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Growing pauses, and one warning in ten seconds.
#[derive(Debug)]
struct BackOff {
    pause: Duration,
    warning: RateLimitedWarning,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { pause: Self::FIRST, warning: RateLimitedWarning::default() }
    }
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(200);

    fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    fn complain(&mut self, listener: &'static str, error: &io::Error, open: usize) {
        self.warning
            .warn(|unsaid| tracing::warn!(listener, %error, open, unsaid, "cannot accept: descriptors ran out"));
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Self::LONGEST);
    }
}
