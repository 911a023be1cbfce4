//! Anthropic's messages.

mod content;
mod cut;
mod error;
mod judged;
mod parts;
mod stream;
mod text;
mod usage;

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

pub(super) use self::judged::look as look_for_thinking;
use self::judged::{CAP, RULES};
use super::{
    cap,
    content::ContentMap,
    count, json_read,
    judged::{self as judging, Judged},
    limit::OpenReply,
    model_list::ModelPage,
    parts::{BodyParts, read as read_parts},
    rewrite::Rewrite,
    routing_fields::string,
    rules::{RequestFields, Rules},
    spelling::Spelling,
    stream::{ReplyStream, SseStream},
    texts::TextMap,
    usage::TokenUsage,
    verb::Verb,
};
use crate::{error::InferenceError, percent::percent_encoded_path};

/// The dialect.
pub(super) struct Messages;

/// What "Count tokens in a Message" takes of a request, besides the model
/// (<https://platform.claude.com/docs/en/api/messages/count_tokens>; those of its beta version too, whose header comes from the
/// caller). It refuses all else.
const COUNTED: [&str; 10] = [
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "mcp_servers",
    "cache_control",
    "context_management",
    "output_config",
    "output_format",
];

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

    fn judge(&self, text: &str) -> Judged {
        judging::read(text, &RULES)
    }

    fn bounds(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> Vec<(Range<usize>, String)> {
        let Some(cap) = with.output() else { return Vec::new() };
        cap::set(body, &fields.judged(self, body), &[CAP], CAP, cap)
    }

    fn count_body(&self, body: &Bytes, model: &str, texts: &[(Range<usize>, String)]) -> Option<Vec<u8>> {
        count::body(body, model, &COUNTED, Spelling::One, texts)
    }

    fn counted(&self, reply: &[u8]) -> Option<u64> {
        count::counted(reply, ["input_tokens"])
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn open_reply(&self, _asks_usage: bool) -> Box<dyn OpenReply> {
        Box::new(cut::OpenMessage::default())
    }

    fn model_path(&self, is_event: bool) -> &'static [&'static str] {
        if is_event { &["message", "model"] } else { &["model"] }
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
    }

    fn texts(&self) -> &'static TextMap {
        &text::MAP
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
