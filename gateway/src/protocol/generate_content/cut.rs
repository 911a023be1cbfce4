//! How a stream of content is cut: a last chunk in which each candidate that is open ends with `MAX_TOKENS`, and what was used.
//!
//! Source: Gemini API reference, `GenerateContentResponse`, `FinishReason`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::usage::written;
use crate::protocol::{json_read, limit::OpenReply, usage::TokenUsage};

/// Candidates beyond this are not told apart.
const MOST_CANDIDATES: u64 = 64;
/// What a chunk says of its reply is not kept where it is longer.
const LONGEST_FACT: usize = 1 << 10;
/// What each chunk of one reply repeats.
const FACTS: [&str; 2] = ["modelVersion", "responseId"];

/// The candidates of one stream.
#[derive(Debug, Default)]
pub(super) struct OpenCandidates {
    /// What the chunks repeat.
    facts: Map<String, Value>,
    /// Whether each has ended, by its index.
    candidates: BTreeMap<u64, bool>,
}

impl OpenCandidates {
    /// Takes note of a chunk; true where it `passes`.
    fn note(&mut self, chunk: &[u8], passes: bool) {
        let Some([candidates, facts @ ..]) = std::str::from_utf8(chunk)
            .ok()
            .and_then(|text| json_read::camel_values(text, ["candidates", FACTS[0], FACTS[1]]))
        else {
            return;
        };
        for (name, raw) in FACTS.into_iter().zip(facts) {
            if let Some(raw) = raw.filter(|raw| raw.len() <= LONGEST_FACT)
                && !self.facts.contains_key(name)
                && let Ok(value) = serde_json::from_str(raw)
            {
                self.facts.insert(name.to_owned(), value);
            }
        }
        for candidate in candidates.and_then(json_read::elements_of).unwrap_or_default() {
            let Some([index, reason]) = json_read::camel_values(candidate, ["index", "finishReason"]) else { continue };
            let index = index.and_then(|index| index.parse().ok()).unwrap_or(0).min(MOST_CANDIDATES);
            *self.candidates.entry(index).or_default() |=
                passes && reason.is_some_and(|reason| reason.starts_with('"'));
        }
    }

    fn chunk(&self, usage: &TokenUsage) -> Value {
        let first = [(0, false)].into();
        let candidates = if self.candidates.is_empty() { &first } else { &self.candidates };
        let open = candidates.iter().filter(|(_, has_ended)| !**has_ended);
        let last = |(index, _)| {
            let content = json!({ "role": "model", "parts": [{ "text": "" }] });
            json!({ "content": content, "finishReason": "MAX_TOKENS", "index": index })
        };
        let mut chunk = json!({ "candidates": open.map(last).collect::<Value>(), "usageMetadata": written(usage) });
        for (name, value) in &self.facts {
            chunk[name] = value.clone();
        }
        chunk
    }
}

impl OpenReply for OpenCandidates {
    fn read(&mut self, frame: &[u8]) {
        self.note(frame, true);
    }

    fn cut_before(&mut self, frame: &[u8]) {
        self.note(frame, false);
    }

    fn ending(&self, usage: &TokenUsage, is_array: bool) -> Vec<u8> {
        let chunk = self.chunk(usage);
        if is_array { chunk.to_string() } else { format!("data: {chunk}\n\n") }.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::usage::{InputTokens, OutputTokens};

    fn cut(chunks: &[&str]) -> Value {
        let mut open = OpenCandidates::default();
        let (last, passed) = chunks.split_last().unwrap();
        for chunk in passed {
            open.read(chunk.as_bytes());
        }
        open.cut_before(last.as_bytes());
        let input = InputTokens { uncached: 5, cache_read: 2, ..InputTokens::default() };
        let output = OutputTokens { visible: 3, reasoning: 4, ..OutputTokens::default() };
        let usage = TokenUsage { input: Some(input), output: Some(output) };
        let event = String::from_utf8(open.ending(&usage, false)).unwrap();
        let element = String::from_utf8(open.ending(&usage, true)).unwrap();
        assert_eq!(event, format!("data: {element}\n\n"));
        serde_json::from_str(&element).unwrap()
    }

    #[test]
    fn each_open_candidate_ends_in_a_last_chunk() {
        let one = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"modelVersion":"g","responseId":"r"}"#;
        let two = r#"{"candidates":[{"index":1,"finishReason":"STOP"},{"index":2}],"modelVersion":"other"}"#;
        let chunk = cut(&[one, two, one]);
        let ends = chunk["candidates"].as_array().unwrap();
        let ends: Vec<_> =
            ends.iter().map(|end| (end["index"].as_u64().unwrap(), end["finishReason"].as_str())).collect();
        assert_eq!(ends, [(0, Some("MAX_TOKENS")), (2, Some("MAX_TOKENS"))]);
        assert_eq!((&chunk["modelVersion"], &chunk["responseId"]), (&json!("g"), &json!("r")));
        assert_eq!(
            chunk["usageMetadata"],
            json!({"promptTokenCount": 7, "cachedContentTokenCount": 2, "candidatesTokenCount": 3,
                "thoughtsTokenCount": 4, "totalTokenCount": 14})
        );
        // The chunk that passes the limit is the first one, and would have been the last of its candidate.
        let chunk = cut(&[two]);
        assert_eq!(chunk["candidates"].as_array().unwrap().len(), 2);
        assert_eq!(chunk["modelVersion"], "other");
        assert_eq!(cut(&["{}"])["candidates"][0]["index"], 0);
    }
}
