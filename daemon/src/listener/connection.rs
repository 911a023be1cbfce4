//! Drives HTTP/1.1 on one connection, bounds every wait of it, and ends it when the server drains.
//!
//! One timer per connection, moved only when a deadline comes nearer or it fires: requests that follow one another
//! quickly never touch it.
//!
//! The provider's connection and both bodies are polled by this very task, so that HTTP wakes itself several times per
//! request. Such a wake is another turn at once; as a wake of the task it would cost a trip through the scheduler.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Sleep};

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

/// The answer to the preface of HTTP/2.
const NOT_HTTP_1: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Turns in a row before other tasks get theirs.
const TURNS: usize = 8;

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
    let service = Service::new(Arc::clone(&guard), peer, own);
    let mut http = shared.http.serve_connection(stream, service);
    let mut draining = pin!(shared.draining.cancelled());
    let mut aborting = pin!(shared.aborting.cancelled());
    let mut interrupting = pin!(shared.interrupting.cancelled());
    let mut watchdog = pin!(Watchdog::new(&guard));
    let mut registered = false;
    let mut told = false;
    let mut turns = None;
    let mut preface = false;
    poll_fn(|cx| {
        let turns = turns.get_or_insert_with(|| Turns::new(cx.waker()));
        if !registered {
            // Once is enough to be woken: a task keeps its waker. Afterwards the phase is one load.
            let _ = draining.as_mut().poll(cx);
            let _ = aborting.as_mut().poll(cx);
            let _ = interrupting.as_mut().poll(cx);
            registered = true;
        }
        if shared.phase() == Phase::Aborting {
            return Poll::Ready(());
        }
        if let Poll::Ready(done) = turns.poll(Pin::new(&mut http), cx) {
            preface = done.as_ref().is_err_and(hyper::Error::is_parse_version_h2);
            note(done);
            return Poll::Ready(());
        }
        if guard.watch_for_end()
            && let Poll::Ready(done) = turns.poll(Pin::new(&mut http), cx)
        {
            note(done);
            return Poll::Ready(());
        }
        if guard.caller_left() {
            return Poll::Ready(());
        }
        guard.settle();
        let farewell = (shared.phase() == Phase::Draining && !told).then(|| shared.idle_until());
        let goodbye = farewell.is_some_and(|until| guard.busy() || shared.now() >= until);
        let reply_was_the_last = !told && !guard.busy() && guard.is_last_reply();
        if goodbye || reply_was_the_last {
            told = true;
            Pin::new(&mut http).graceful_shutdown();
            if let Poll::Ready(done) = Pin::new(&mut http).poll(cx) {
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
            Poll::Ready(Over::Wait(Wait::Request)) => {
                guard.on_woken();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Over::Wait(wait)) => {
                tracing::debug!(?wait, "closing a connection that waited too long");
                match wait {
                    Wait::Read => guard.reset_on_drop(),
                    Wait::Idle => {
                        Pin::new(&mut http).graceful_shutdown();
                        if Pin::new(&mut http).poll(cx).is_pending() {
                            tracing::debug!("an idle connection did not close by itself");
                        }
                    }
                    Wait::Head | Wait::Body | Wait::Request => {}
                }
                Poll::Ready(())
            }
        }
    })
    .await;
    if preface {
        // HTTP answers every other malformed head by itself.
        let mut stream = http.into_parts().io.into_inner();
        let answered = async { stream.write_all(NOT_HTTP_1).await.and(stream.shutdown().await) };
        if let Err(error) = answered.await {
            tracing::debug!(%error, "a client that speaks HTTP/2 was not told so");
        }
    }
}

fn note(done: Result<(), hyper::Error>) {
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Polls a future again at once where it woke itself.
struct Turns {
    turn: Arc<Turn>,
    waker: Waker,
}

/// The waker of such a future.
struct Turn {
    polling: AtomicBool,
    woken: AtomicBool,
    task: Waker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order, and in the opposite one below: a wake that finds `polling` set is always found in `woken`.
        self.woken.store(true, SeqCst);
        if !self.polling.load(SeqCst) {
            self.task.wake_by_ref();
        }
    }
}

impl Turns {
    /// `task` is the waker of the task that polls, which keeps it for its life.
    fn new(task: &Waker) -> Self {
        let turn =
            Arc::new(Turn { polling: AtomicBool::new(false), woken: AtomicBool::new(false), task: task.clone() });
        let waker = Waker::from(Arc::clone(&turn));
        Self { turn, waker }
    }

    fn poll<F: Future>(&self, mut future: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        for _ in 0..TURNS {
            self.turn.woken.store(false, SeqCst);
            self.turn.polling.store(true, SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            self.turn.polling.store(false, SeqCst);
            if polled.is_ready() || !self.turn.woken.load(SeqCst) {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_wake_during_the_poll_is_another_turn_and_one_after_it_wakes_the_task() {
        let count = Arc::new(Count::default());
        let task = Waker::from(Arc::clone(&count));
        let turns = Turns::new(&task);
        let cx = Context::from_waker(&task);
        for (self_wakes, polls, wakes) in [(0, 1, 0), (1, 2, 0), (TURNS - 1, TURNS, 0), (TURNS, TURNS, 1)] {
            count.0.store(0, SeqCst);
            let mut polled = 0;
            let mut kept = None;
            let mut future = pin!(poll_fn(|cx| {
                polled += 1;
                if polled <= self_wakes {
                    cx.waker().wake_by_ref();
                }
                kept = Some(cx.waker().clone());
                Poll::<()>::Pending
            }));
            assert!(turns.poll(future.as_mut(), &cx).is_pending());
            assert_eq!((polled, count.0.load(SeqCst)), (polls, wakes), "{self_wakes}");
            kept.unwrap().wake();
            assert_eq!(count.0.load(SeqCst), wakes + 1, "a wake between polls was lost");
        }
    }

    #[test]
    fn wakes_from_another_thread_are_not_lost() {
        // The poll that finds the flag ends it; a lost wake would leave it pending with nobody to wake it.
        for _ in 0..2_000 {
            let flag = Arc::new(AtomicBool::new(false));
            let count = Arc::new(Count::default());
            let task = Waker::from(Arc::clone(&count));
            let turns = Turns::new(&task);
            let (give, take) = std::sync::mpsc::sync_channel::<Waker>(1);
            let mut given = false;
            let other = std::thread::spawn({
                let flag = Arc::clone(&flag);
                move || {
                    let waker = take.recv().unwrap();
                    flag.store(true, SeqCst);
                    waker.wake();
                }
            });
            let mut future = pin!(poll_fn(|cx| {
                if flag.load(SeqCst) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut given, true) {
                    give.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            }));
            let first = turns.poll(future.as_mut(), &Context::from_waker(&task));
            other.join().unwrap();
            assert!(first.is_ready() || count.0.load(SeqCst) > 0, "nobody would poll again");
        }
    }
}
