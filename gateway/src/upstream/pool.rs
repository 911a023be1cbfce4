//! Idle connections by origin: the one used last is used first, so that the others can end of old age.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use bitrouter_proto::{clock, tasks::Tasks};
use http::{Request, Response};
use tokio::task::AbortHandle;

use super::{Connector, RequestBody, UpstreamBody, UpstreamError, link::Link};
use crate::registry::Origin;

/// The most idle connections that are kept to one origin.
const MOST_IDLE: usize = 256;
/// How long an idle connection is kept.
const LONGEST_IDLE: Duration = Duration::from_mins(1);
/// How often idle connections are looked at, while there are any.
const SWEEP: Duration = Duration::from_secs(15);

/// Connections to providers.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<Idle>,
    tasks: Tasks,
    this: Weak<Pool>,
}

#[derive(Default)]
struct Idle {
    by_origin: HashMap<Arc<str>, Vec<(Instant, Box<Link>)>>,
    /// Runs only while something is idle.
    sweeper: Option<AbortHandle>,
}

impl Pool {
    pub(crate) fn new(connector: Connector, tasks: Tasks) -> Arc<Self> {
        Arc::new_cyclic(|this| Self { connector, idle: Mutex::default(), tasks, this: Weak::clone(this) })
    }

    /// Where connections are made.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends what `request` holds to `origin` and waits for the head of the reply. `connected` runs when the connection stands.
    ///
    /// A request that an idle connection hands back unsent is sent once more, on a new connection.
    pub(crate) async fn send(
        &self,
        origin: &Arc<Origin>,
        request: &mut Option<Request<RequestBody>>,
        limit: Duration,
        connected: impl Fn(),
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        if let Some(mut link) = self.take(origin) {
            connected();
            match link.exchange(request).await {
                Ok(reply) => return Ok(self.reply(origin, link, reply)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => *request = Some(unsent),
                    None => return Err(UpstreamError::exchange(&origin.host, failed.error())),
                },
            }
        }
        // Boxed, so that the many requests that need no new connection do not carry its state around.
        let mut link = Box::pin(self.connector.connect(origin, limit)).await?;
        connected();
        match link.exchange(request).await {
            Ok(reply) => Ok(self.reply(origin, link, reply)),
            Err(failed) => Err(UpstreamError::exchange(&origin.host, failed.error())),
        }
    }

    fn reply(
        &self,
        origin: &Arc<Origin>,
        link: Box<Link>,
        reply: Response<hyper::body::Incoming>,
    ) -> Response<UpstreamBody> {
        reply.map(|incoming| UpstreamBody::new(incoming, link, Arc::clone(origin), Weak::clone(&self.this)))
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, origin: &Origin) -> Option<Box<Link>> {
        loop {
            // The lock is not held while the connection is looked at.
            let (_, mut link) = self.lock().by_origin.get_mut(&origin.key)?.pop()?;
            if link.is_idle() {
                return Some(link);
            }
        }
    }

    pub(super) fn put(&self, origin: &Origin, link: Box<Link>) {
        let now = clock::mono();
        let mut idle = self.lock();
        let dropped = match idle.by_origin.get_mut(&origin.key) {
            Some(list) if list.len() < MOST_IDLE => {
                list.push((now, link));
                None
            }
            Some(_) => Some(link),
            None => {
                idle.by_origin.insert(Arc::clone(&origin.key), vec![(now, link)]);
                None
            }
        };
        if idle.sweeper.is_none() {
            let pool = Weak::clone(&self.this);
            idle.sweeper = Some(self.tasks.spawn("idle connections", async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    match pool.upgrade() {
                        Some(pool) if pool.sweep() => {}
                        _ => return,
                    }
                }
            }));
        }
        drop(idle);
        drop(dropped);
    }

    /// Drops what is old or was closed by the other side; false where nothing is left to look at.
    fn sweep(&self) -> bool {
        let now = clock::mono();
        let mut dead = Vec::new();
        let mut idle = self.lock();
        for list in idle.by_origin.values_mut() {
            let fresh = |(since, link): &mut (Instant, Box<Link>)| {
                now.saturating_duration_since(*since) < LONGEST_IDLE && link.is_idle()
            };
            dead.extend(list.extract_if(.., |entry| !fresh(entry)));
        }
        idle.by_origin.retain(|_, list| !list.is_empty());
        let more = !idle.by_origin.is_empty();
        if !more {
            idle.sweeper = None;
        }
        drop(idle);
        drop(dead);
        more
    }

    /// Drops every idle connection and ends the sweeper.
    pub(crate) fn clear(&self) {
        let idle = std::mem::take(&mut *self.lock());
        if let Some(sweeper) = idle.sweeper.as_ref() {
            sweeper.abort();
        }
    }
}
