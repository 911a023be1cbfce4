//! A stream of content as server-sent events (`alt=sse`): a chunk an event, and no event that says the end.

use bytes::Bytes;

use super::{
    chunk::{self, Chunks},
    error,
};
use crate::{
    error::InferenceError,
    protocol::{
        sse_event::data_of,
        stream::{ContentEnd, EventReader, Progress},
        usage::TokenUsage,
    },
};

/// What its events have told so far.
#[derive(Debug, Default)]
pub(super) struct Events(Chunks);

impl EventReader for Events {
    fn read(&mut self, events: Bytes) -> Bytes {
        data_of(&events).for_each(|data| self.0.read(&data));
        events
    }

    fn progress(&self) -> Progress {
        self.0.progress()
    }

    fn has_failed(&self) -> bool {
        self.0.has_failed()
    }

    fn content_end(&self) -> ContentEnd {
        self.0.content_end()
    }

    fn error_event(&self, error: &InferenceError) -> Vec<u8> {
        [b"data: ", error::document(error).as_slice(), b"\n\n"].concat()
    }

    fn has_news(&self) -> bool {
        self.0.has_news()
    }

    fn take_usage(&mut self) -> Option<TokenUsage> {
        self.0.take_usage()
    }

    fn names(&self) -> &'static [&'static str] {
        chunk::NAMES
    }
}
