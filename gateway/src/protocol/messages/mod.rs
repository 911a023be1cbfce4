//! Anthropic's messages.

mod error;
mod stream;
mod usage;

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{
    model_list::ModelPage,
    rules::Rules,
    stream::{ReplyStream, SseStream},
    usage::TokenUsage,
    verb::Verb,
};
use crate::{error::InferenceError, percent::percent_encoded_path};

/// The dialect.
pub(super) struct Messages;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

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

    fn kept(&self) -> &'static [&'static str] {
        &["usage"]
    }

    fn finder(&self) -> &'static Finder<'static> {
        &FINDER
    }

    fn usage(&self, value: &[u8]) -> Option<TokenUsage> {
        usage::Counts::of(std::str::from_utf8(value).ok()?).usage()
    }

    fn models_query(&self, page: Option<&ModelPage>) -> Option<String> {
        let Some(page) = page else { return Some("limit=1000".to_owned()) };
        let last = page.names.last().filter(|_| page.has_more)?;
        Some(format!("limit=1000&after_id={}", percent_encoded_path(last)))
    }

    fn models_header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01")))
    }
}
