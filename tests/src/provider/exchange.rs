//! One request as it arrived, and what became of its answer.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bitrouter_proto::clock;
use serde_json::Value;

use crate::wait::{Deadline, PATIENCE};

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number of the connection it came on, from 0.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The whole head, with its last empty line.
    pub head: Vec<u8>,
    /// The headers, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// When it had arrived whole.
    pub at: Instant,
}

impl Request {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The key it was sent with: what follows `Bearer`.
    pub fn key(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The model asked for.
    #[track_caller]
    pub fn model(&self) -> String {
        self.json()["model"].as_str().expect("a model").to_owned()
    }
}

/// A request and the fate of its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    fate: Mutex<Fate>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    sent: u64,
    left: Option<Instant>,
    finished: bool,
}

impl Exchange {
    pub(super) fn new(request: Request) -> Self {
        Self { request, fate: Mutex::default(), changed: Condvar::new() }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.fate().sent += bytes;
        self.changed.notify_all();
    }

    pub(super) fn left(&self) {
        self.fate().left.get_or_insert_with(clock::monotonic_now);
        self.changed.notify_all();
    }

    pub(super) fn finished(&self) {
        self.fate().finished = true;
        self.changed.notify_all();
    }

    /// How many bytes of the answer the kernel took so far.
    pub fn bytes_sent(&self) -> u64 {
        self.fate().sent
    }

    /// When the other side went away before the answer was complete, if it did.
    pub fn left_at(&self) -> Option<Instant> {
        self.fate().left
    }

    /// Waits until the other side goes away before the answer is complete, and says when that was.
    #[track_caller]
    pub fn wait_left(&self) -> Instant {
        let fate = self.wait("the other side to leave", |fate| fate.left.is_some());
        fate.left.expect("just seen")
    }

    /// Waits until the whole script was played.
    #[track_caller]
    pub fn wait_finished(&self) {
        self.wait("the answer to be complete", |fate| fate.finished);
    }

    /// Waits until at least so many bytes were taken.
    #[track_caller]
    pub fn wait_sent(&self, bytes: u64) {
        self.wait("the other side to read", |fate| fate.sent >= bytes);
    }

    #[track_caller]
    fn wait(&self, what: &str, condition: impl Fn(&Fate) -> bool) -> Fate {
        let deadline = Deadline::after(PATIENCE);
        let mut fate = self.fate();
        while !condition(&fate) {
            assert!(!deadline.is_over(), "waited in vain for {what}: {:?}", *fate);
            fate = self.changed.wait_timeout(fate, deadline.left()).unwrap_or_else(PoisonError::into_inner).0;
        }
        *fate
    }
}
