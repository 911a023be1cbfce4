//! Anthropic's messages.

mod error;
mod stream;
mod usage;

use std::sync::LazyLock;

use memchr::memmem::FinderRev;

use super::{
    json_scan::Path,
    rules::Rules,
    stream::{ReplyStream, SseStream},
    usage::TokenUsage,
    verb::Verb,
};
use crate::error::InferenceError;

/// The dialect.
pub(super) struct Messages;

static FINDER: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b"\"usage\""));

impl Rules for Messages {
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)] {
        &[(Verb::Generate, "/messages"), (Verb::CountTokens, "/messages/count_tokens")]
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn kept(&self) -> &'static [Path] {
        &[&["usage"]]
    }

    fn finder(&self) -> &'static FinderRev<'static> {
        &FINDER
    }

    fn usage(&self, value: &str) -> Option<TokenUsage> {
        usage::Counts::of(value).usage()
    }
}
