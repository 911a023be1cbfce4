//! A connection that calls: the call that runs on it, and whose it is once somebody has looked.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bitrouter_gateway::{
    protocol::usage::{InputTokens, OutputTokens, TokenUsage},
    registry::ProviderId,
};
use bitrouter_proto::clock;

use super::owner::Owner;

/// A connection. HTTP/1.1 has one call at a time on it.
#[derive(Debug)]
pub(crate) struct CallingConnection {
    /// The inode of the socket at the other end, where that is a program of the daemon's own user.
    socket: Option<NonZeroU32>,
    /// Whose it is; `None` in it: it was looked for and not found.
    owner: OnceLock<Option<Owner>>,
    running: Mutex<Option<Running>>,
    /// Tokens of the running call as far as they are told.
    is_told: AtomicBool,
    tokens_in: AtomicU64,
    tokens_out: AtomicU64,
}

/// The call that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) began: Instant,
    pub(super) provider: ProviderId,
    pub(super) model: Arc<str>,
}

impl CallingConnection {
    pub(super) fn new(socket: Option<NonZeroU32>) -> Self {
        Self {
            socket,
            owner: OnceLock::new(),
            running: Mutex::default(),
            is_told: AtomicBool::new(false),
            tokens_in: AtomicU64::new(0),
            tokens_out: AtomicU64::new(0),
        }
    }

    /// A call of it goes to this model.
    pub(crate) fn on_routed(&self, provider: &ProviderId, model: &Arc<str>) {
        let running = Running { began: clock::monotonic_now(), provider: provider.clone(), model: Arc::clone(model) };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }

    /// So much was used until now.
    pub(crate) fn on_progress(&self, usage: &TokenUsage) {
        let (tokens_in, tokens_out) = counted(usage);
        self.tokens_in.store(tokens_in, Relaxed);
        self.tokens_out.store(tokens_out, Relaxed);
        self.is_told.store(true, Relaxed);
    }

    /// No call runs on it any more.
    pub(super) fn on_ended(&self) {
        self.is_told.store(false, Relaxed);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The inode of the socket at the other end.
    pub(super) fn socket(&self) -> Option<NonZeroU32> {
        self.socket
    }

    /// The call that runs on it.
    pub(super) fn running(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tokens in and out of the running call, where somebody counts while it runs.
    pub(super) fn told(&self) -> Option<(u64, u64)> {
        self.is_told.load(Relaxed).then(|| (self.tokens_in.load(Relaxed), self.tokens_out.load(Relaxed)))
    }

    /// True where it can be looked up, and nobody has.
    pub(super) fn is_unknown(&self) -> bool {
        self.socket.is_some() && self.owner.get().is_none()
    }

    /// It was looked up.
    pub(super) fn set_owner(&self, owner: Option<Owner>) {
        // Who came first has looked no less closely.
        let _ = self.owner.set(owner);
    }

    /// Whose it is, where that was found.
    pub(super) fn owner(&self) -> Option<&Owner> {
        self.owner.get()?.as_ref()
    }
}

/// Tokens in and out.
pub(super) fn counted(usage: &TokenUsage) -> (u64, u64) {
    (usage.input.map_or(0, InputTokens::total), usage.output.map_or(0, OutputTokens::total))
}
