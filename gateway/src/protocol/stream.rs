//! A reply that comes as a stream, followed on its way: what of it may go on, when it may end, what it counted, and how it
//! ends where it fails.

use std::fmt::Debug;

use bytes::Bytes;

use super::{
    content::Content,
    limit::OutputLimit,
    long_event::LongEvent,
    named_model::NamedModel,
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
    /// Its output has passed its limit: [`ReplyStream::cut`] ends it, and nothing more of it goes on.
    pub(crate) is_cut: bool,
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

    /// These events have come and do not go on: what ends the stream takes their place.
    fn withhold(&mut self, _events: &[u8]) {}

    /// The stream broke off with nothing missing: what its form still needs.
    fn complete(&mut self) -> Bytes {
        Bytes::new()
    }

    /// Only so much of its output goes on. Said before its first piece comes.
    fn set_limit(&mut self, limit: Box<OutputLimit>);

    /// The content of what did not fit where it is cut. It was made, and is charged, as far as the reservation goes.
    fn withheld(&self) -> Content;

    /// It is cut: what ends it, in its dialect's grammar, behind what has passed. `usage` is what is charged.
    fn cut(&mut self, usage: &TokenUsage) -> Bytes;

    /// The model is asked for that it names. Said before its first piece comes.
    fn seek_model(&mut self, named: Box<NamedModel>);

    /// The models that it has named, where that was asked for.
    fn models(&self) -> &[String];

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

    /// True where the connection may end in good order. Asked only where it has ended.
    fn may_end(&self) -> bool {
        self.progress() >= Progress::MayEnd
    }

    /// As [`ReplyStream::is_complete`].
    fn is_complete(&self) -> bool {
        self.progress() >= Progress::Complete
    }

    /// As [`ReplyStream::withhold`].
    fn withhold(&mut self, _events: &[u8]) {}

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
    limit: Option<Box<OutputLimit>>,
    model: Option<Box<NamedModel>>,
}

impl<R: EventReader> SseStream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { framer: SseFramer::default(), reader, has_begun: false, long: None, limit: None, model: None }
    }

    /// Shows whole events to the reader; returns those that go on.
    fn read(&mut self, events: Bytes) -> Bytes {
        if !std::mem::replace(&mut self.has_begun, true) && events.starts_with(BYTE_ORDER_MARK) {
            let rest = self.read_events(events.slice(BYTE_ORDER_MARK.len()..));
            return joined(BYTE_ORDER_MARK, &rest);
        }
        self.read_events(events)
    }

    fn read_events(&mut self, events: Bytes) -> Bytes {
        // What it costs may be another model's also where it is cut here.
        if let Some(model) = &mut self.model {
            model.read_events(&events);
        }
        let fitting = match &mut self.limit {
            Some(limit) => limit.fitting(events),
            None => events,
        };
        self.reader.read(fitting)
    }

    /// Follows a long event, of which a part comes; behind its end stand whole events. What of both goes on.
    fn read_long(&mut self, passed: Bytes) -> Bytes {
        let end = self.framer.long_event_end();
        let part = passed.slice(..end.unwrap_or(passed.len()));
        let names = self.reader.names();
        self.long.get_or_insert_with(|| Box::new(LongEvent::new(names))).push(&part);
        let short = end.and_then(|_| self.long.take()?.short());
        if let (Some(model), Some(short)) = (&mut self.model, &short) {
            model.read_events(short);
        }
        if let Some(limit) = &mut self.limit {
            let fits =
                if end.is_some() { limit.fits_last_part(&part, short.as_deref()) } else { limit.fits_part(&part) };
            if !fits {
                return Bytes::new();
            }
        }
        if let Some(short) = short {
            // What it tells is told; it has passed itself.
            self.reader.read(short);
        }
        let rest = passed.slice(part.len()..);
        if rest.is_empty() { passed } else { joined(&part, &self.read(rest)) }
    }

    /// True once the output has passed its limit.
    fn is_cut(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_cut())
    }
}

impl<R: EventReader> ReplyStream for SseStream<R> {
    fn push(&mut self, piece: Bytes) -> Bytes {
        if self.is_cut() {
            return Bytes::new();
        }
        let passed = self.framer.push(piece);
        if passed.is_empty() {
            return passed;
        }
        if self.long.is_none() && !self.framer.is_inside_event() {
            return self.read(passed);
        }
        self.has_begun = true;
        self.read_long(passed)
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
        let may_end = self.reader.may_end() || self.reader.is_complete() || self.is_cut();
        may_end.then_some(rest)
    }

    fn status(&self) -> StreamStatus {
        let (progress, has_news) = (self.reader.progress(), self.reader.has_news());
        StreamStatus { progress, has_news, is_cut: self.is_cut() }
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    fn fail(&mut self, error: &InferenceError) -> Option<Bytes> {
        let before = self.framer.discard_partial();
        Some([before, &self.reader.error_event(error)].concat().into())
    }

    fn withhold(&mut self, events: &[u8]) {
        self.reader.withhold(events);
    }

    fn set_limit(&mut self, limit: Box<OutputLimit>) {
        self.limit = Some(limit);
    }

    fn withheld(&self) -> Content {
        self.limit.as_ref().map_or_else(Content::default, |limit| limit.withheld())
    }

    fn cut(&mut self, usage: &TokenUsage) -> Bytes {
        self.framer.discard_partial();
        self.limit.as_ref().map_or_else(Bytes::new, |limit| limit.last(usage).into())
    }

    fn seek_model(&mut self, named: Box<NamedModel>) {
        self.model = Some(named);
    }

    fn models(&self) -> &[String] {
        self.model.as_ref().map_or(&[], |model| model.found())
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
