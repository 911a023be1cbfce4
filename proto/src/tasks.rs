//! Owned tasks: each has a name, a tracker that can wait for it, and a panic that is noticed.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, task::Poll};

use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// A group of tasks that end together. Cloning shares the group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a task of this group. A panic inside it is logged under `name` and ends only that task.
    #[expect(clippy::disallowed_methods, reason = "this is the one door")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let future = self.tracker.track_future(CatchPanic { name, future: Box::pin(future) });
        tokio::spawn(future).abort_handle()
    }

    /// Number of tasks that still run.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// True when no task runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until every task has ended. Tasks may still be added while waiting.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

struct CatchPanic<F> {
    name: &'static str,
    future: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for CatchPanic<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let name = self.name;
        let future = self.future.as_mut();
        let Ok(poll) = std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) else {
            tracing::error!(task = name, "a task panicked and was ended");
            return Poll::Ready(());
        };
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let tasks = Tasks::new();
        tasks.spawn("bad", async { panic!("on purpose") });
        let (tx, rx) = tokio::sync::oneshot::channel();
        tasks.spawn("good", async move {
            tx.send(7).ok();
        });
        assert_eq!(rx.await.unwrap(), 7);
        tasks.wait().await;
        assert!(tasks.is_empty());
    }
}
