//! What a connection is waiting for, and until when: the facts that its stream, its service and its timer share.
//!
//! All times are nanoseconds since the server started, 0 for "not". Everything but the state of the request body is
//! written by the connection's own task, so relaxed atomics are enough.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bitrouter_gateway::{
    http::CallerConnection, ports::RequestRecord, protocol::usage::TokenUsage, registry::ProviderId,
};

use crate::{
    activity::CallingConnection,
    listener::shared::{Phase, Shared},
};

/// What the timer would end a connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// The client takes nothing of what it was sent.
    WriteStalled,
    /// The rest of a request's body does not come.
    Body,
    /// The head of a request is not complete.
    Head,
    /// No request comes.
    Idle,
    /// Nothing: the running request asked to be looked at.
    Wakeup,
}

const BODY_DONE: u8 = 0;
const BODY_OPEN: u8 = 1;
const BODY_ABANDONED: u8 = 2;

/// The shared facts of one connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    shared: Arc<Shared>,
    busy: AtomicBool,
    head_started: AtomicBool,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    stalled_since: AtomicU64,
    body_awaited_since: AtomicU64,
    request_body: AtomicU8,
    reset_on_drop: AtomicBool,
    closing: AtomicBool,
    read_waits: AtomicBool,
    end_watched: AtomicBool,
    caller_left: AtomicBool,
    wake_at: AtomicU64,
    last_reply: AtomicBool,
    calls: Arc<CallingConnection>,
}

impl ConnectionState {
    /// A new connection: it must send its first head as if it had begun it.
    ///
    /// `socket` is the inode of the caller's end, where that is a program of the daemon's own user.
    pub(super) fn new(shared: Arc<Shared>, socket: Option<NonZeroU32>) -> Arc<Self> {
        let now = shared.now();
        let calls = shared.activity.connect(socket);
        Arc::new(Self {
            shared,
            busy: AtomicBool::new(false),
            head_started: AtomicBool::new(false),
            head_since: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            stalled_since: AtomicU64::new(0),
            body_awaited_since: AtomicU64::new(0),
            request_body: AtomicU8::new(BODY_DONE),
            reset_on_drop: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            read_waits: AtomicBool::new(false),
            end_watched: AtomicBool::new(false),
            caller_left: AtomicBool::new(false),
            wake_at: AtomicU64::new(0),
            last_reply: AtomicBool::new(false),
            calls,
        })
    }

    /// True while a request is being answered.
    pub(super) fn busy(&self) -> bool {
        self.busy.load(Relaxed)
    }

    /// Bytes came in.
    pub(super) fn on_read(&self) {
        if !self.busy() {
            self.head_started.store(true, Relaxed);
        }
    }

    /// HTTP asked for bytes; `waits` where it is woken by the next ones, or by the end of the connection.
    pub(super) fn on_read_asked(&self, waits: bool) {
        self.read_waits.store(waits, Relaxed);
    }

    /// Asks the stream to watch for the caller's leaving where HTTP does not: it has unread bytes of this caller and looks
    /// no further while it answers. True where the stream was not asked before.
    pub(super) fn watch_for_end(&self) -> bool {
        self.busy() && !self.read_waits.load(Relaxed) && !self.end_watched.swap(true, Relaxed)
    }

    /// True after [`ConnectionState::watch_for_end`], for the same request.
    pub(super) fn end_is_watched(&self) -> bool {
        self.end_watched.load(Relaxed)
    }

    /// The caller has closed its half of the connection, or all of it, behind bytes that nobody has read.
    pub(super) fn on_caller_left(&self) {
        self.caller_left.store(true, Relaxed);
    }

    /// True where the request that is being answered has no caller any more.
    pub(super) fn caller_left(&self) -> bool {
        self.caller_left.load(Relaxed) && self.busy()
    }

    /// The client took bytes.
    pub(super) fn on_written(&self) {
        self.stalled_since.store(0, Relaxed);
    }

    /// The client takes no bytes.
    pub(super) fn on_write_blocked(&self) {
        self.mark(&self.stalled_since);
    }

    fn mark(&self, since: &AtomicU64) {
        if since.load(Relaxed) == 0 {
            since.store(self.shared.now(), Relaxed);
        }
    }

    /// A head is complete and its request begins.
    pub(super) fn begin(self: &Arc<Self>, has_body: bool) -> InFlight {
        self.busy.store(true, Relaxed);
        self.end_watched.store(false, Relaxed);
        self.head_started.store(false, Relaxed);
        self.head_since.store(0, Relaxed);
        self.idle_since.store(0, Relaxed);
        self.request_body.store(if has_body { BODY_OPEN } else { BODY_DONE }, Relaxed);
        self.shared.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// True once the running reply is the connection's last.
    pub(super) fn is_last_reply(&self) -> bool {
        self.last_reply.load(Relaxed)
    }

    /// The running request is about to be looked at, as it asked.
    pub(super) fn on_woken(&self) {
        self.wake_at.store(0, Relaxed);
    }

    /// True when the connection cannot carry another request, since part of this one's body will never be read.
    pub(super) fn must_close(&self) -> bool {
        self.request_body.load(Relaxed) == BODY_ABANDONED
    }

    /// True when the client may still be sending: closing at once would reset the connection under our reply.
    pub(super) fn client_may_be_sending(&self) -> bool {
        self.request_body.load(Relaxed) != BODY_DONE || (!self.busy() && self.head_started.load(Relaxed))
    }

    /// How long a client that is still sending is listened to from now on: what was read of its body since the answer
    /// counts.
    pub(super) fn linger(&self) -> Duration {
        let limit = self.shared.limits.linger;
        let marks = [self.idle_since.load(Relaxed), self.head_since.load(Relaxed)];
        match marks.into_iter().filter(|since| *since != 0).min() {
            Some(answered) if self.must_close() => {
                limit.saturating_sub(Duration::from_nanos(self.shared.now().saturating_sub(answered)))
            }
            _ => limit,
        }
    }

    /// Brings the times up to date after the connection was driven as far as it goes.
    pub(super) fn settle(&self) {
        if self.busy() {
            return;
        }
        self.mark(if self.head_started.load(Relaxed) { &self.head_since } else { &self.idle_since });
    }

    /// The next moment at which the connection is to be ended, unless something happens before.
    pub(super) fn deadline(&self) -> Option<(u64, WaitReason)> {
        let limits = &self.shared.limits;
        for (since, wait) in
            [(&self.stalled_since, WaitReason::WriteStalled), (&self.body_awaited_since, WaitReason::Body)]
        {
            let since = since.load(Relaxed);
            if since != 0 {
                let over = after(since, self.shared.settings.load().total);
                let wake = self.wake_at.load(Relaxed);
                return Some(if wake != 0 && wake < over { (wake, WaitReason::Wakeup) } else { (over, wait) });
            }
        }
        if self.busy() {
            let wake = self.wake_at.load(Relaxed);
            return (wake != 0).then_some((wake, WaitReason::Wakeup));
        }
        let head = self.head_since.load(Relaxed);
        if head != 0 {
            let over = after(head, limits.head);
            // A request that has not begun is not waited for at the end; a reply's last bytes on their way are.
            let last = self.shared.phase() == Phase::Draining && !self.closing.load(Relaxed);
            return Some((if last { over.min(self.shared.idle_until()) } else { over }, WaitReason::Head));
        }
        Some((after(self.idle_since.load(Relaxed), limits.idle), WaitReason::Idle))
    }

    /// Our side is closed, and the client may still be reading.
    pub(super) fn on_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Closes with a reset: for a client that would otherwise keep the kernel's buffers occupied.
    pub(super) fn reset_on_drop(&self) {
        self.reset_on_drop.store(true, Relaxed);
    }

    /// True after [`ConnectionState::reset_on_drop`].
    pub(super) fn wants_reset(&self) -> bool {
        self.reset_on_drop.load(Relaxed)
    }

    /// The server's facts.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl CallerConnection for ConnectionState {
    fn close_after_reply(&self) {
        self.last_reply.store(true, Relaxed);
    }

    fn wake_at(&self, at: Option<Instant>) {
        self.wake_at.store(at.map_or(0, |at| self.shared.since_epoch(at)), Relaxed);
    }

    fn on_body_awaited(&self) {
        self.mark(&self.body_awaited_since);
    }

    fn on_body_read(&self) {
        self.body_awaited_since.store(0, Relaxed);
    }

    fn on_body_done(&self) {
        self.request_body.store(BODY_DONE, Relaxed);
        self.on_body_read();
    }

    fn on_routed(&self, provider: &ProviderId, model: &Arc<str>) {
        self.calls.on_routed(provider, model);
    }

    fn on_progress(&self, usage: &TokenUsage) {
        self.calls.on_progress(usage);
    }

    fn on_ended(&self, record: &RequestRecord) {
        self.shared.activity.on_ended(&self.calls, record);
    }

    fn on_body_dropped(&self) {
        self.request_body.compare_exchange(BODY_OPEN, BODY_ABANDONED, Relaxed, Relaxed).ok();
        self.on_body_read();
    }
}

fn after(since: u64, wait: Duration) -> u64 {
    since.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

/// Held from a request's head to the end of its reply.
#[derive(Debug)]
pub(super) struct InFlight(Arc<ConnectionState>);

impl InFlight {
    /// The connection.
    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.busy.store(false, Relaxed);
        self.0.wake_at.store(0, Relaxed);
        self.0.shared.in_flight.fetch_sub(1, Relaxed);
    }
}
