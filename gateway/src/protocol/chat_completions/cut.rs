//! How a stream of chunks is cut: each choice that is open ends with `finish_reason: "length"`, then what was used, where the
//! caller asked for it, then `[DONE]`.
//!
//! Source: OpenAI API reference, objects "chat completion chunk" and "completion" (streamed, with `text` in place of
//! `delta`), `stream_options`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::usage::written;
use crate::protocol::{json_read, limit::OpenReply, usage::TokenUsage};

/// Choices beyond this are not told apart.
const MOST_CHOICES: u64 = 1 << 10;
/// What a chunk says of its reply is not kept where it is longer.
const LONGEST_FACT: usize = 1 << 10;
/// What each chunk of one reply repeats.
const FACTS: [&str; 6] = ["id", "object", "created", "model", "system_fingerprint", "service_tier"];

/// How far a choice has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Nothing of it has passed.
    New,
    Open,
    Ended,
}

/// The choices of one stream.
#[derive(Debug)]
pub(super) struct OpenChoices {
    asks_usage: bool,
    /// What the chunks repeat.
    facts: Map<String, Value>,
    choices: BTreeMap<u64, Choice>,
    /// They have `text` in place of `delta`.
    are_texts: bool,
}

impl OpenChoices {
    /// `asks_usage`: the caller asked to be told what is used.
    pub(super) fn new(asks_usage: bool) -> Self {
        Self { asks_usage, facts: Map::new(), choices: BTreeMap::new(), are_texts: false }
    }

    /// Takes note of a chunk; true where it `passes`.
    fn note(&mut self, chunk: &[u8], passes: bool) {
        let names = [FACTS[0], FACTS[1], FACTS[2], FACTS[3], FACTS[4], FACTS[5], "choices"];
        let Some([facts @ .., choices]) = json_read::values_in(chunk, names) else { return };
        for (name, raw) in FACTS.into_iter().zip(facts) {
            if let Some(raw) = raw.filter(|raw| raw.len() <= LONGEST_FACT)
                && !self.facts.contains_key(name)
                && let Ok(value) = serde_json::from_str(raw)
            {
                self.facts.insert(name.to_owned(), value);
            }
        }
        for choice in choices.and_then(json_read::elements_of).unwrap_or_default() {
            self.note_choice(choice, passes);
        }
    }

    fn note_choice(&mut self, choice: &str, passes: bool) {
        let names = ["index", "finish_reason", "text", "delta"];
        let Some([index, reason, text, delta]) = json_read::values(choice, names) else { return };
        let index = index.and_then(|index| index.parse().ok()).unwrap_or(0).min(MOST_CHOICES);
        self.are_texts |= text.is_some() && delta.is_none();
        let so_far = self.choices.entry(index).or_insert(Choice::New);
        if passes {
            let has_ended = *so_far == Choice::Ended || reason.is_some_and(|reason| reason.starts_with('"'));
            *so_far = if has_ended { Choice::Ended } else { Choice::Open };
        }
    }

    /// The end of a choice.
    fn last(&self, index: u64, choice: Choice) -> Value {
        let (name, rest) = match (self.are_texts, choice) {
            (true, _) => ("text", json!("")),
            (false, Choice::New) => ("delta", json!({ "role": "assistant", "content": "" })),
            (false, Choice::Open | Choice::Ended) => ("delta", json!({})),
        };
        json!({ "index": index, name: rest, "logprobs": null, "finish_reason": "length" })
    }

    fn event(&self, choices: &Value, usage: Option<&Value>) -> String {
        let kind = if self.are_texts { "text_completion" } else { "chat.completion.chunk" };
        let mut chunk = json!({ "id": "", "object": kind, "created": 0, "model": "" });
        for (name, value) in &self.facts {
            chunk[name] = value.clone();
        }
        chunk["choices"] = choices.clone();
        if self.asks_usage {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n")
    }
}

impl OpenReply for OpenChoices {
    fn read(&mut self, frame: &[u8]) {
        self.note(frame, true);
    }

    fn cut_before(&mut self, frame: &[u8]) {
        self.note(frame, false);
    }

    fn ending(&self, usage: &TokenUsage, _is_array: bool) -> Vec<u8> {
        let first = [(0, Choice::New)].into();
        // A reply without a choice is one that no client expects.
        let choices = if self.choices.is_empty() { &first } else { &self.choices };
        let open = choices.iter().filter(|(_, choice)| **choice != Choice::Ended);
        let mut ending: String =
            open.map(|(index, choice)| self.event(&json!([self.last(*index, *choice)]), None)).collect();
        if self.asks_usage {
            ending += &self.event(&json!([]), Some(&written(usage)));
        }
        ending += "data: [DONE]\n\n";
        ending.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::usage::{InputTokens, OutputTokens};

    /// What a stream of these chunks ends with where it is cut before the last one.
    fn cut(chunks: &[&str], asks_usage: bool) -> Vec<Value> {
        let mut open = OpenChoices::new(asks_usage);
        let (last, passed) = chunks.split_last().unwrap();
        for chunk in passed {
            open.read(chunk.as_bytes());
        }
        open.cut_before(last.as_bytes());
        let input = InputTokens { uncached: 5, cache_read: 2, ..InputTokens::default() };
        let output = OutputTokens { visible: 3, reasoning: 1, ..OutputTokens::default() };
        let ending = open.ending(&TokenUsage { input: Some(input), output: Some(output) }, false);
        let ending = String::from_utf8(ending).unwrap();
        let events = ending.strip_suffix("data: [DONE]\n\n").unwrap();
        events.split_terminator("\n\n").map(|event| serde_json::from_str(&event["data: ".len()..]).unwrap()).collect()
    }

    #[test]
    fn each_open_choice_ends_and_no_other() {
        let begin = r#"{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#;
        let other = r#"{"id":"c1","choices":[{"index":2,"delta":{"content":"x"}}]}"#;
        let ended = r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let over = r#"{"id":"no","choices":[{"index":1,"delta":{"content":"y"},"finish_reason":"stop"}]}"#;
        let open = |index: u64| {
            json!({"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m",
            "choices": [{"index": index, "delta": {}, "logprobs": null, "finish_reason": "length"}]})
        };
        let new = |index: u64| {
            let mut new = open(index);
            new["choices"][0]["delta"] = json!({"role": "assistant", "content": ""});
            new
        };
        assert_eq!(cut(&[begin, other, over], false), [open(0), new(1), open(2)]);
        assert_eq!(cut(&[begin, other, ended, over], false), [new(1), open(2)]);
        // Nothing passed: what the chunk says of the reply is told all the same.
        assert_eq!(cut(&[begin], false), [new(0)]);
        let bare = &cut(&["[DONE]"], false)[0];
        assert_eq!((&bare["choices"][0]["index"], &bare["created"]), (&json!(0), &json!(0)));
    }

    #[test]
    fn what_was_used_is_told_to_whom_asked() {
        let chunk = r#"{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}"#;
        let chunks = cut(&[chunk, chunk], true);
        assert_eq!((chunks.len(), &chunks[0]["usage"], &chunks[1]["choices"]), (2, &Value::Null, &json!([])));
        assert_eq!(chunks[1]["id"], "c1");
        assert_eq!(
            chunks[1]["usage"],
            json!({"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11,
                "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}})
        );
    }

    #[test]
    fn a_completion_ends_in_its_own_form() {
        let chunk = r#"{"id":"c1","object":"text_completion","created":7,"model":"m","choices":[{"index":1,"text":"x","logprobs":null,"finish_reason":null}]}"#;
        let last = json!({"index": 1, "text": "", "logprobs": null, "finish_reason": "length"});
        let expected = json!({"id": "c1", "object": "text_completion", "created": 7, "model": "m", "choices": [last]});
        assert_eq!(cut(&[chunk, chunk], false), std::slice::from_ref(&expected));
        assert_eq!(cut(&[chunk], false), [expected]);
    }
}
