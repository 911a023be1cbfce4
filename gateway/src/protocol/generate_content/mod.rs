//! Google's generateContent: the path holds the model and what is asked for.

mod array;
mod cap;
mod chunk;
mod content;
mod cut;
mod error;
mod judged;
mod parts;
mod query;
mod request;
mod stream;
mod text;
mod usage;

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;

use self::judged::{RULES, SPELLING};
use super::{
    content::ContentMap,
    count,
    judged::{self as judging, Judged},
    limit::OpenReply,
    model_list::ModelPage,
    parts::{BodyParts, read as read_parts},
    rewrite::Rewrite,
    routing_fields::BodyError,
    rules::{RequestFields, Rules},
    splice::{Pieces, splice},
    stream::{ReplyStream, SseStream},
    texts::TextMap,
    usage::TokenUsage,
    verb::Verb,
};
use crate::{error::InferenceError, percent::percent_encoded_path};

/// The dialect.
pub(super) struct GenerateContent;

/// What a question for a count takes of a request, besides the model (Gemini API reference, `models.countTokens`,
/// `GenerateContentRequest`).
const COUNTED: [&str; 6] =
    ["contents", "system_instruction", "tools", "tool_config", "generation_config", "cached_content"];

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usageMetadata\""));

impl Rules for GenerateContent {
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)] {
        &[]
    }

    fn path_of(&self, verb: Verb, model: &str) -> Option<String> {
        let (_, method) = METHODS.iter().find(|(known, _)| *known == verb)?;
        Some(format!("/models/{}:{method}", percent_encoded_path(model)))
    }

    fn query<'q>(&self, query: &'q str) -> Result<Cow<'q, str>, InferenceError> {
        query::only_alt(query)
    }

    fn read<'a>(&self, verb: Verb, in_path: Option<String>, body: &'a [u8]) -> Result<RequestFields<'a>, BodyError> {
        request::read(verb, in_path.unwrap_or_default(), body)
    }

    fn parts(&self, text: &str) -> BodyParts {
        read_parts(text, parts::Body)
    }

    fn judge(&self, text: &str) -> Judged {
        judging::read(text, &RULES)
    }

    fn rewrite(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> (Pieces, bool) {
        let name = format!("models/{}", with.model);
        let names = request::rename(fields, &name);
        let pieces = if with.is_plain() {
            splice(body, &names)
        } else {
            with.splice(body, names, &self.bounds(fields, body, with))
        };
        (pieces, false)
    }

    fn bounds(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> Vec<(Range<usize>, String)> {
        let Some(cap) = with.output() else { return Vec::new() };
        cap::set(body, &fields.judged(self, body), cap)
    }

    fn count_body(&self, body: &Bytes, model: &str, texts: &[(Range<usize>, String)]) -> Option<Vec<u8>> {
        let request = count::body(body, &format!("models/{model}"), &COUNTED, SPELLING, texts)?;
        Some([b"{\"generateContentRequest\":", request.as_slice(), b"}"].concat())
    }

    fn counted(&self, reply: &[u8]) -> Option<u64> {
        count::counted(reply, ["totalTokens", "total_tokens"])
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn array(&self, first: &[u8]) -> Option<Box<dyn ReplyStream>> {
        let stream = first.trim_ascii_start().starts_with(b"[").then(array::ArrayStream::default)?;
        Some(Box::new(stream))
    }

    fn open_reply(&self, _asks_usage: bool) -> Box<dyn OpenReply> {
        Box::new(cut::OpenCandidates::default())
    }

    fn model_path(&self, _is_event: bool) -> &'static [&'static str] {
        &["modelVersion"]
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
    }

    fn texts(&self) -> &'static TextMap {
        &text::MAP
    }

    fn kept(&self) -> &'static [&'static str] {
        &["usageMetadata"]
    }

    fn finder(&self) -> &'static Finder<'static> {
        &FINDER
    }

    fn usage(&self, value: &[u8]) -> Option<TokenUsage> {
        usage::in_value(std::str::from_utf8(value).ok()?)
    }

    fn models_query(&self, page: Option<&ModelPage>) -> Option<String> {
        let Some(page) = page else { return Some("pageSize=1000".to_owned()) };
        let token = page.next_page_token.as_ref()?;
        Some(format!("pageSize=1000&pageToken={}", percent_encoded_path(token)))
    }

    fn model_name<'n>(&self, listed: &'n str) -> &'n str {
        listed.strip_prefix("models/").unwrap_or(listed)
    }
}

/// What can be asked for, as a path says it behind its last colon.
pub(crate) const METHODS: [(Verb, &str); 5] = [
    (Verb::Generate, "generateContent"),
    (Verb::GenerateStream, "streamGenerateContent"),
    (Verb::CountTokens, "countTokens"),
    (Verb::Embed, "embedContent"),
    (Verb::EmbedBatch, "batchEmbedContents"),
];
