//! The accept loop: who is there, how many, and what to do when descriptors run out. It never spins and never ends.

use std::{collections::HashMap, io, os::fd::OwnedFd, path::Path, sync::Arc, time::Duration};

use bitrouter_proto::{clock, tasks::Tasks};
use interprocess::local_socket::{
    GenericFilePath, ListenerOptions, ToFsName as _,
    tokio::{Stream, prelude::*},
};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::Agent,
    complaint::Complaint,
    control::{Peer, connection, handshake::Handshake, routes, table::Table},
    listener::peer::overflow_uid,
};

/// How long open connections may take to end at shutdown.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the accept loop waits for a connection that it ended.
const CLOSING: Duration = Duration::from_millis(20);
/// Users whose refusals are told apart in the log.
const STRANGERS: usize = 64;

/// A bound control socket that is not served yet.
#[derive(Debug)]
pub struct Listener {
    inner: interprocess::local_socket::tokio::Listener,
}

impl Listener {
    /// Binds `path` as a socket of mode 0600. The caller holds the single-instance lock and made sure that nothing
    /// else stands there: this neither removes nor displaces anything, now or when it is dropped.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let name = path.to_fs_name::<GenericFilePath>()?;
        let inner = ListenerOptions::new().name(name).mode(0o600).reclaim_name(false).create_tokio()?;
        Ok(Self { inner })
    }

    /// Takes over a socket that a service manager bound and listens on.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let listener = interprocess::os::unix::uds_local_socket::tokio::Listener::try_from(fd)?;
        Ok(Self { inner: listener.into() })
    }
}

/// The served control API.
#[derive(Debug)]
pub struct Control {
    tasks: Tasks,
    /// Ends accept loops and long streams.
    closing: CancellationToken,
    service: Handshake,
    table: Arc<Table>,
    cap: usize,
}

impl Control {
    /// Prepares the services; `cap` is the number of connections that may be open at once.
    ///
    /// # Errors
    /// When the embedded descriptors do not decode, which the build makes impossible.
    pub async fn new(agent: &Arc<Agent>, cap: usize) -> Result<Self, tonic_reflection::server::Error> {
        let closing = CancellationToken::new();
        let service = Handshake::new(routes(agent, &closing).await?);
        Ok(Self { tasks: Tasks::new(), closing, service, table: Arc::default(), cap })
    }

    /// Serves `listener` until [`Control::close`]; answers a token that ends only this listener.
    pub fn serve(&self, listener: Listener) -> CancellationToken {
        let stop = self.closing.child_token();
        let looping = Accepting {
            tasks: self.tasks.clone(),
            closing: self.closing.clone(),
            stop: stop.clone(),
            service: self.service.clone(),
            table: Arc::clone(&self.table),
            cap: self.cap,
            overflow_uid: overflow_uid(),
            crowded: Complaint::default(),
            strangers: HashMap::new(),
        };
        self.tasks.spawn("control accept", looping.run(listener));
        stop
    }

    /// Stops accepting, ends streams, lets calls answer, and after a bound ends what is left.
    pub async fn close(&self) {
        self.closing.cancel();
        if tokio::time::timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::debug!(open = self.table.len(), "control connections were cut at the end");
        }
    }
}

struct Accepting {
    tasks: Tasks,
    closing: CancellationToken,
    stop: CancellationToken,
    service: Handshake,
    table: Arc<Table>,
    cap: usize,
    overflow_uid: u32,
    crowded: Complaint,
    /// By uid: one that knocks all the time must not hide another.
    strangers: HashMap<u32, Complaint>,
}

impl Accepting {
    async fn run(mut self, listener: Listener) {
        let mut back_off = BackOff::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.inner.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok(stream) => {
                    back_off.reset();
                    self.welcome(stream).await;
                }
                Err(error) if is_exhaustion(&error) => {
                    let open = self.table.len();
                    back_off.complain("control", &error, open);
                    match self.table.victim() {
                        // Its descriptor is free now, and the newcomer has waited long enough.
                        Some(victim) => closed(&victim).await,
                        None => back_off.wait().await,
                    }
                }
                Err(error) => tracing::debug!(%error, "a control connection broke before it was accepted"),
            }
        }
    }

    async fn welcome(&mut self, stream: Stream) {
        let Some(peer) = self.admit(&stream) else { return };
        let (id, used, victim) = self.table.add(peer.pid, self.cap);
        if let Some(victim) = victim {
            self.crowded.say(|unsaid| {
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
        let (service, closing, table) = (self.service.clone(), self.closing.clone(), Arc::clone(&self.table));
        let forget = Forget { table, id };
        let abort = self.tasks.spawn("control connection", async move {
            let _forget = forget;
            connection::serve(stream, peer, used, service, closing).await;
        });
        self.table.started(id, abort);
    }

    /// The owner and root may use this socket; a peer that the kernel hides or cannot name may not.
    fn admit(&mut self, stream: &Stream) -> Option<Peer> {
        let creds = stream.peer_creds().ok()?;
        let uid = creds.euid()?;
        let pid = creds.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let me = rustix::process::geteuid().as_raw();
        if (uid == me || uid == 0) && uid != self.overflow_uid {
            return Some(Peer { uid, pid });
        }
        if self.strangers.len() >= STRANGERS && !self.strangers.contains_key(&uid) {
            self.strangers.clear();
        }
        self.strangers.entry(uid).or_default().say(|unsaid| {
            tracing::warn!(peer_uid = uid, peer_pid = pid, unsaid, "refused a control peer of another user");
        });
        None
    }
}

/// Ends a connection and waits until it is gone: aborting alone closes nothing before the runtime gets to it, and a loop
/// that accepts on meanwhile runs out of descriptors.
async fn closed(victim: &AbortHandle) {
    victim.abort();
    let deadline = clock::mono() + CLOSING;
    while !victim.is_finished() && clock::mono() < deadline {
        tokio::task::yield_now().await;
    }
}

struct Forget {
    table: Arc<Table>,
    id: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.table.remove(self.id);
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
    complaint: Complaint,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { pause: Self::FIRST, complaint: Complaint::default() }
    }
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(200);

    fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    fn complain(&mut self, listener: &'static str, error: &io::Error, open: usize) {
        self.complaint
            .say(|unsaid| tracing::warn!(listener, %error, open, unsaid, "cannot accept: descriptors ran out"));
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Self::LONGEST);
    }
}
