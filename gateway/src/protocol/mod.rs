//! Dialects of inference APIs, one folder each, and what they have in common. Pure functions over bytes: no network, no
//! keys, no clock.
//!
//! Nothing is ever parsed into a tree or written anew. A request keeps its bytes but for the model's name and, in a stream
//! of chat completions, the wish for its usage: [`routing_fields`] finds them by way of [`json_members`] or, where that
//! gives up, `json_read`; [`mod@splice`] puts them in. A reply keeps all of its bytes: [`sse`] cuts a stream where events
//! end, [`sse_event`] reads them, [`json_scan`] follows a document; both find the [`usage`] by its place.
//!
//! Where a policy, budget or credit applies, a body is `judged` too, by walks of their own; `rewrite` says what else of it
//! is written anew then: caps, and texts in the place of others.
//!
//! What a dialect knows are its `rules`; nothing outside its folder asks which dialect it is. [`verb`] is what all of them
//! can be asked for. `stream` and `document` follow a reply on its way, as a [`ReplyFormat`] says; `limit` says where a stream
//! is cut of which only so much may pass, and each dialect's `cut` how it ends there; `named_model` which model a reply names.

mod account_list;
mod cap;
mod chat_completions;
mod content;
mod count;
mod document;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod generate_content;
pub mod json_members;
mod json_read;
pub mod json_scan;
mod judged;
mod limit;
mod long_event;
mod marks;
mod messages;
mod modalities;
mod model_list;
mod named_model;
mod openai_error;
mod output_asked;
mod parts;
mod provider_tools;
mod repeated;
mod responses;
mod rewrite;
pub mod routing_fields;
mod rules;
mod spelling;
pub mod splice;
pub mod sse;
pub mod sse_event;
mod stored_ids;
mod stream;
mod texts;
mod token_details;
pub mod usage;
pub mod verb;
mod walk;

use std::fmt;

use serde::Deserialize;

use self::named_model::NamedModel;
pub(crate) use self::{
    account_list::read as read_account_list,
    content::{Content, ContentCounter},
    document::DocumentReader,
    judged::{Judged, TOOL_CALLS},
    limit::OutputLimit,
    modalities::Wanted,
    model_list::read as read_model_page,
    output_asked::OutputAsked,
    parts::{BodyParts, Kind, Named, Reference},
    rewrite::Rewrite,
    rules::{RequestFields, Rules},
    splice::{Pieces, with_raw},
    stream::{ContentEnd, Progress, ReplyStream, StreamStatus},
    texts::{Form as GuardForm, Passed, ReplyGuard, Verdict, check_any, check_reply, check_request},
    verb::Verb,
};
use crate::error::InferenceError;

/// A dialect of an inference API: how requests are written and replies are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's chat completions, and what goes with them: completions, embeddings.
    #[default]
    ChatCompletions,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Google's generateContent.
    GenerateContent,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ChatCompletions, Self::Responses, Self::Messages, Self::GenerateContent];

    /// The name as manifests write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::GenerateContent => "generate_content",
        }
    }

    /// What it knows.
    pub(crate) fn rules(self) -> &'static dyn Rules {
        match self {
            Self::ChatCompletions => &chat_completions::ChatCompletions,
            Self::Responses => &responses::Responses,
            Self::Messages => &messages::Messages,
            Self::GenerateContent => &generate_content::GenerateContent,
        }
    }

    /// The document of an error response.
    pub fn error_document(self, error: &InferenceError) -> Vec<u8> {
        self.rules().error_document(error)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the reply to one request is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyFormat {
    /// In which dialect.
    pub(crate) dialect: Dialect,
    /// What was asked for.
    pub(crate) verb: Verb,
    /// Whether it was asked for as a stream.
    pub(crate) stream: bool,
    /// Whether what a stream says of its usage is hidden from the caller.
    pub(crate) hides_usage: bool,
    /// Whether the caller asked to be told what a stream used, in the dialects that may leave it out.
    pub(crate) asks_usage: bool,
    /// Whether somebody wants to know which model the reply names.
    pub(crate) names_model: bool,
    /// Whether a provider takes money for it, so that what it counts was used.
    pub(crate) costs: bool,
}

impl ReplyFormat {
    /// Of one document that nobody wants to know more of.
    pub(crate) fn of_document(dialect: Dialect, verb: Verb) -> Self {
        Self { dialect, verb, stream: false, hides_usage: false, asks_usage: false, names_model: false, costs: false }
    }

    /// Follows a reply that is a stream of events; `close_delimited`: only the end of its connection marks its end.
    pub(crate) fn events(self, close_delimited: bool) -> Box<dyn ReplyStream> {
        let mut stream = self.dialect.rules().events(close_delimited, self.hides_usage);
        if self.names_model {
            stream.seek_model(self.named_model(true));
        }
        stream
    }

    /// Follows a reply that is JSON and was asked for as a stream; `None` where it is one document all the same.
    pub(crate) fn array(self, first: &[u8]) -> Option<Box<dyn ReplyStream>> {
        let mut stream = self.stream.then(|| self.dialect.rules().array(first)).flatten()?;
        if self.names_model {
            stream.seek_model(self.named_model(true));
        }
        Some(stream)
    }

    /// Follows a reply that is one JSON document.
    pub(crate) fn document(self) -> DocumentReader {
        DocumentReader::new(self.dialect, self.names_model.then(|| self.named_model(false)))
    }

    fn named_model(self, is_event: bool) -> Box<NamedModel> {
        Box::new(NamedModel::new(self.dialect.rules().model_path(is_event)))
    }

    /// Cuts a stream once more than `most` output tokens have passed, as they are counted from below.
    pub(crate) fn output_limit(self, most: u64) -> Box<OutputLimit> {
        let rules = self.dialect.rules();
        Box::new(OutputLimit::new(most, rules.content(), rules.open_reply(self.asks_usage)))
    }

    /// Counts the content of a stream of events, where what is asked for has any.
    pub(crate) fn events_counter(self) -> Option<ContentCounter> {
        self.has_content().then(|| ContentCounter::events(self.dialect.rules().content()))
    }

    /// As [`ReplyFormat::events_counter`], of a document, or of an array of them.
    pub(crate) fn json_counter(self) -> Option<ContentCounter> {
        self.has_content().then(|| ContentCounter::json(self.dialect.rules().content()))
    }

    /// True where what is asked for is written, token by token.
    fn has_content(self) -> bool {
        matches!(self.verb, Verb::Generate | Verb::GenerateStream | Verb::Complete)
    }
}
