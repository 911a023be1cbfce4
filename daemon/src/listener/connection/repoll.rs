//! A future that wakes itself is polled again at once.
//!
//! The provider's connection and both bodies are polled by the task of the caller's connection, so that hyper wakes that
//! task several times per request from within its own poll. As a wake of the task each would cost a trip through the
//! scheduler.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::AcqRel},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Polls in a row before other tasks get their turn.
const POLLS_IN_A_ROW: usize = 8;

/// The future is being polled.
const POLLING: u8 = 1;
/// It was woken since its last poll began.
const WOKEN: u8 = 2;

/// Polls a future again at once where it woke itself.
pub(super) struct LocalRepoll {
    local: Arc<LocalWaker>,
    waker: Waker,
}

/// The waker of such a future: during a poll it only takes note, else it wakes the task.
struct LocalWaker {
    state: AtomicU8,
    task: Waker,
}

impl Wake for LocalWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever polls finds the note when it ends its poll: one word holds both, so that neither can miss the other.
        if self.state.fetch_or(WOKEN, AcqRel) & POLLING == 0 {
            self.task.wake_by_ref();
        }
    }
}

impl LocalRepoll {
    /// `task` is the waker of the task that polls, which keeps it for its life.
    pub(super) fn new(task: &Waker) -> Self {
        let local = Arc::new(LocalWaker { state: AtomicU8::new(0), task: task.clone() });
        let waker = Waker::from(Arc::clone(&local));
        Self { local, waker }
    }

    pub(super) fn poll<F: Future>(&self, mut future: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        for _ in 0..POLLS_IN_A_ROW {
            // A swap, not a store: it reads what a waker on another thread wrote before it left its note.
            self.local.state.swap(POLLING, AcqRel);
            let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            if self.local.state.swap(0, AcqRel) & WOKEN == 0 || polled.is_ready() {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_wake_during_the_poll_is_another_poll_and_one_after_it_wakes_the_task() {
        let count = Arc::new(Count::default());
        let task = Waker::from(Arc::clone(&count));
        let repoll = LocalRepoll::new(&task);
        let cx = Context::from_waker(&task);
        for (self_wakes, polls, wakes) in
            [(0, 1, 0), (1, 2, 0), (POLLS_IN_A_ROW - 1, POLLS_IN_A_ROW, 0), (POLLS_IN_A_ROW, POLLS_IN_A_ROW, 1)]
        {
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
            assert!(repoll.poll(future.as_mut(), &cx).is_pending());
            assert_eq!((polled, count.0.load(SeqCst)), (polls, wakes), "{self_wakes}");
            kept.unwrap().wake();
            assert_eq!(count.0.load(SeqCst), wakes + 1, "a wake between polls was lost");
        }
    }

    #[test]
    fn r1_19_wakes_from_another_thread_are_not_lost() {
        // The poll that finds the flag ends it; a lost wake would leave it pending with nobody to wake it.
        for _ in 0..2_000 {
            let flag = Arc::new(AtomicBool::new(false));
            let count = Arc::new(Count::default());
            let task = Waker::from(Arc::clone(&count));
            let repoll = LocalRepoll::new(&task);
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
            let first = repoll.poll(future.as_mut(), &Context::from_waker(&task));
            other.join().unwrap();
            assert!(first.is_ready() || count.0.load(SeqCst) > 0, "nobody would poll again");
        }
    }
}
