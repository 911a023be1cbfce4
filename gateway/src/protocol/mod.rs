//! Dialects of inference APIs, one folder each, and what they have in common. Pure functions over bytes: no network, no
//! keys, no clock.
//!
//! Nothing is ever parsed into a tree or written anew: a request keeps its bytes but for the model's name ([`splice`]),
//! which [`routing_fields`] finds by way of [`json_members`]; a reply keeps all of its bytes. [`sse`] cuts a stream where events end, [`sse_event`]
//! reads them, [`json_scan`] follows a document; both find the [`usage`] by its place.
//!
//! [`Dialect`] is the only place that knows which dialects there are.

mod chat_completions;
pub mod json_members;
pub mod json_scan;
pub mod routing_fields;
pub mod splice;
pub mod sse;
pub mod sse_event;
pub mod usage;

use self::{json_scan::JsonScan, usage::TokenUsage};
use crate::error::InferenceError;

/// How a caller writes requests and reads replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, and everything else of that API: embeddings, model lists.
    #[default]
    ChatCompletions,
}

impl Dialect {
    /// The document of an error response.
    pub fn error_document(self, error: &InferenceError) -> Vec<u8> {
        match self {
            Self::ChatCompletions => chat_completions::error::document(error),
        }
    }

    /// The event that ends a stream which fails.
    pub fn error_event(self, error: &InferenceError) -> Vec<u8> {
        match self {
            Self::ChatCompletions => chat_completions::error::event(error),
        }
    }

    /// Follows a reply that is a stream; `close_delimited` where only the end of its connection marks its end.
    pub(crate) fn stream_state(self, close_delimited: bool) -> StreamState {
        match self {
            Self::ChatCompletions => StreamState::ChatCompletions(chat_completions::Stream::new(close_delimited)),
        }
    }

    /// Follows a reply that is one document.
    pub(crate) fn document_scan(self) -> JsonScan {
        match self {
            Self::ChatCompletions => JsonScan::new(chat_completions::usage::MEMBER),
        }
    }

    /// What a whole document says was counted, where it says so in its usual place; nothing is known otherwise.
    pub(crate) fn usage_at_the_end_of(self, document: &[u8]) -> Option<TokenUsage> {
        match self {
            Self::ChatCompletions => chat_completions::usage::in_document(document),
        }
    }

    /// What the document that `scan` has followed says was counted.
    pub(crate) fn usage_in(self, scan: &JsonScan) -> Option<TokenUsage> {
        match self {
            Self::ChatCompletions => chat_completions::usage::in_value(scan.value()?),
        }
    }
}

/// What a stream's whole events have told so far.
#[derive(Debug)]
pub(crate) enum StreamState {
    ChatCompletions(chat_completions::Stream),
}

impl StreamState {
    /// Takes note of whole events; what they counted, where they did.
    pub(crate) fn read(&mut self, events: &[u8]) -> Option<TokenUsage> {
        match self {
            Self::ChatCompletions(stream) => stream.read(events),
        }
    }

    /// True where the last event has passed: nothing can be missing, and an error event behind it would make a failure
    /// of a whole reply.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::ChatCompletions(stream) => stream.is_done(),
        }
    }

    /// True where the end of the connection may be the end of the stream.
    pub(crate) fn may_end(&self) -> bool {
        match self {
            Self::ChatCompletions(stream) => stream.may_end(),
        }
    }
}
