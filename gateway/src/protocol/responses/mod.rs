//! OpenAI's responses, which the provider stores: each has an id that later calls speak of.

mod content;
mod cut;
mod ids;
mod judged;
mod open_item;
mod parts;
mod stream;
mod text;
mod usage;

use std::{ops::Range, sync::LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;

use self::judged::{CAP, RULES, TOOL_CALLS};
use super::{
    cap,
    content::ContentMap,
    count,
    judged::{self as judging, Judged},
    limit::OpenReply,
    openai_error,
    parts::{BodyParts, read as read_parts},
    rewrite::Rewrite,
    routing_fields::{self, BodyError},
    rules::{ModelPlaces, RequestFields, Rules},
    spelling::Spelling,
    stream::{ReplyStream, SseStream},
    texts::TextMap,
    usage::TokenUsage,
    verb::Verb,
};
use crate::error::InferenceError;

/// The dialect.
pub(super) struct Responses;

/// What "Get input token counts" takes of a request, besides the model
/// (<https://platform.openai.com/docs/api-reference/responses/input-tokens>).
const COUNTED: [&str; 10] = [
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "previous_response_id",
    "conversation",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
];

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

impl Rules for Responses {
    fn fixed_paths(&self) -> &'static [(Verb, &'static str)] {
        &[(Verb::Generate, "/responses"), (Verb::CountTokens, "/responses/input_tokens")]
    }

    fn path_of(&self, verb: Verb, id: &str) -> Option<String> {
        match verb {
            Verb::Retrieve | Verb::Delete => Some(format!("/responses/{id}")),
            Verb::ListInput => Some(format!("/responses/{id}/input_items")),
            Verb::Cancel => Some(format!("/responses/{id}/cancel")),
            _ => None,
        }
    }

    fn read<'a>(&self, _: Verb, _: Option<String>, body: &'a [u8]) -> Result<RequestFields<'a>, BodyError> {
        let fields = routing_fields::read(body)?;
        if fields.has_two_previous_responses {
            return Err(BodyError::TwoPreviousResponses);
        }
        let previous = fields.previous_response.clone().and_then(|at| std::str::from_utf8(&body[at]).ok());
        let previous = match previous.filter(|value| *value != "null") {
            Some(value) => Some(routing_fields::string(value).ok_or(BodyError::PreviousResponseKind)?),
            None => None,
        };
        Ok(RequestFields {
            asked: fields.asked(&["max_output_tokens"]),
            model: fields.model,
            stream: fields.stream,
            previous_response: previous.filter(|id| !id.is_empty()),
            places: ModelPlaces::InBody(fields.span),
            stream_options: None,
            marks: fields.marks.with_stored_prompt(),
            parts: None,
            judged: None,
            texts: None,
        })
    }

    fn parts(&self, text: &str) -> BodyParts {
        read_parts(text, parts::Body)
    }

    fn judge(&self, text: &str) -> Judged {
        judging::read(text, &RULES)
    }

    fn caps_tool_calls(&self) -> bool {
        true
    }

    fn bounds(&self, fields: &RequestFields<'_>, body: &Bytes, with: &Rewrite<'_>) -> Vec<(Range<usize>, String)> {
        if with.output().is_none() && with.tool_calls().is_none() {
            return Vec::new();
        }
        let judged = fields.judged(self, body);
        let output = with.output().map(|cap| cap::set(body, &judged, &[CAP], CAP, cap));
        let calls = with.tool_calls().and_then(|calls| cap::put(body, &judged, TOOL_CALLS, calls));
        output.into_iter().flatten().chain(calls).collect()
    }

    fn count_body(&self, body: &Bytes, model: &str, texts: &[(Range<usize>, String)]) -> Option<Vec<u8>> {
        count::body(body, model, &COUNTED, Spelling::One, texts)
    }

    fn counted(&self, reply: &[u8]) -> Option<u64> {
        count::counted(reply, ["input_tokens"])
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        openai_error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn open_reply(&self, _asks_usage: bool) -> Box<dyn OpenReply> {
        Box::new(cut::OpenResponse::default())
    }

    fn model_path(&self, is_event: bool) -> &'static [&'static str] {
        if is_event { &["response", "model"] } else { &["model"] }
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
    }

    fn texts(&self) -> &'static TextMap {
        &text::MAP
    }

    fn kept(&self) -> &'static [&'static str] {
        &["usage", "id", "output", "container_id"]
    }

    fn may_hold_ids(&self, _document: &[u8]) -> bool {
        true
    }

    fn ids(&self, document: &str) -> Vec<String> {
        ids::of_response(document)
    }

    fn finder(&self) -> &'static Finder<'static> {
        &FINDER
    }

    fn usage(&self, value: &[u8]) -> Option<TokenUsage> {
        usage::in_value(std::str::from_utf8(value).ok()?)
    }
}
