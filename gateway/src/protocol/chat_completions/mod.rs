//! OpenAI's chat completions, embeddings and model lists.

pub(super) mod error;
mod stream_end;
pub(super) mod usage;

use super::usage::TokenUsage;

/// What is known of a stream from the whole events that have passed.
#[derive(Debug)]
pub(crate) struct Stream {
    may_end: bool,
    is_done: bool,
}

impl Stream {
    /// A stream that must announce its end where only the end of its connection would mark it.
    pub(super) fn new(close_delimited: bool) -> Self {
        Self { may_end: !close_delimited, is_done: false }
    }

    /// Takes note of whole events; what they counted, where they did.
    pub(super) fn read(&mut self, events: &[u8]) -> Option<TokenUsage> {
        // Nothing that matters comes behind the last event.
        if self.is_done {
            return None;
        }
        self.is_done = stream_end::is_done(events);
        self.may_end = self.may_end || self.is_done || stream_end::announces_end(events);
        usage::in_events(events)
    }

    /// True where nothing can be missing.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// True where the end of the connection may be the end of the stream.
    pub(super) fn may_end(&self) -> bool {
        self.may_end
    }
}
