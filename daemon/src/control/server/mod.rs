//! Serves the control API on Unix sockets.
//!
//! [`accept`] takes connections and asks the kernel who is there; [`eviction`] keeps one greedy client from hurting another;
//! [`connection`] drives HTTP/2 on one; [`versioned`] is around every call; [`body_budget`] bounds what many send and
//! never end.

mod accept;
mod body_budget;
mod connection;
mod eviction;
mod versioned;

use std::{io, os::fd::OwnedFd, path::Path, sync::Arc, time::Duration};

use bitrouter_proto::tasks::Tasks;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName as _};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
use tokio_util::sync::CancellationToken;

use self::{accept::AcceptLoop, eviction::Connections, versioned::VersionedService};
use super::services;
use crate::{agent::Agent, rate_limited_warning::RateLimitedWarning, uid::overflow_uid};

/// How long open connections may take to end at shutdown.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A bound control socket that is not served yet.
#[derive(Debug)]
pub struct ControlListener {
    inner: interprocess::local_socket::tokio::Listener,
}

impl ControlListener {
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
pub struct ControlServer {
    tasks: Tasks,
    /// Ends accept loops and long streams.
    closing: CancellationToken,
    service: VersionedService,
    connections: Arc<Connections>,
    cap: usize,
}

impl ControlServer {
    /// Prepares the services; `cap` is the number of connections that may be open at once.
    ///
    /// # Errors
    /// When the embedded descriptors do not decode, which the build makes impossible.
    pub async fn new(agent: &Agent, cap: usize) -> Result<Self, tonic_reflection::server::Error> {
        let closing = CancellationToken::new();
        let service = VersionedService::new(services::all(agent, &closing).await?);
        Ok(Self { tasks: Tasks::new(), closing, service, connections: Arc::default(), cap })
    }

    /// Serves `listener` until [`ControlServer::close`]; answers a token that ends only this listener.
    pub fn serve(&self, listener: ControlListener) -> CancellationToken {
        let stop = self.closing.child_token();
        let accepting = AcceptLoop {
            tasks: self.tasks.clone(),
            closing: self.closing.clone(),
            stop: stop.clone(),
            service: self.service.clone(),
            connections: Arc::clone(&self.connections),
            cap: self.cap,
            overflow_uid: overflow_uid(),
            crowded: RateLimitedWarning::default(),
            other_users: std::collections::HashMap::new(),
        };
        self.tasks.spawn("control accept", accepting.run(listener));
        stop
    }

    /// Stops accepting, ends streams, lets calls answer, and after a bound ends what is left.
    pub async fn close(&self) {
        self.closing.cancel();
        if tokio::time::timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::debug!(open = self.connections.len(), "control connections were cut at the end");
        }
    }
}
