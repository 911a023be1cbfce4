//! Drives HTTP/1.1 on one connection, bounds every wait of it, and ends it when the server drains.
//!
//! One timer per connection, moved only when a deadline comes nearer or it fires: requests that follow one another
//! quickly never touch it.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Sleep};
use tokio_util::sync::CancellationToken;

use super::{
    guard::{Guard, Wait},
    peer::Peer,
    rules::OwnNames,
    serve::{Phase, Shared},
    service::Service,
    stream::WatchedStream,
};

/// Bytes that a request's head may have, and that a connection buffers in either direction.
const BUFFER: usize = 64 * 1024;

/// The HTTP/1.1 settings that all connections share.
///
/// Heads are timed by the connection's own watchdog. Replies are not held back for pipelined requests: hyper's
/// aggregation would withhold a reply for as long as the next request is incomplete.
pub(super) fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).half_close(false).keep_alive(true).max_buf_size(BUFFER).max_header_size(BUFFER);
    builder
}

/// Serves the connection until it ends.
pub(super) async fn run(tcp: TcpStream, peer: Peer, own: Arc<OwnNames>, shared: Arc<Shared>) {
    let guard = Guard::new(Arc::clone(&shared));
    let stream = TokioIo::new(WatchedStream::new(tcp, Arc::clone(&guard)));
    let close_after = CancellationToken::new();
    let service = Service::new(Arc::clone(&guard), peer, own, close_after.clone());
    let mut http = pin!(shared.http.serve_connection(stream, service));
    let mut draining = pin!(shared.draining.cancelled());
    let mut aborting = pin!(shared.aborting.cancelled());
    let mut closing = pin!(close_after.cancelled());
    let mut watchdog = pin!(Watchdog::new(&guard));
    let mut registered = false;
    let mut told = false;
    poll_fn(|cx| {
        if !registered {
            // Once is enough to be woken: a task keeps its waker. Afterwards the phase is one load.
            let _ = draining.as_mut().poll(cx);
            let _ = aborting.as_mut().poll(cx);
            let _ = closing.as_mut().poll(cx);
            registered = true;
        }
        if shared.phase() == Phase::Aborting {
            return Poll::Ready(());
        }
        if let Poll::Ready(done) = http.as_mut().poll(cx) {
            note(done);
            return Poll::Ready(());
        }
        guard.settle();
        let farewell = (shared.phase() == Phase::Draining && !told).then(|| shared.idle_until());
        let goodbye = farewell.is_some_and(|until| guard.busy() || shared.now() >= until);
        let reply_was_the_last = !told && !guard.busy() && close_after.is_cancelled();
        if goodbye || reply_was_the_last {
            told = true;
            http.as_mut().graceful_shutdown();
            if let Poll::Ready(done) = http.as_mut().poll(cx) {
                note(done);
                return Poll::Ready(());
            }
        }
        match watchdog.as_mut().poll_over(cx, farewell.filter(|_| !told)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Over::Farewell) => {
                // Not reached while busy: the next poll says goodbye above.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Over::Wait(wait)) => {
                tracing::debug!(?wait, "closing a connection that waited too long");
                match wait {
                    Wait::Read => guard.reset_on_drop(),
                    Wait::Idle => {
                        http.as_mut().graceful_shutdown();
                        if http.as_mut().poll(cx).is_pending() {
                            tracing::debug!("an idle connection did not close by itself");
                        }
                    }
                    Wait::Head | Wait::Body => {}
                }
                Poll::Ready(())
            }
        }
    })
    .await;
}

fn note(done: Result<(), hyper::Error>) {
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What the timer was armed for and is over.
enum Over {
    Wait(Wait),
    Farewell,
}

/// The one timer of a connection.
struct Watchdog<'a> {
    guard: &'a Guard,
    timer: Pin<Box<Sleep>>,
    armed: Option<u64>,
}

impl<'a> Watchdog<'a> {
    fn new(guard: &'a Guard) -> Self {
        let armed = guard.deadline().map_or(0, |(at, _)| at);
        let timer = Box::pin(tokio::time::sleep_until(guard.shared().instant(armed)));
        Self { guard, timer, armed: Some(armed) }
    }

    /// Ready when the connection has waited too long; `farewell` is when an idle connection is to be told goodbye.
    fn poll_over(mut self: Pin<&mut Self>, cx: &mut Context<'_>, farewell: Option<u64>) -> Poll<Over> {
        loop {
            let wait = self.guard.deadline().map(|(at, wait)| (at, Over::Wait(wait)));
            let bye = farewell.map(|at| (at, Over::Farewell));
            let next = match (wait, bye) {
                (Some(wait), Some(bye)) => Some(if bye.0 < wait.0 { bye } else { wait }),
                (wait, bye) => wait.or(bye),
            };
            let fired = self.armed.is_some() && self.timer.as_mut().poll(cx).is_ready();
            match next {
                Some((at, over)) if fired && at <= self.guard.shared().now() => return Poll::Ready(over),
                Some((at, _)) if fired || self.armed.is_none_or(|armed| at < armed) => {
                    let instant = self.guard.shared().instant(at);
                    self.timer.as_mut().reset(instant);
                    self.armed = Some(at);
                }
                Some(_) => return Poll::Pending,
                None => {
                    if fired {
                        self.armed = None;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
