//! The provider inside the process: everything can be tried with no key and no network.
//!
//! `echo` returns the last user text, a word per chunk, counted in words; `lorem` a fixed text; `embed` eight numbers
//! from a hash of the input. It speaks OpenAI's dialect and knows nothing of real providers.

mod chat;
mod embed;
mod reply;

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use http::Response;

use crate::{
    error::InferenceError,
    http::{RequestContext, ResponseBody},
    interrupt::Interrupt,
    meter::RequestRecorder,
    protocol::Verb,
};

/// An answer that is ready to be sent.
pub(crate) enum Answer {
    /// A chat completion, whole or as a stream.
    Chat(chat::Completion),
    /// A finished document with the words that went in.
    Embeddings(Vec<u8>, u64),
}

/// What the demo answers to `body`, sent to its model `model`.
pub(crate) fn answer(verb: Verb, model: &str, body: &[u8]) -> Result<Answer, InferenceError> {
    match (verb, model) {
        (Verb::Generate, "echo") => chat::echo(body).map(Answer::Chat),
        (Verb::Generate, "lorem") => chat::lorem(body).map(Answer::Chat),
        (Verb::Embed, "embed") => embed::embed(body).map(|(document, words)| Answer::Embeddings(document, words)),
        (Verb::Generate, "embed") => Err(invalid("`demo/embed` makes embeddings; POST /v1/embeddings", "model")),
        (Verb::Embed, "echo" | "lorem") => {
            Err(invalid("this demo model makes no embeddings; use `demo/embed`", "model"))
        }
        _ => {
            let models = ["demo/echo", "demo/lorem", "demo/embed"];
            let message = format!("the demo has no such model; it has {}", models.join(", "));
            Err(InferenceError::new(InferenceCode::ModelNotFound, message)
                .with_param("model")
                .with("suggestions", models.as_slice()))
        }
    }
}

impl Answer {
    /// The answer as a response; what `recorder` records ends with its last byte.
    pub(crate) fn into_response(
        self,
        recorder: RequestRecorder,
        context: &RequestContext,
        interrupt: Arc<Interrupt>,
    ) -> Response<ResponseBody> {
        match self {
            Self::Chat(completion) => reply::completion(completion, recorder, context, interrupt),
            Self::Embeddings(document, words) => reply::document(document, words, None, recorder),
        }
    }
}

/// The number of words in `text`: what the demo counts as tokens.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn invalid(message: impl Into<String>, param: &'static str) -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, message).with_param(param)
}
