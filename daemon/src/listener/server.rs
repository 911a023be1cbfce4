//! The server as the daemon holds it: started on open sockets, drained, waited for, and at last ended.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bitrouter_proto::{clock, tasks::Tasks};

use super::{
    accept::{self, Reception},
    access::ListenerAuthorities,
    options::{Audience, ServerOptions},
    shared::Shared,
};

/// A team's listeners get this part of the connections: whoever fills them locks out nobody of this machine.
const TEAM_PART: usize = 2;

/// A running server. Dropping it leaves it running.
#[derive(Debug)]
pub struct HttpServer {
    shared: Arc<Shared>,
    accepting: Tasks,
    serving: Tasks,
    addresses: Vec<SocketAddr>,
}

impl HttpServer {
    /// Serves on `listeners` (non-blocking, from [`super::bind`] or [`super::adopt`]), each with whom it is for. Must be called
    /// on a runtime.
    pub fn start(
        listeners: impl IntoIterator<Item = (Audience, std::net::TcpListener)>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(options));
        let opened = listeners
            .into_iter()
            .map(|(audience, listener)| {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Ok((audience, listener.local_addr()?, listener))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let all = shared.limits.connections;
        let for_team =
            if opened.iter().any(|(audience, ..)| *audience == Audience::Team) { all / TEAM_PART } else { 0 };
        let this_machine = Arc::new(Reception::new(Audience::ThisMachine, all - for_team));
        let team = Arc::new(Reception::new(Audience::Team, for_team));
        let (accepting, serving) = (Tasks::new(), Tasks::new());
        let addresses = opened.iter().map(|(_, address, _)| *address).collect();
        for (audience, address, listener) in opened {
            let own = Arc::new(ListenerAuthorities::new(address));
            let reception = match audience {
                Audience::ThisMachine => &this_machine,
                Audience::Team => &team,
            };
            let run = accept::run(listener, own, Arc::clone(reception), Arc::clone(&shared), serving.clone());
            accepting.spawn("http accept", run);
        }
        Ok(Self { shared, accepting, serving, addresses })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Relaxed)
    }

    /// Requests whose reply has not ended.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Relaxed)
    }

    /// Closes the listeners, then lets connections end: each next reply says `Connection: close`, and a connection that
    /// is still idle after `idle_grace` is closed. Returns when the listeners are closed. The first call counts: connections
    /// that wait for the end of their grace are not woken by another.
    pub async fn drain(&self, idle_grace: Duration) {
        self.shared.drain(clock::monotonic_now() + idle_grace);
        self.accepting.wait().await;
    }

    /// Waits until every connection has ended; false if `deadline` comes first.
    pub async fn wait_idle(&self, deadline: Instant) -> bool {
        tokio::time::timeout_at(deadline.into(), self.serving.wait()).await.is_ok()
    }

    /// Has every connection look at its running request once more, after the service was told to end them.
    pub fn wake_connections(&self) {
        self.shared.interrupting.cancel();
    }

    /// Drops what is left, in the middle of whatever it does, and waits until it is gone.
    pub async fn abort_all(&self) {
        self.shared.abort();
        self.accepting.wait().await;
        self.serving.wait().await;
    }
}
