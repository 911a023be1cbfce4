//! The provider inside the process: everything can be tried with no key and no network, in every dialect.
//!
//! `echo` returns the last user text, `lorem` a fixed text, `embed` eight numbers from a hash of the input. Its tokens are
//! words. It stores nothing, calls no tools, and knows nothing of real providers.
//!
//! One file a dialect reads what the demo needs of a request (a `Conversation`) and writes what it says (a
//! [`Completion`]) as a [`Writer`]; `read` and `words` are what the files have in common. `body` sends a stream a word at
//! a time, by way of the dialect's own [`ReplyStream`], so that it ends as a provider's does.

mod body;
mod chat_completions;
mod completions;
mod conversation;
mod embeddings;
mod generate_content;
mod messages;
mod read;
mod responses;
mod vector;
mod words;

use std::{sync::Arc, time::SystemTime};

use bitrouter_proto::{clock, codes::InferenceCode};
use http::{Response, StatusCode};
use serde_json::Value;

pub(crate) use self::conversation::Completion;
use self::{
    body::StreamedBody,
    conversation::Voice,
    words::{Word, words},
};
use crate::{
    content_rules::ContentRules,
    error::InferenceError,
    http::{RequestContext, ResponseBody, blocked, json_response, render_error, set_own_response},
    interrupt::Interrupt,
    meter::{CallEnd, RequestRecorder},
    protocol::{
        Dialect, GuardForm, ReplyGuard, ReplyStream, Verb, Verdict, check_reply,
        usage::{InputTokens, OutputTokens, TokenUsage},
        with_raw,
    },
};

/// What a caller asks of the demo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// In which dialect.
    pub(crate) dialect: Dialect,
    /// For what.
    pub(crate) verb: Verb,
    /// Of which of its models, as the demo names them.
    pub(crate) model: &'a str,
    /// What of the query a provider gets.
    pub(crate) query: &'a str,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// An answer that is ready to be sent.
pub(crate) enum Answer {
    /// A finished document, and what was counted where a provider takes money for it.
    Document(Value, TokenUsage),
    /// A text, and how it is written: as a stream where there is a form for it.
    Text(Completion, Box<dyn Writer>, Option<Form>),
}

/// The type of server-sent events.
const EVENTS: &str = "text/event-stream";

/// The form of a stream.
pub(crate) struct Form {
    media_type: &'static str,
    stream: Box<dyn ReplyStream>,
}

impl Form {
    /// Server-sent events in `dialect`.
    fn events(dialect: Dialect) -> Self {
        Self { media_type: EVENTS, stream: dialect.rules().events(false, false) }
    }

    /// One JSON array, in a dialect that has such streams.
    fn array(dialect: Dialect) -> Option<Self> {
        Some(Self { media_type: "application/json", stream: dialect.rules().array(b"[")? })
    }
}

/// What the demo says, with what goes by the request.
pub(crate) struct Reply {
    completion: Completion,
    /// The request's id, for ids of our own.
    id: String,
    /// In seconds since 1970.
    created: u64,
}

/// Writes a reply in one dialect: as a document, or as the pieces of a stream (whole events or elements each).
pub(crate) trait Writer: Send {
    /// All of it.
    fn document(&self, reply: &Reply) -> Value;

    /// What stands before the first word.
    fn begin(&mut self, reply: &Reply) -> Vec<u8>;

    /// One word.
    fn word(&mut self, reply: &Reply, word: &Word<'_>) -> Vec<u8>;

    /// What stands behind the last word.
    fn end(&mut self, reply: &Reply) -> Vec<u8>;
}

/// What a model is to do.
enum Task {
    Speak(Voice),
    Embed,
    Count,
}

impl Task {
    /// What `verb` asks of `model`.
    fn of(verb: Verb, model: &str) -> Result<Self, InferenceError> {
        const MODELS: [&str; 3] = ["demo/echo", "demo/lorem", "demo/embed"];
        match (verb, model) {
            (Verb::CountTokens, "echo" | "lorem" | "embed") => Ok(Self::Count),
            (Verb::Embed | Verb::EmbedBatch, "embed") => Ok(Self::Embed),
            (Verb::Embed | Verb::EmbedBatch, "echo" | "lorem") => {
                Err(invalid("this demo model makes no embeddings; `demo/embed` does", "model"))
            }
            (_, "echo") => Ok(Self::Speak(Voice::Echo)),
            (_, "lorem") => Ok(Self::Speak(Voice::Lorem)),
            (_, "embed") => Err(invalid("`demo/embed` makes embeddings; `demo/echo` and `demo/lorem` speak", "model")),
            _ => {
                let message = format!("the demo has no such model; it has {}", MODELS.join(", "));
                Err(InferenceError::new(InferenceCode::ModelNotFound, message)
                    .with_param("model")
                    .with("suggestions", MODELS.as_slice()))
            }
        }
    }
}

/// What the demo answers.
pub(crate) fn answer(asked: &Asked<'_>) -> Result<Answer, InferenceError> {
    let task = Task::of(asked.verb, asked.model)?;
    let body = &read::object(asked.body)?;
    match (asked.dialect, asked.verb, task) {
        (Dialect::ChatCompletions, Verb::Complete, Task::Speak(voice)) => completions::speak(voice, body),
        (Dialect::ChatCompletions, _, Task::Speak(voice)) => chat_completions::speak(voice, body),
        (Dialect::ChatCompletions, _, Task::Embed) => embeddings::embed(body),
        (Dialect::Responses, _, Task::Speak(voice)) => responses::speak(voice, body),
        (Dialect::Responses, _, Task::Count) => responses::count(body),
        (Dialect::Messages, _, Task::Speak(voice)) => messages::speak(voice, body),
        (Dialect::Messages, _, Task::Count) => messages::count(body),
        (Dialect::GenerateContent, verb, Task::Speak(voice)) => generate_content::speak(voice, body, verb, asked.query),
        (Dialect::GenerateContent, _, Task::Count) => generate_content::count(body),
        (Dialect::GenerateContent, Verb::EmbedBatch, Task::Embed) => generate_content::embed_batch(body),
        (Dialect::GenerateContent, _, Task::Embed) => generate_content::embed(body),
        (dialect, _, Task::Count | Task::Embed) => {
            let message = format!("the demo has no place for this call in {dialect}");
            Err(InferenceError::new(InferenceCode::ProtocolNotSupported, message).with("provider", "demo"))
        }
    }
}

impl Answer {
    /// The answer as a response, which content rules judge where some are in force; what `recorder` records ends with its last byte.
    pub(crate) fn into_response(
        self,
        mut recorder: RequestRecorder,
        context: &RequestContext,
        interrupt: Arc<Interrupt>,
        rules: Option<Arc<ContentRules>>,
    ) -> Response<ResponseBody> {
        recorder.set_status(StatusCode::OK);
        let (document, usage) = match self {
            Self::Document(document, usage) => (document, usage),
            Self::Text(completion, writer, form) => {
                let since = clock::wall_now().duration_since(SystemTime::UNIX_EPOCH);
                let created = since.map_or(0, |since| since.as_secs());
                let reply = Reply { completion, id: context.id.to_string(), created };
                if let Some(Form { media_type, stream }) = form {
                    let connection = Arc::clone(&context.connection);
                    let form = if media_type == EVENTS { GuardForm::Events } else { GuardForm::Array };
                    let guard = rules.map(|rules| Box::new(ReplyGuard::new(rules, context.dialect, form)));
                    let body = StreamedBody::new(reply, writer, stream, guard, recorder, interrupt, connection);
                    let mut response = Response::new(ResponseBody::Other(axum::body::Body::new(body)));
                    set_own_response(response.headers_mut(), media_type);
                    return response;
                }
                (writer.document(&reply), counts(reply.input(), Some(reply.output())))
            }
        };
        recorder.set_first_byte();
        recorder.add_usage(usage);
        let mut document = document.to_string().into_bytes();
        let verdict = rules.as_deref().zip(std::str::from_utf8(&document).ok());
        match verdict.map_or(Verdict::Clear, |(rules, text)| check_reply(rules, context.dialect, text)) {
            Verdict::Clear => {}
            Verdict::Redacted(edits) => document = with_raw(&document.into(), &edits).into(),
            Verdict::Blocked(rule) => {
                let error = blocked(&rule);
                recorder.set_status(error.status());
                recorder.set_error(error.code());
                recorder.end(CallEnd::Withheld);
                return render_error(&error, context.dialect);
            }
        }
        recorder.end(CallEnd::Whole);
        json_response(document)
    }
}

impl Reply {
    /// The model's name, as the caller knows it.
    fn model(&self) -> &'static str {
        self.completion.model
    }

    /// The text, in the dialects that have one.
    fn text(&self) -> &str {
        self.completion.texts.first().map_or("", String::as_str)
    }

    /// A cap has cut the text with this index short.
    fn is_cut(&self, index: usize) -> bool {
        self.completion.are_cut.get(index).copied().unwrap_or(false)
    }

    /// The words that went in.
    fn input(&self) -> u64 {
        self.completion.prompt_words
    }

    /// The words that come out.
    fn output(&self) -> u64 {
        self.completion.texts.iter().map(|text| words(text)).sum()
    }
}

/// What went in and came out, as it is recorded.
fn counts(input: u64, output: Option<u64>) -> TokenUsage {
    let input = InputTokens { uncached: input, ..InputTokens::default() };
    TokenUsage { input: Some(input), output: output.map(|visible| OutputTokens { visible, ..OutputTokens::default() }) }
}

/// An event whose data is `data`.
fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event that is called what its data says its type is.
fn typed_event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn invalid(message: impl Into<String>, param: &'static str) -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, message).with_param(param)
}

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
