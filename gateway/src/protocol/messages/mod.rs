//! Anthropic's messages.

mod content;
mod error;
mod parts;
mod stream;
mod usage;

use std::{borrow::Cow, sync::LazyLock};

use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{
    content::ContentMap,
    json_read,
    model_list::ModelPage,
    parts::{BodyParts, read as read_parts},
    routing_fields::string,
    rules::Rules,
    stream::{ReplyStream, SseStream},
    usage::TokenUsage,
    verb::Verb,
};
use crate::{error::InferenceError, percent::percent_encoded_path};

/// The dialect.
pub(super) struct Messages;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

static CONTAINER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"container\""));

/// The id in `container` of a message, or of what changes in one.
fn container_id(message: &str) -> Option<String> {
    let [container] = json_read::values(message, ["container"])?;
    let [id] = json_read::values(container?, ["id"])?;
    string(id?).map(Cow::into_owned)
}

impl Rules for Messages {
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)] {
        &[(Verb::Generate, "/messages"), (Verb::CountTokens, "/messages/count_tokens")]
    }

    fn parts(&self, text: &str) -> BodyParts {
        read_parts(text, parts::Body)
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
    }

    fn kept(&self) -> &'static [&'static str] {
        &["usage", "container", "id"]
    }

    fn may_hold_ids(&self, document: &[u8]) -> bool {
        CONTAINER.find(document).is_some()
    }

    fn ids(&self, document: &str) -> Vec<String> {
        container_id(document).into_iter().collect()
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
