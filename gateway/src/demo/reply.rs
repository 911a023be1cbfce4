//! Sends what the demo says: whole, or a word per chunk and no sooner than the caller reads.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use axum::{body::Body, response::Response};
use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use serde_json::{Value, json};

use super::{
    chat::{Completion, first_word},
    words,
};
use crate::{
    http::{InferenceError, headers::own},
    interrupt::Interrupt,
    meter::Flight,
    protocol::openai::usage::Usage,
};

/// A finished document.
pub(super) fn document(document: Vec<u8>, input: u64, output: Option<u64>, mut flight: Flight) -> Response {
    flight.answered(StatusCode::OK);
    flight.first_byte();
    flight.counted(Usage { prompt_tokens: Some(input), completion_tokens: output });
    flight.land();
    let mut response = Response::new(Body::from(document));
    own(response.headers_mut(), "application/json");
    response
}

/// A chat completion.
pub(super) fn completion(completion: Completion, mut flight: Flight, interrupt: Arc<Interrupt>) -> Response {
    let said = words(&completion.text);
    let id = format!("chatcmpl-demo-{}", flight.request_id());
    let created = clock::wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
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
        return document(whole.to_string().into_bytes(), completion.prompt_words, Some(said), flight);
    }
    flight.answered(StatusCode::OK);
    let counted = Usage { prompt_tokens: Some(completion.prompt_words), completion_tokens: Some(said) };
    let chunks = Chunks {
        head: json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model }),
        usage: completion.include_usage.then_some(usage),
        text: completion.text,
        at: 0,
        next: Next::Role,
        counted,
        flight,
        interrupt,
    };
    let mut response = Response::new(Body::new(chunks));
    own(response.headers_mut(), "text/event-stream");
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
    counted: Usage,
    flight: Flight,
    interrupt: Arc<Interrupt>,
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
            self.flight.failed(error.code());
            self.flight.land();
            return Some(error.to_event().into());
        }
        match self.next {
            Next::Role => {
                self.flight.first_byte();
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
                self.flight.counted(self.counted);
                self.flight.land();
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
