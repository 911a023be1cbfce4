//! A server that calls go to, together with the connections to it that nobody uses now.
//!
//! The idle connections stand in the origin itself: who sends a request holds its origin anyway, so that taking and
//! giving back a connection looks nothing up and waits only for others at the same origin. What holds the origin (the
//! catalog of one snapshot) holds the connections: a reload that reads everything again begins with new ones.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bitrouter_proto::clock;

use super::http1_connection::Http1Connection;
use crate::host::{bracketed, is_loopback_host};

/// The most idle connections that are kept to one origin.
const MOST_IDLE: usize = 256;
/// How long an idle connection is kept.
const LONGEST_IDLE: Duration = Duration::from_mins(1);
/// How many idle connections are looked at in one go, outside of the lock.
const SWEPT_AT_ONCE: usize = 16;

/// A server: scheme, host and port, with its idle connections.
pub struct UpstreamOrigin {
    /// Scheme, host and port as one text.
    pub url: String,
    /// True for https.
    pub tls: bool,
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// It is spoken to only at a public address, which is looked at when a connection is made.
    pub(crate) only_public: bool,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one used last stands last, and is used first, so that the others can end of old age.
    connections: Vec<(Instant, Box<Http1Connection>)>,
    /// True from the first connection until a sweep found none: the pool knows of this origin.
    watched: bool,
}

impl fmt::Debug for UpstreamOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamOrigin").field(&self.url).finish()
    }
}

impl UpstreamOrigin {
    /// The server at `host`, which has no brackets.
    pub fn new(tls: bool, host: &str, port: u16) -> Self {
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://{}:{port}", bracketed(host));
        Self { url, tls, host: host.to_owned(), port, only_public: false, idle: Mutex::default() }
    }

    /// The same, spoken to only at a public address.
    pub(crate) fn only_public(self) -> Self {
        Self { only_public: true, ..self }
    }

    /// True where the host is this machine by its spelling.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection that the other side has not closed.
    pub(super) fn take(&self) -> Option<Box<Http1Connection>> {
        loop {
            // The lock is not held while the connection is looked at.
            let (_, mut connection) = self.idle().connections.pop()?;
            if connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps an idle connection. True where the pool has to be told of this origin.
    pub(super) fn put(&self, connection: Box<Http1Connection>) -> bool {
        let now = clock::monotonic_now();
        let mut idle = self.idle();
        if idle.connections.len() >= MOST_IDLE {
            // Closed outside of the lock.
            drop(idle);
            return false;
        }
        idle.connections.push((now, connection));
        !std::mem::replace(&mut idle.watched, true)
    }

    /// Drops what is old or was closed by the other side. The lock is held only to take some out and put the good ones
    /// back: looking at a connection costs a system call.
    pub(super) async fn sweep(&self) {
        let mut good = 0;
        loop {
            let mut batch: Vec<_> = {
                let mut idle = self.idle();
                let from = good.min(idle.connections.len());
                let to = (from + SWEPT_AT_ONCE).min(idle.connections.len());
                idle.connections.drain(from..to).collect()
            };
            if batch.is_empty() {
                return;
            }
            let now = clock::monotonic_now();
            batch.retain_mut(|(since, connection)| {
                now.saturating_duration_since(*since) < LONGEST_IDLE && connection.is_idle()
            });
            {
                let mut idle = self.idle();
                let at = good.min(idle.connections.len());
                good = at + batch.len();
                idle.connections.splice(at..at, batch);
            }
            tokio::task::yield_now().await;
        }
    }

    /// True where nothing is idle; from then on the next [`Self::put`] tells the pool again.
    pub(super) fn retire_if_empty(&self) -> bool {
        let mut idle = self.idle();
        let empty = idle.connections.is_empty();
        idle.watched = !empty;
        empty
    }

    /// Drops every idle connection.
    pub(super) fn clear(&self) {
        let connections = {
            let mut idle = self.idle();
            idle.watched = false;
            std::mem::take(&mut idle.connections)
        };
        drop(connections);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use hyper_util::rt::TokioIo;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::upstream::stream::Transport;

    #[tokio::test]
    async fn r1_19_a_sweep_goes_in_steps_drops_the_closed_and_keeps_the_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = UpstreamOrigin::new(false, "127.0.0.1", address.port());
        let mut servers = Vec::new();
        for number in 0..40 {
            let stream = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            // Every third one is closed by the other side.
            if number % 3 != 0 {
                servers.push(server);
            }
            let io = TokioIo::new(Transport::Plain(stream).into());
            let asked = origin.put(Http1Connection::new(io).await.unwrap());
            assert_eq!(asked, number == 0, "the pool is told once");
        }
        let before: Vec<Instant> = origin.idle().connections.iter().map(|(since, _)| *since).collect();
        // The ends arrive with the turns of the runtime.
        let mut sweeps = 0;
        while origin.idle().connections.len() > servers.len() {
            let mut sweep = std::pin::pin!(origin.sweep());
            let mut steps = 0;
            while sweep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                // Between two steps others take and put.
                assert!(origin.idle.try_lock().is_ok());
                steps += 1;
            }
            assert!(steps >= 2, "{steps}");
            sweeps += 1;
            assert!(sweeps < 10_000, "{} are left", origin.idle().connections.len());
            tokio::task::yield_now().await;
        }
        let after: Vec<Instant> = origin.idle().connections.iter().map(|(since, _)| *since).collect();
        let expected: Vec<Instant> = before.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, at)| *at).collect();
        assert_eq!(after, expected);
        assert!(!origin.retire_if_empty() && origin.take().is_some());
        origin.clear();
        assert!(origin.retire_if_empty() && origin.take().is_none());
    }
}
