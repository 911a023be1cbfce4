//! Drives HTTP/1.1 on one connection, bounds every wait of it, and ends it when the server drains.
//!
//! One timer per connection, moved only when a deadline comes nearer or it fires: requests that follow one another
//! quickly never touch it.

mod http2_reject;
mod idle_timer;
mod reply_body;
mod repoll;
mod service;
mod state;
mod stream;

use std::{
    future::{Future as _, poll_fn},
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use self::{
    idle_timer::{IdleTimer, TimerEvent},
    repoll::LocalRepoll,
    service::Service,
    state::{ConnectionState, WaitReason},
    stream::WatchedStream,
};
use super::{
    access::ListenerAuthorities,
    peer::Peer,
    shared::{Phase, Shared},
};

/// Serves the connection until it ends.
pub(super) async fn run(
    tcp: TcpStream,
    peer: Peer,
    own: Arc<ListenerAuthorities>,
    shared: Arc<Shared>,
    socket: Option<NonZeroU32>,
) {
    let state = ConnectionState::new(Arc::clone(&shared), socket);
    let stream = TokioIo::new(WatchedStream::new(tcp, Arc::clone(&state)));
    let service = Service::new(Arc::clone(&state), peer, own);
    let mut http = shared.http.serve_connection(stream, service);
    let mut draining = pin!(shared.draining.cancelled());
    let mut aborting = pin!(shared.aborting.cancelled());
    let mut interrupting = pin!(shared.interrupting.cancelled());
    let mut timer = pin!(IdleTimer::new(&state));
    let mut registered = false;
    let mut told = false;
    let mut repoll = None;
    let mut preface = false;
    poll_fn(|cx| {
        let repoll = repoll.get_or_insert_with(|| LocalRepoll::new(cx.waker()));
        if !registered {
            // SingleHeader is enough to be woken: a task keeps its waker. Afterwards the phase is one load.
            let _ = draining.as_mut().poll(cx);
            let _ = aborting.as_mut().poll(cx);
            let _ = interrupting.as_mut().poll(cx);
            registered = true;
        }
        if shared.phase() == Phase::Aborting {
            return Poll::Ready(());
        }
        if let Poll::Ready(done) = repoll.poll(Pin::new(&mut http), cx) {
            preface = done.as_ref().is_err_and(hyper::Error::is_parse_version_h2);
            note(done);
            return Poll::Ready(());
        }
        if state.watch_for_end()
            && let Poll::Ready(done) = repoll.poll(Pin::new(&mut http), cx)
        {
            note(done);
            return Poll::Ready(());
        }
        if state.caller_left() {
            return Poll::Ready(());
        }
        state.settle();
        let farewell = (shared.phase() == Phase::Draining && !told).then(|| shared.idle_until());
        let goodbye = farewell.is_some_and(|until| state.busy() || shared.now() >= until);
        let reply_was_the_last = !told && !state.busy() && state.is_last_reply();
        if goodbye || reply_was_the_last {
            told = true;
            Pin::new(&mut http).graceful_shutdown();
            if let Poll::Ready(done) = Pin::new(&mut http).poll(cx) {
                note(done);
                return Poll::Ready(());
            }
        }
        match timer.as_mut().poll_over(cx, farewell.filter(|_| !told)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(TimerEvent::Farewell) => {
                // Not reached while busy: the next poll says goodbye above.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(TimerEvent::Wait(WaitReason::Wakeup)) => {
                state.on_woken();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(TimerEvent::Wait(wait)) => {
                tracing::debug!(?wait, "closing a connection that waited too long");
                match wait {
                    WaitReason::WriteStalled => state.reset_on_drop(),
                    WaitReason::Idle => {
                        Pin::new(&mut http).graceful_shutdown();
                        if Pin::new(&mut http).poll(cx).is_pending() {
                            tracing::debug!("an idle connection did not close by itself");
                        }
                    }
                    WaitReason::Head | WaitReason::Body | WaitReason::Wakeup => {}
                }
                Poll::Ready(())
            }
        }
    })
    .await;
    if preface {
        // HTTP answers every other malformed head by itself.
        let parts = http.into_parts();
        let mut stream = parts.io.into_inner();
        let told = tokio::select! {
            biased;
            () = shared.aborting.cancelled() => return,
            told = http2_reject::refuse(&mut stream, parts.read_buf, shared.limits.linger) => told,
        };
        if let Err(error) = told {
            tracing::debug!(%error, "a client that speaks HTTP/2 was not told so");
        }
    }
}

fn note(done: Result<(), hyper::Error>) {
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}
