//! Waiting on conditions, always with a deadline. The only place of the harness that lets time pass.

use std::time::{Duration, Instant};

use bitrouter_proto::clock;

/// How long a test waits for what must happen. Generous, because a slow machine is no bug.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is asked that nobody can announce.
const TICK: Duration = Duration::from_millis(2);

/// Asks `probe` until it answers, and returns the answer.
///
/// # Panics
/// When `patience` is over; `what` says what never came.
#[track_caller]
pub fn until_within<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(patience);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(!deadline.is_over(), "waited {patience:?} in vain for {what}");
        pass(TICK);
    }
}

/// [`until_within`] with the usual [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_within(what, PATIENCE, probe)
}

/// Waits until `condition` holds.
#[track_caller]
pub fn holds(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// Watches that `condition` stays true for a whole `span`: for what must *not* happen.
#[track_caller]
pub fn stays(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Deadline::after(span);
    while !deadline.is_over() {
        assert!(condition(), "it did not last: {what}");
        pass(TICK);
    }
}

/// A point in time that does not move.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `patience` from now.
    pub fn after(patience: Duration) -> Self {
        Self(clock::monotonic_now() + patience)
    }

    /// What is left, zero when it is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(clock::monotonic_now())
    }

    /// True when nothing is left.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// Lets `span` pass: for a script that plays a slow peer, never to wait for somebody.
pub fn pass(span: Duration) {
    let deadline = Deadline::after(span);
    while !deadline.is_over() {
        std::thread::park_timeout(deadline.left());
    }
}
