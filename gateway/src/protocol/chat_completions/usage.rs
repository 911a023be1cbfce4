//! Where a chat completion, its stream and an embedding tell what they counted: the top-level member `usage`.
//!
//! Source: OpenAI API reference, objects "chat completion", "chat completion chunk" and "embedding list".

use std::sync::LazyLock;

use memchr::memmem;
use serde::Deserialize;

use crate::protocol::{
    json_members::{last_member, visit_members},
    sse_event,
    usage::TokenUsage,
};

/// The member of a document.
pub(in crate::protocol) const MEMBER: &str = "usage";

static QUOTED: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"usage\""));

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    usage: Option<Counts>,
}

impl From<Counts> for TokenUsage {
    fn from(counts: Counts) -> Self {
        Self { input: counts.prompt_tokens, output: counts.completion_tokens }
    }
}

static QUOTED_FROM_THE_END: LazyLock<memmem::FinderRev<'static>> =
    LazyLock::new(|| memmem::FinderRev::new(b"\"usage\""));

/// The counts in a whole document, where they stand in their usual place: near its end.
pub(in crate::protocol) fn in_document(document: &[u8]) -> Option<TokenUsage> {
    in_value(last_member(document, &QUOTED_FROM_THE_END)?)
}

/// The counts in the value of [`MEMBER`].
pub(in crate::protocol) fn in_value(value: &[u8]) -> Option<TokenUsage> {
    let mut usage = TokenUsage::default();
    let count = |value: std::ops::Range<usize>, text: &[u8]| std::str::from_utf8(&text[value]).ok()?.parse().ok();
    visit_members(value, |name, at| match name {
        b"prompt_tokens" => usage.input = count(at, value),
        b"completion_tokens" => usage.output = count(at, value),
        _ => {}
    })?;
    (!usage.is_empty()).then_some(usage)
}

/// The last counts in whole events of a stream.
pub(in crate::protocol) fn in_events(events: &[u8]) -> Option<TokenUsage> {
    // Most events of a stream hold no such word, or say `null`: only the others are worth a parse.
    if !QUOTED.find_iter(events).any(|at| says_something(&events[at + MEMBER.len() + 2..])) {
        return None;
    }
    let mut last = None;
    for event in sse_event::data_of(events) {
        let usage = serde_json::from_slice::<Chunk>(&event).ok().and_then(|chunk| chunk.usage);
        last = usage.map(TokenUsage::from).filter(|usage| !usage.is_empty()).or(last);
    }
    last
}

fn says_something(rest: &[u8]) -> bool {
    let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
    value.is_some_and(|value| value.starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_in_its_place_with_counts_is_usage() {
        let usage = |input, output| Some(TokenUsage { input: Some(input), output: Some(output) });
        let events = br#"data: {"usage":null,"x":"\"usage\":{}"}

data: {"choices":[{"delta":{"content":"\"usage\": {\"prompt_tokens\":9}"}}],"usage" : {"prompt_tokens":3,"completion_tokens":4,"more":{"a":[1]}}}

data: {"choices":[{"delta":{"tool":{"usage":{"prompt_tokens":77}}}}]}

data: [DONE]

"#;
        assert_eq!(in_events(events), usage(3, 4));
        assert_eq!(in_events(b"data: {\"usage\":{\"prompt_tokens\":-1}}\n\n"), None);
        assert_eq!(in_events(b"data: {\"usage\":{}}\n\n"), None);
        assert_eq!(in_events(b"\"usage\""), None);
        assert_eq!(in_value(br#" {"prompt_tokens":1,"completion_tokens":2} "#), usage(1, 2));
        assert_eq!(in_value(b"null"), None);
        assert_eq!(in_value(br#"{"prompt_tokens":-1,"completion_tokens":2.5,"total_tokens":3}"#), None);
    }

    #[test]
    fn r1_14_nested_usages_are_read_once() {
        let nest = format!("data: {}1{}\n\n", r#"{"usage":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(in_events(nest.as_bytes()), None);
    }
}
