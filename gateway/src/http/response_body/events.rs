//! A stream of events: whole ones pass, and what they say of the end and of usage is noted.

use bytes::Bytes;

use crate::protocol::{StreamState, sse::SseFramer, sse_event::is_whole_event, usage::TokenUsage};

/// The events of one reply.
#[derive(Debug)]
pub(super) struct EventStream {
    framer: SseFramer,
    state: StreamState,
}

impl EventStream {
    pub(super) fn new(state: StreamState) -> Self {
        Self { framer: SseFramer::default(), state }
    }

    /// Takes a piece; whole events and what they counted, or nothing as long as none has ended.
    pub(super) fn push(&mut self, piece: Bytes) -> Option<(Bytes, Option<TokenUsage>)> {
        let whole = self.framer.push(piece);
        if whole.is_empty() {
            return None;
        }
        let usage = self.state.read(&whole);
        Some((whole, usage))
    }

    /// The provider has ended the stream: the rest that still goes on; `None` where it broke off.
    pub(super) fn finish(&mut self) -> Option<(Bytes, Option<TokenUsage>)> {
        let is_cut = self.framer.is_inside_event();
        let rest = self.framer.finish();
        // An event without its empty line is still one where it is complete in itself; half of one shows that something
        // broke, however orderly the end of the connection was.
        if !self.state.is_done() && (is_cut || !is_whole_event(&rest)) {
            return None;
        }
        let usage = self.state.read(&rest);
        self.state.may_end().then_some((rest, usage))
    }

    /// Drops the beginning of an event that will not end; returns what must stand before an event of ours.
    pub(super) fn discard_partial(&mut self) -> &'static [u8] {
        self.framer.discard_partial()
    }

    /// True where the last event has passed.
    pub(super) fn is_done(&self) -> bool {
        self.state.is_done()
    }
}
