//! A reply that comes as a stream, followed on its way: what of it may go on, when it may end, what it counted, and how it
//! ends where it fails.

use std::fmt::Debug;

use bytes::Bytes;

use super::{
    long_event::LongEvent,
    sse::SseFramer,
    sse_event::{BYTE_ORDER_MARK, is_whole_event},
    usage::TokenUsage,
};
use crate::error::InferenceError;

/// How far a stream has come, by its own grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// More must come.
    Open,
    /// The connection may end in good order.
    MayEnd,
    /// Nothing is missing, so that whatever breaks now is no failure; more may come.
    Complete,
    /// The last event has passed.
    Ended,
}

/// Whether more content can come, as far as the stream told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentEnd {
    /// It can.
    Open,
    /// None is due, but what was used has not been told.
    Uncounted,
    /// None is due, and what was used has been told.
    Counted,
}

/// What a stream is after a piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamStatus {
    /// How far it has come.
    pub(crate) progress: Progress,
    /// It has told something that was not taken yet: what it counted, or an id.
    pub(crate) has_news: bool,
}

/// A stream on its way.
pub(crate) trait ReplyStream: Debug + Send {
    /// Takes a piece; returns what may go on now (nothing, as long as no event has ended).
    fn push(&mut self, piece: Bytes) -> Bytes;

    /// The provider has ended the stream: the rest that still goes on; `None` where it broke off.
    fn finish(&mut self) -> Option<Bytes>;

    /// What it is now.
    fn status(&self) -> StreamStatus;

    /// True where nothing is missing, so that whatever breaks now is no failure. Asked only where something breaks.
    fn is_complete(&self) -> bool {
        self.status().progress >= Progress::Complete
    }

    /// The stream has failed: what ends it. `None` where nothing can, so that only the end of the connection tells.
    fn fail(&mut self, error: &InferenceError) -> Option<Bytes>;

    /// The stream broke off with nothing missing: what its form still needs.
    fn complete(&mut self) -> Bytes {
        Bytes::new()
    }

    /// What was counted since this was asked last.
    fn take_usage(&mut self) -> Option<TokenUsage>;

    /// True where the provider itself told that it has failed. Asked only at its end.
    fn has_failed(&self) -> bool;

    /// Whether its content is over. Asked only where its caller has left.
    fn content_end(&self) -> ContentEnd;

    /// The ids by which the provider has stored what it makes, each once: the reply's own before those of its parts.
    fn take_ids(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// It goes on with the response that is stored under this id, which its events need not tell again.
    fn is_of_response(&mut self, _id: &str) {}
}

/// What one dialect reads in its events.
pub(super) trait EventReader: Debug + Send {
    /// Takes note of whole events; returns those that go on.
    fn read(&mut self, events: Bytes) -> Bytes;

    /// How far the stream has come.
    fn progress(&self) -> Progress;

    /// As [`ReplyStream::is_complete`].
    fn is_complete(&self) -> bool {
        self.progress() >= Progress::Complete
    }

    /// The events that end a stream which fails.
    fn error_event(&self, error: &InferenceError) -> Vec<u8>;

    /// What was counted since this was asked last.
    fn take_usage(&mut self) -> Option<TokenUsage>;

    /// True where something was told that was not taken yet.
    fn has_news(&self) -> bool;

    /// As [`ReplyStream::has_failed`].
    fn has_failed(&self) -> bool;

    /// As [`ReplyStream::content_end`].
    fn content_end(&self) -> ContentEnd;

    /// As [`ReplyStream::take_ids`].
    fn take_ids(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// As [`ReplyStream::is_of_response`].
    fn is_of_response(&mut self, _id: &str) {}

    /// The names of the members that are read of events, at whatever depth: an event that is too long to be held is shown
    /// with nothing else in it.
    fn names(&self) -> &'static [&'static str];
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(super) struct SseStream<R> {
    framer: SseFramer,
    reader: R,
    /// Something has passed.
    has_begun: bool,
    /// Follows the event of which the beginning has passed.
    long: Option<Box<LongEvent>>,
}

impl<R: EventReader> SseStream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { framer: SseFramer::default(), reader, has_begun: false, long: None }
    }

    /// Shows whole events to the reader; returns those that go on.
    fn read(&mut self, events: Bytes) -> Bytes {
        if !std::mem::replace(&mut self.has_begun, true) && events.starts_with(BYTE_ORDER_MARK) {
            let rest = self.reader.read(events.slice(BYTE_ORDER_MARK.len()..));
            return joined(BYTE_ORDER_MARK, &rest);
        }
        self.reader.read(events)
    }

    /// Follows a long event; returns the whole events behind its end, where that has come.
    fn follow_long(&mut self, passed: &Bytes) -> Option<Bytes> {
        let end = self.framer.long_event_end();
        let names = self.reader.names();
        let long = self.long.get_or_insert_with(|| Box::new(LongEvent::new(names)));
        long.push(&passed[..end.unwrap_or(passed.len())]);
        let end = end?;
        if let Some(short) = self.long.take().and_then(|long| long.short()) {
            // What it tells is told; it has passed itself.
            self.reader.read(short);
        }
        Some(passed.slice(end..))
    }
}

impl<R: EventReader> ReplyStream for SseStream<R> {
    fn push(&mut self, piece: Bytes) -> Bytes {
        let passed = self.framer.push(piece);
        if passed.is_empty() {
            return passed;
        }
        if self.long.is_none() && !self.framer.is_inside_event() {
            return self.read(passed);
        }
        self.has_begun = true;
        match self.follow_long(&passed) {
            Some(rest) if !rest.is_empty() => {
                let long = passed.slice(..passed.len() - rest.len());
                joined(&long, &self.reader.read(rest))
            }
            _ => passed,
        }
    }

    fn finish(&mut self) -> Option<Bytes> {
        let is_cut = self.framer.is_inside_event();
        let rest = self.framer.finish();
        if is_cut || !is_whole_event(&rest) {
            // Half an event shows that something broke, however orderly the end of the connection was; it stays behind.
            return self.reader.is_complete().then(Bytes::new);
        }
        // An event without its empty line is still one where it is complete in itself.
        let rest = if rest.is_empty() { rest } else { self.read(rest) };
        (self.reader.progress() >= Progress::MayEnd || self.reader.is_complete()).then_some(rest)
    }

    fn status(&self) -> StreamStatus {
        StreamStatus { progress: self.reader.progress(), has_news: self.reader.has_news() }
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    fn fail(&mut self, error: &InferenceError) -> Option<Bytes> {
        let before = self.framer.discard_partial();
        Some([before, &self.reader.error_event(error)].concat().into())
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        self.reader.take_usage()
    }

    fn has_failed(&self) -> bool {
        self.reader.has_failed()
    }

    fn content_end(&self) -> ContentEnd {
        self.reader.content_end()
    }

    fn take_ids(&mut self) -> Vec<String> {
        self.reader.take_ids()
    }

    fn is_of_response(&mut self, id: &str) {
        self.reader.is_of_response(id);
    }
}

fn joined(first: &[u8], second: &[u8]) -> Bytes {
    [first, second].concat().into()
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
