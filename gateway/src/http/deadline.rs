//! Waiting for a caller or a provider, within limits, and no longer than the daemon lives.
//!
//! No timer and no waiter is made for a request: its connection polls again when a limit has come
//! ([`CallerConnection::wake_at`]) and when the daemon ends what runs, and here it is looked at then.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;

use super::context::CallerConnection;
use crate::{interrupt::Interrupt, snapshot::Limits};

/// Why the waiting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitError {
    /// A limit of `[timeouts]` passed; its name.
    Deadline(&'static str),
    /// The daemon is ending.
    ShuttingDown,
}

/// When a limit passes, and its name in `[timeouts]`.
pub(super) type Deadline = (Instant, &'static str);

/// When the whole of a request must be over.
pub(super) fn total(started: Instant, limits: &Limits) -> Deadline {
    (started + limits.total, "total")
}

/// The earlier of two.
pub(super) fn earlier(one: Deadline, other: Deadline) -> Deadline {
    if other.0 < one.0 { other } else { one }
}

/// Waits for `work` until `limit`, which is asked anew each time.
pub(super) async fn within<T>(
    work: impl Future<Output = T>,
    interrupt: &Interrupt,
    connection: &dyn CallerConnection,
    mut limit: impl FnMut() -> Deadline,
) -> Result<T, WaitError> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        match check(interrupt, connection, limit()) {
            Some(over) => Poll::Ready(Err(over)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Says whether a wait is over; else its connection is told when to poll again.
fn check(interrupt: &Interrupt, connection: &dyn CallerConnection, (at, name): Deadline) -> Option<WaitError> {
    if interrupt.is_set() {
        return Some(WaitError::ShuttingDown);
    }
    if clock::monotonic_now() >= at {
        return Some(WaitError::Deadline(name));
    }
    connection.wake_at(Some(at));
    None
}

/// The limits of a reply that is on its way. They are looked at only where the provider has nothing to read: the time that a
/// caller takes to read counts against `total`, and is seen at the next such moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseDeadlines {
    between: Duration,
    total_at: Instant,
    waiting_since: Option<Instant>,
}

impl ResponseDeadlines {
    pub(super) fn new(limits: &Limits, started: Instant) -> Self {
        Self { between: limits.between_chunks, total_at: started + limits.total, waiting_since: None }
    }

    /// The provider has sent something.
    pub(super) fn on_progress(&mut self) {
        self.waiting_since = None;
    }

    /// The provider keeps us waiting, for at most `at_most` where that is less than `[timeouts] between_chunks`; what the time
    /// is, or why the wait is over.
    pub(super) fn check_pending(
        &mut self,
        interrupt: &Interrupt,
        connection: &dyn CallerConnection,
        at_most: Option<Duration>,
    ) -> Result<Instant, WaitError> {
        if interrupt.is_set() {
            return Err(WaitError::ShuttingDown);
        }
        let now = clock::monotonic_now();
        let since = *self.waiting_since.get_or_insert(now);
        let between = at_most.map_or(self.between, |most| most.min(self.between));
        let (at, name) = earlier((self.total_at, "total"), (since + between, "between_chunks"));
        if now >= at {
            return Err(WaitError::Deadline(name));
        }
        connection.wake_at(Some(at));
        Ok(now)
    }
}
