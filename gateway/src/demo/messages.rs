//! The demo in Anthropic's messages.
//!
//! Source: Anthropic API reference, "Messages", "Streaming messages", "Count tokens in a message".

use serde_json::{Value, json};

use super::{
    Answer, Form, Reply, Voice, Writer,
    conversation::{Conversation, Message},
    read::{self, Object, cap, flag},
    typed_event,
    words::Word,
};
use crate::{
    error::InferenceError,
    protocol::{Dialect, usage::TokenUsage},
};

/// What `voice` says to a conversation.
pub(super) fn speak(voice: Voice, body: &Object) -> Result<Answer, InferenceError> {
    let completion = conversation(body)?.answered_by(voice, "messages")?.capped(cap(body, &["max_tokens"]));
    let form = flag(body, "stream")?.then(|| Form::events(Dialect::Messages));
    Ok(Answer::Text(completion, Box::new(Writing), form))
}

/// The words of a conversation.
pub(super) fn count(body: &Object) -> Result<Answer, InferenceError> {
    Ok(Answer::Document(json!({ "input_tokens": conversation(body)?.words() }), TokenUsage::default()))
}

fn conversation(body: &Object) -> Result<Conversation, InferenceError> {
    let mut conversation = read::messages(body, "messages")?;
    let system = read::text(body.get("system"), "system")?;
    conversation.0.insert(0, Message { is_user: false, text: system });
    Ok(conversation)
}

struct Writing;

fn message(reply: &Reply, content: &Value, reason: Option<&str>, output: u64) -> Value {
    json!({
        "id": format!("msg_demo_{}", reply.id), "type": "message", "role": "assistant", "model": reply.model(),
        "content": content, "stop_reason": reason, "stop_sequence": null,
        "usage": {
            "input_tokens": reply.input(), "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output,
        },
    })
}

fn reason(reply: &Reply) -> &'static str {
    if reply.is_cut(0) { "max_tokens" } else { "end_turn" }
}

impl Writer for Writing {
    fn document(&self, reply: &Reply) -> Value {
        let content = json!([{ "type": "text", "text": reply.text() }]);
        message(reply, &content, Some(reason(reply)), reply.output())
    }

    fn begin(&mut self, reply: &Reply) -> Vec<u8> {
        let start = json!({ "type": "message_start", "message": message(reply, &json!([]), None, 0) });
        let block = json!({ "type": "text", "text": "" });
        let block = json!({ "type": "content_block_start", "index": 0, "content_block": block });
        (typed_event(&start) + &typed_event(&block)).into()
    }

    fn word(&mut self, _: &Reply, word: &Word<'_>) -> Vec<u8> {
        let delta = json!({ "type": "text_delta", "text": word.text });
        typed_event(&json!({ "type": "content_block_delta", "index": 0, "delta": delta })).into()
    }

    fn end(&mut self, reply: &Reply) -> Vec<u8> {
        let delta = json!({ "stop_reason": reason(reply), "stop_sequence": null });
        let usage = json!({ "output_tokens": reply.output() });
        let events = [
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": delta, "usage": usage }),
            json!({ "type": "message_stop" }),
        ];
        events.iter().map(typed_event).collect::<String>().into()
    }
}
