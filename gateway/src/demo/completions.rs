//! The demo in OpenAI's completions: a text goes on, or each of several.
//!
//! Source: OpenAI API reference, "Completions".

use serde_json::{Value, json};

use super::{
    Answer, Completion, Reply, Voice, Writer,
    chat_completions::{DONE, form, reason, usage},
    event, invalid,
    read::{Object, cap, given, include_usage},
    words::{Word, words},
};
use crate::error::InferenceError;

/// What `voice` says to each prompt.
pub(super) fn speak(voice: Voice, body: &Object) -> Result<Answer, InferenceError> {
    let prompts = prompts(body)?;
    let texts = prompts.iter().map(|prompt| voice.says(prompt)).collect();
    let completion = Completion::new(voice, texts, prompts.iter().map(|prompt| words(prompt)).sum());
    let completion = completion.capped(cap(body, &["max_tokens"]));
    let writer = Texts { include_usage: include_usage(body)? };
    Ok(Answer::Text(completion, Box::new(writer), form(body)?))
}

fn prompts(body: &Object) -> Result<Vec<&str>, InferenceError> {
    let prompts = match given(body, "prompt") {
        Some(Value::String(prompt)) => Some(vec![prompt.as_str()]),
        Some(Value::Array(list)) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    // Numbers of tokens mean nothing here: the demo's tokens are words.
    prompts.ok_or_else(|| invalid("`prompt` is a string or a list of strings; the demo reads no token ids", "prompt"))
}

struct Texts {
    include_usage: bool,
}

impl Texts {
    fn chunk(&self, reply: &Reply, choices: &[Value], usage: Value) -> String {
        let mut chunk = head(reply);
        chunk["choices"] = choices.into();
        if self.include_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    }
}

fn head(reply: &Reply) -> Value {
    let id = format!("cmpl-demo-{}", reply.id);
    json!({ "id": id, "object": "text_completion", "created": reply.created, "model": reply.model() })
}

fn choice(index: usize, text: &str, reason: Option<&str>) -> Value {
    json!({ "index": index, "text": text, "logprobs": null, "finish_reason": reason })
}

impl Writer for Texts {
    fn document(&self, reply: &Reply) -> Value {
        let texts = reply.completion.texts.iter().enumerate();
        let mut document = head(reply);
        document["choices"] = texts.map(|(index, text)| choice(index, text, Some(reason(reply, index)))).collect();
        document["usage"] = usage(reply);
        document
    }

    fn begin(&mut self, _: &Reply) -> Vec<u8> {
        Vec::new()
    }

    fn word(&mut self, reply: &Reply, word: &Word<'_>) -> Vec<u8> {
        self.chunk(reply, &[choice(word.index, word.text, None)], Value::Null).into()
    }

    fn end(&mut self, reply: &Reply) -> Vec<u8> {
        let last = |index| self.chunk(reply, &[choice(index, "", Some(reason(reply, index)))], Value::Null);
        let mut end: String = (0..reply.completion.texts.len()).map(last).collect();
        if self.include_usage {
            end += &self.chunk(reply, &[], usage(reply));
        }
        (end + DONE).into()
    }
}
