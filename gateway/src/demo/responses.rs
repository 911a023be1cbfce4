//! The demo in OpenAI's responses. It stores none, so that no id of one leads anywhere.
//!
//! Source: OpenAI API reference, "Responses", "Streaming events".

use bitrouter_proto::codes::InferenceCode;
use serde_json::{Value, json};

use super::{
    Answer, Form, Reply, Voice, Writer,
    conversation::{Conversation, Message},
    invalid,
    read::{self, Object, cap, flag, given},
    typed_event,
    words::Word,
};
use crate::{
    error::InferenceError,
    protocol::{Dialect, usage::TokenUsage},
};

/// What a response repeats of its request.
const REPEATED: [&str; 15] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
];

/// What `voice` says to an input.
pub(super) fn speak(voice: Voice, body: &Object) -> Result<Answer, InferenceError> {
    let completion = conversation(body)?.answered_by(voice, "input")?.capped(cap(body, &["max_output_tokens"]));
    let form = flag(body, "stream")?.then(|| Form::events(Dialect::Responses));
    let repeated = REPEATED.iter().filter_map(|name| Some(((*name).to_owned(), given(body, name)?.clone())));
    Ok(Answer::Text(completion, Box::new(Writing { repeated: repeated.collect(), number: 0 }), form))
}

/// The words of an input.
pub(super) fn count(body: &Object) -> Result<Answer, InferenceError> {
    let words = conversation(body)?.words();
    let document = json!({ "object": "response.input_tokens", "input_tokens": words });
    Ok(Answer::Document(document, TokenUsage::default()))
}

fn conversation(body: &Object) -> Result<Conversation, InferenceError> {
    for name in ["previous_response_id", "conversation"] {
        if given(body, name).is_some() {
            let message = format!("the demo stores nothing that `{name}` could name; send all of it as `input`");
            return Err(InferenceError::new(InferenceCode::NotFound, message).with_param(name));
        }
    }
    let mut messages = vec![Message { is_user: false, text: read::text(body.get("instructions"), "instructions")? }];
    match given(body, "input") {
        Some(Value::String(text)) => messages.push(Message { is_user: true, text: Some(text.clone()) }),
        Some(Value::Array(items)) if !items.is_empty() => {
            for item in items {
                let item = item.as_object().ok_or_else(|| invalid("each item of `input` is an object", "input"))?;
                // An item that is no message, such as a tool's output, has no role.
                let is_user = item.get("role").is_some_and(|role| role == "user");
                messages.push(Message { is_user, text: read::text(item.get("content"), "input")? });
            }
        }
        _ => return Err(invalid("`input` is a string or a list that is not empty", "input")),
    }
    Ok(Conversation(messages))
}

struct Writing {
    /// What the response repeats of the request.
    repeated: Object,
    /// The number of the next event.
    number: u64,
}

impl Writing {
    fn response(&self, reply: &Reply, is_whole: bool) -> Value {
        let mut response = json!({
            "id": format!("resp_demo_{}", reply.id), "object": "response", "created_at": reply.created,
            "status": if is_whole { last_status(reply) } else { "in_progress" }, "background": false,
            "completed_at": (is_whole && !reply.is_cut(0)).then_some(reply.created), "error": null,
            "incomplete_details": (is_whole && reply.is_cut(0)).then(|| json!({ "reason": "max_output_tokens" })),
            "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "model": reply.model(),
            "output": [], "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null }, "service_tier": "default", "store": false,
            "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [],
            "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": null, "user": null, "metadata": {},
        });
        for (name, value) in &self.repeated {
            response[name] = value.clone();
        }
        if is_whole {
            let (input, output) = (reply.input(), reply.output());
            response["output"] = json!([item(reply, true)]);
            response["usage"] = json!({
                "input_tokens": input, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": output, "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": input + output,
            });
        }
        response
    }

    /// The next event.
    fn event(&mut self, kind: &str, mut members: Value) -> String {
        members["type"] = kind.into();
        members["sequence_number"] = self.number.into();
        self.number += 1;
        typed_event(&members)
    }

    /// The next event, which concerns the text.
    fn of_text(&mut self, reply: &Reply, kind: &str, mut members: Value) -> String {
        members["item_id"] = item_id(reply).into();
        members["output_index"] = 0.into();
        members["content_index"] = 0.into();
        self.event(kind, members)
    }
}

/// How a response and what is said in it end.
fn last_status(reply: &Reply) -> &'static str {
    if reply.is_cut(0) { "incomplete" } else { "completed" }
}

fn item_id(reply: &Reply) -> String {
    format!("msg_demo_{}", reply.id)
}

/// The message that is said.
fn item(reply: &Reply, is_whole: bool) -> Value {
    let (status, content) =
        if is_whole { (last_status(reply), json!([part(reply.text())])) } else { ("in_progress", json!([])) };
    json!({ "id": item_id(reply), "type": "message", "status": status, "role": "assistant", "content": content })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

impl Writer for Writing {
    fn document(&self, reply: &Reply) -> Value {
        self.response(reply, true)
    }

    fn begin(&mut self, reply: &Reply) -> Vec<u8> {
        let response = json!({ "response": self.response(reply, false) });
        let mut begin = self.event("response.created", response.clone());
        begin += &self.event("response.in_progress", response);
        let item = item(reply, false);
        begin += &self.event("response.output_item.added", json!({ "output_index": 0, "item": item }));
        begin += &self.of_text(reply, "response.content_part.added", json!({ "part": part("") }));
        begin.into()
    }

    fn word(&mut self, reply: &Reply, word: &Word<'_>) -> Vec<u8> {
        let delta = json!({ "delta": word.text, "logprobs": [] });
        self.of_text(reply, "response.output_text.delta", delta).into()
    }

    fn end(&mut self, reply: &Reply) -> Vec<u8> {
        let text = json!({ "text": reply.text(), "logprobs": [] });
        let mut end = self.of_text(reply, "response.output_text.done", text);
        end += &self.of_text(reply, "response.content_part.done", json!({ "part": part(reply.text()) }));
        let item = item(reply, true);
        end += &self.event("response.output_item.done", json!({ "output_index": 0, "item": item }));
        let response = self.response(reply, true);
        end += &self.event(&format!("response.{}", last_status(reply)), json!({ "response": response }));
        end.into()
    }
}
