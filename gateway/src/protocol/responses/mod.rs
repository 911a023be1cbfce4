//! OpenAI's responses, which the provider stores: each has an id that later calls speak of.

mod content;
mod ids;
mod parts;
mod stream;
mod usage;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{
    content::ContentMap,
    openai_error,
    parts::{BodyParts, read as read_parts},
    routing_fields::{self, BodyError},
    rules::{ModelPlaces, RequestFields, Rules},
    stream::{ReplyStream, SseStream},
    usage::TokenUsage,
    verb::Verb,
};
use crate::error::InferenceError;

/// The dialect.
pub(super) struct Responses;

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
        })
    }

    fn parts(&self, text: &str) -> BodyParts {
        read_parts(text, parts::Body)
    }

    fn error_document(&self, error: &InferenceError) -> Vec<u8> {
        openai_error::document(error)
    }

    fn events(&self, _close_delimited: bool, _hides_usage: bool) -> Box<dyn ReplyStream> {
        Box::new(SseStream::new(stream::Events::default()))
    }

    fn content(&self) -> &'static ContentMap {
        &content::MAP
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
