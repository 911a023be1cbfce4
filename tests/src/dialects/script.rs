//! How a scripted provider speaks: with which key, in which line ends, cut where; and what it remembers.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    event::{Event, Newline},
    mind::Behaviour,
    responses_store::Stored,
};
use crate::provider::{Reply, Request};

/// A scripted provider's manner. Cloning shares what it remembers.
#[derive(Clone, Debug, Default)]
pub struct Script {
    key: Option<String>,
    newline: Newline,
    sizes: Vec<usize>,
    replies: Arc<AtomicUsize>,
    stored: Arc<Mutex<Stored>>,
}

/// A stream before it is sent: its frames, and those that it ends with where it breaks.
pub(super) struct Stream {
    /// Header lines of its own.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The frames.
    pub(super) frames: Vec<String>,
    /// The frames of an error in its middle.
    pub(super) broken: Vec<String>,
}

impl Script {
    /// Any key, LF, uncut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses every other key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Ends lines with CRLF.
    #[must_use]
    pub fn crlf(mut self) -> Self {
        self.newline = Newline::CrLf;
        self
    }

    /// Sends so many bytes at a time: cuts land inside heads, frames and characters.
    #[must_use]
    pub fn cut_every(self, size: usize) -> Self {
        self.cut_by(&[size])
    }

    /// Sends pieces of these sizes in turn. Each answer begins with another of them, so that the same answer is cut in
    /// another place each time.
    #[must_use]
    pub fn cut_by(mut self, sizes: &[usize]) -> Self {
        self.sizes = sizes.to_vec();
        self
    }

    /// The key that a request must carry, where one is told.
    pub(super) fn wanted_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events as they are sent.
    pub(super) fn frames(&self, events: &[Event]) -> Vec<String> {
        events.iter().map(|event| event.frame(self.newline)).collect()
    }

    /// A whole answer.
    pub(super) fn whole(&self, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        let headers: Vec<_> =
            [("content-type", "application/json")].into_iter().chain(headers.iter().copied()).collect();
        self.cut(Reply::with(status, &headers, body))
    }

    /// A stream, or what the model's name makes of it.
    pub(super) fn stream(&self, behaviour: Behaviour, stream: &Stream) -> Reply {
        let headers: Vec<(&str, &str)> = stream.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let head = Reply::stream_with(200, &headers);
        let half = stream.frames.len() / 2;
        let begun = |head: Reply| stream.frames[..half].iter().fold(head, Reply::piece);
        let reply = match behaviour {
            Behaviour::Answer | Behaviour::Refuse(_) => stream.frames.iter().fold(head, Reply::piece).end(),
            Behaviour::Break => stream.broken.iter().fold(begun(head), Reply::piece).end(),
            Behaviour::Truncate => begun(head).end(),
            Behaviour::HangUp => begun(head).close(),
            Behaviour::Stall => begun(head).stall(),
        };
        self.cut(reply)
    }

    /// No answer at all.
    pub(super) fn silence() -> Reply {
        Reply::nothing().stall()
    }

    fn cut(&self, reply: Reply) -> Reply {
        if self.sizes.is_empty() {
            return reply;
        }
        let first = self.replies.fetch_add(1, Ordering::Relaxed);
        let mut sizes = self.sizes.iter().cycle().skip(first % self.sizes.len());
        reply.cut_by(|| sizes.next().copied().unwrap_or(1))
    }
}

/// The path of a request, without its query.
pub(super) fn path(request: &Request) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

/// The value of a member of the query, as it stands there.
pub(super) fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let (_, query) = request.target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A page of `items`, as `limit` and the id behind `after` say, and whether more follow.
pub(super) fn page<T: Clone>(
    items: &[T],
    id: impl Fn(&T) -> String,
    limit: Option<&str>,
    after: Option<&str>,
) -> (Vec<T>, bool) {
    let from = after.and_then(|after| items.iter().position(|item| id(item) == after)).map_or(0, |at| at + 1);
    let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let rest = &items[from..];
    (rest.iter().take(limit).cloned().collect(), rest.len() > limit)
}
