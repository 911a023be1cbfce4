//! The demo in OpenAI's chat completions.
//!
//! Source: OpenAI API reference, "Chat", "Chat streaming".

use serde_json::{Value, json};

use super::{
    Answer, Form, Reply, Voice, Writer, event,
    read::{Object, cap, flag, include_usage, messages},
    words::Word,
};
use crate::{error::InferenceError, protocol::Dialect};

/// What `voice` says to a chat.
pub(super) fn speak(voice: Voice, body: &Object) -> Result<Answer, InferenceError> {
    let completion = messages(body, "messages")?.answered_by(voice, "messages")?;
    let completion = completion.capped(cap(body, &["max_tokens", "max_completion_tokens"]));
    let writer = Chat { include_usage: include_usage(body)? };
    Ok(Answer::Text(completion, Box::new(writer), form(body)?))
}

/// The form of a reply to a request of OpenAI's older dialect.
pub(super) fn form(body: &Object) -> Result<Option<Form>, InferenceError> {
    Ok(flag(body, "stream")?.then(|| Form::events(Dialect::ChatCompletions)))
}

/// The words of a reply.
pub(super) fn usage(reply: &Reply) -> Value {
    let (input, output) = (reply.input(), reply.output());
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}

/// Why a text ends.
pub(super) fn reason(reply: &Reply, index: usize) -> &'static str {
    if reply.is_cut(index) { "length" } else { "stop" }
}

/// What ends a stream of chunks.
pub(super) const DONE: &str = "data: [DONE]\n\n";

struct Chat {
    include_usage: bool,
}

impl Chat {
    fn chunk(&self, reply: &Reply, choices: &Value, usage: Value) -> String {
        let mut chunk = json!({
            "id": id(reply), "object": "chat.completion.chunk", "created": reply.created, "model": reply.model(),
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    }

    fn delta(&self, reply: &Reply, delta: &Value, reason: Option<&str>) -> String {
        let choices = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
        self.chunk(reply, &choices, Value::Null)
    }
}

fn id(reply: &Reply) -> String {
    format!("chatcmpl-demo-{}", reply.id)
}

impl Writer for Chat {
    fn document(&self, reply: &Reply) -> Value {
        json!({
            "id": id(reply), "object": "chat.completion", "created": reply.created, "model": reply.model(),
            "choices": [{
                "index": 0, "finish_reason": reason(reply, 0), "logprobs": null,
                "message": { "role": "assistant", "content": reply.text(), "refusal": null },
            }],
            "usage": usage(reply),
        })
    }

    fn begin(&mut self, reply: &Reply) -> Vec<u8> {
        self.delta(reply, &json!({ "role": "assistant", "content": "" }), None).into()
    }

    fn word(&mut self, reply: &Reply, word: &Word<'_>) -> Vec<u8> {
        self.delta(reply, &json!({ "content": word.text }), None).into()
    }

    fn end(&mut self, reply: &Reply) -> Vec<u8> {
        let mut end = self.delta(reply, &json!({}), Some(reason(reply, 0)));
        if self.include_usage {
            end += &self.chunk(reply, &json!([]), usage(reply));
        }
        (end + DONE).into()
    }
}
