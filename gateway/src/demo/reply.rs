//! Sends what the demo says: whole, or a word per chunk and no sooner than the caller reads.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Frame;
use serde_json::{Value, json};

use super::{
    chat::{Completion, first_word},
    words,
};
use crate::{
    error::InferenceError,
    http::{RequestContext, ResponseBody, json_response, set_own_response},
    interrupt::Interrupt,
    meter::RequestRecorder,
    protocol::{
        Dialect,
        usage::{InputTokens, OutputTokens, TokenUsage},
    },
};

/// A finished document.
pub(super) fn document(
    document: Vec<u8>,
    input: u64,
    output: Option<u64>,
    mut recorder: RequestRecorder,
) -> Response<ResponseBody> {
    recorder.set_status(StatusCode::OK);
    recorder.set_first_byte();
    recorder.add_usage(counts(input, output));
    recorder.complete();
    json_response(document)
}

fn counts(input: u64, output: Option<u64>) -> TokenUsage {
    let input = InputTokens { uncached: input, ..InputTokens::default() };
    TokenUsage { input: Some(input), output: output.map(|visible| OutputTokens { visible, reasoning: 0 }) }
}

/// A chat completion.
pub(super) fn completion(
    completion: Completion,
    mut recorder: RequestRecorder,
    context: &RequestContext,
    interrupt: Arc<Interrupt>,
) -> Response<ResponseBody> {
    let said = words(&completion.text);
    let id = format!("chatcmpl-demo-{}", context.id);
    let created = clock::wall_now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let model = format!("demo/{}", completion.model);
    let usage = json!({
        "prompt_tokens": completion.prompt_words,
        "completion_tokens": said,
        "total_tokens": completion.prompt_words + said,
    });
    if !completion.stream {
        let whole = json!({
            "id": id, "object": "chat.completion", "created": created, "model": model, "usage": usage,
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": completion.text, "refusal": null },
            }],
        });
        return document(whole.to_string().into_bytes(), completion.prompt_words, Some(said), recorder);
    }
    recorder.set_status(StatusCode::OK);
    let counted = counts(completion.prompt_words, Some(said));
    let chunks = Chunks {
        head: json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model }),
        usage: completion.include_usage.then_some(usage),
        text: completion.text,
        at: 0,
        next: Next::Role,
        counted,
        recorder,
        interrupt,
        dialect: context.dialect,
    };
    let mut response = Response::new(ResponseBody::Other(axum::body::Body::new(chunks)));
    set_own_response(response.headers_mut(), "text/event-stream");
    response
}

/// What comes next in a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Role,
    Words,
    Reason,
    Usage,
    Done,
    End,
}

/// The body of a stream.
struct Chunks {
    head: Value,
    usage: Option<Value>,
    text: String,
    at: usize,
    next: Next,
    counted: TokenUsage,
    recorder: RequestRecorder,
    interrupt: Arc<Interrupt>,
    dialect: Dialect,
}

impl Chunks {
    fn chunk(&self, choices: &Value, usage: Option<&Value>) -> Bytes {
        let mut chunk = self.head.clone();
        chunk["choices"] = choices.clone();
        if self.usage.is_some() {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n").into()
    }

    fn delta(&self, delta: &Value, reason: Option<&str>) -> Bytes {
        let choices = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
        self.chunk(&choices, None)
    }

    fn step(&mut self) -> Option<Bytes> {
        if self.next != Next::End && self.interrupt.is_set() {
            self.next = Next::End;
            let error = InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping");
            self.recorder.set_error(error.code());
            self.recorder.complete();
            return self.dialect.rules().events(false, false).fail(&error);
        }
        match self.next {
            Next::Role => {
                self.recorder.set_first_byte();
                self.next = if self.text.is_empty() { Next::Reason } else { Next::Words };
                Some(self.delta(&json!({ "role": "assistant", "content": "" }), None))
            }
            Next::Words => {
                let from = self.at;
                self.at += first_word(&self.text[from..]);
                if self.at == self.text.len() {
                    self.next = Next::Reason;
                }
                Some(self.delta(&json!({ "content": &self.text[from..self.at] }), None))
            }
            Next::Reason => {
                self.next = if self.usage.is_some() { Next::Usage } else { Next::Done };
                Some(self.delta(&json!({}), Some("stop")))
            }
            Next::Usage => {
                self.next = Next::Done;
                Some(self.chunk(&json!([]), self.usage.as_ref()))
            }
            Next::Done => {
                self.next = Next::End;
                self.recorder.add_usage(self.counted);
                self.recorder.complete();
                Some(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            Next::End => None,
        }
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().step().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == Next::End
    }
}
