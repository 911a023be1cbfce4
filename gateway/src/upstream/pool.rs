//! Sends requests: on an idle connection of the origin, or on a new one. Idle connections stand in their origins; what is
//! shared is the list of origins that have any, for the sweep.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bitrouter_proto::tasks::Tasks;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::task::AbortHandle;

use super::{Connector, RequestBody, UpstreamBody, UpstreamError, UpstreamOrigin, http1_connection::Http1Connection};

/// How often idle connections are looked at, while there are any.
const SWEEP: Duration = Duration::from_secs(15);

/// A request body longer than this may still be on its way, or lie unread, when an error comes back.
const LONG_REQUEST: u64 = 64 << 10;

/// Connections to providers.
pub(crate) struct Pool {
    connector: Connector,
    watched: Mutex<Watched>,
    tasks: Tasks,
}

#[derive(Default)]
struct Watched {
    origins: Vec<Weak<UpstreamOrigin>>,
    /// Runs only while some origin has an idle connection.
    sweeper: Option<AbortHandle>,
}

impl Pool {
    pub(crate) fn new(connector: Connector, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { connector, watched: Mutex::default(), tasks })
    }

    /// Where connections are made.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends what `request` holds to `origin` and waits for the head of the reply. `connected` runs when the connection stands.
    ///
    /// A request that an idle connection hands back unsent is sent once more, on a new connection.
    pub(crate) async fn send(
        self: &Arc<Self>,
        origin: &Arc<UpstreamOrigin>,
        request: &mut Option<Request<RequestBody>>,
        limit: Duration,
        connected: impl Fn(),
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let long = request.as_ref().and_then(|request| request.body().size_hint().exact()) > Some(LONG_REQUEST);
        if let Some(mut connection) = origin.take() {
            connected();
            match connection.exchange(request).await {
                Ok(reply) => return Ok(self.reply(origin, connection, reply, long)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => *request = Some(unsent),
                    None => return Err(UpstreamError::exchange(&origin.host, failed.error())),
                },
            }
        }
        // Boxed, so that the many requests that need no new connection do not carry its state around.
        let mut connection = Box::pin(self.connector.connect(origin, limit)).await?;
        connected();
        match connection.exchange(request).await {
            Ok(reply) => Ok(self.reply(origin, connection, reply, long)),
            Err(failed) => Err(UpstreamError::exchange(&origin.host, failed.error())),
        }
    }

    fn reply(
        self: &Arc<Self>,
        origin: &Arc<UpstreamOrigin>,
        connection: Box<Http1Connection>,
        reply: Response<Incoming>,
        long: bool,
    ) -> Response<UpstreamBody> {
        // Who refuses a long request from its head closes a moment later, as often as not without saying so.
        let last = long && reply.status().as_u16() >= 400;
        reply.map(|incoming| UpstreamBody::new(incoming, connection, Arc::clone(origin), Arc::clone(self), last))
    }

    /// Keeps an idle connection for the next request to `origin`.
    pub(super) fn put(self: &Arc<Self>, origin: &Arc<UpstreamOrigin>, connection: Box<Http1Connection>) {
        if origin.put(connection) {
            self.watch(origin);
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(self: &Arc<Self>, origin: &Arc<UpstreamOrigin>) {
        let mut watched = self.watched();
        watched.origins.push(Arc::downgrade(origin));
        if watched.sweeper.is_none() {
            let pool = Arc::downgrade(self);
            watched.sweeper = Some(self.tasks.spawn("idle connections", async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    match pool.upgrade() {
                        Some(pool) if pool.sweep().await => {}
                        _ => return,
                    }
                }
            }));
        }
    }

    /// Sweeps every origin; false where nothing is left to look at.
    async fn sweep(&self) -> bool {
        let origins: Vec<_> = self.watched().origins.iter().filter_map(Weak::upgrade).collect();
        for origin in &origins {
            origin.sweep().await;
        }
        let mut watched = self.watched();
        watched.origins.retain(|origin| origin.upgrade().is_some_and(|origin| !origin.retire_if_empty()));
        let more = !watched.origins.is_empty();
        if !more {
            watched.sweeper = None;
        }
        more
    }

    /// Drops every idle connection and ends the sweeper.
    pub(crate) fn clear(&self) {
        let watched = std::mem::take(&mut *self.watched());
        if let Some(sweeper) = watched.sweeper.as_ref() {
            sweeper.abort();
        }
        for origin in watched.origins.iter().filter_map(Weak::upgrade) {
            origin.clear();
        }
    }
}
