//! Where a chat completion, its stream and an embedding tell what they counted: the top-level member `usage`.
//!
//! Source: OpenAI API reference, objects "chat completion", "chat completion chunk" and "embedding list"; the names of
//! caches beside OpenAI's own are DeepSeek's (`prompt_cache_hit_tokens`).

use std::{ops::Range, str::from_utf8, sync::LazyLock};

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::{Value, json};

use crate::protocol::{
    json_members::visit_members,
    json_read, sse_event, token_details,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

const MEMBER: &[u8] = b"\"usage\"";
static QUOTED: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(MEMBER));

#[derive(Default)]
struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    input: InputTokens,
    output: OutputTokens,
    /// What a cache held, by its other name.
    cache_hit: u64,
}

impl Counts {
    fn usage(&self) -> Option<TokenUsage> {
        let parts = InputTokens { cache_read: self.input.cache_read.max(self.cache_hit), ..self.input };
        let input = self.prompt.map(|prompt| InputTokens::within(prompt, parts));
        let output = self.completion.map(|completion| {
            // Some providers count what was thought beside the completion, and only their total shows it.
            let reasoning = self.output.reasoning;
            let beside = completion.saturating_add(reasoning);
            let is_beside = reasoning > 0 && self.total == self.prompt.and_then(|p| p.checked_add(beside));
            OutputTokens::within(if is_beside { beside } else { completion }, self.output)
        });
        TokenUsage { input, output }.told()
    }
}

/// The counts in the value of the member.
pub(super) fn in_value(value: &[u8]) -> Option<TokenUsage> {
    let mut counts = Counts::default();
    visit_members(value, |name, at| {
        let value = &value[at];
        match name {
            b"prompt_tokens" => counts.prompt = number(value),
            b"completion_tokens" => counts.completion = number(value),
            b"total_tokens" => counts.total = number(value),
            b"prompt_cache_hit_tokens" => counts.cache_hit = number(value).unwrap_or(0),
            b"prompt_tokens_details" => counts.input = token_details::input(value),
            b"completion_tokens_details" => counts.output = token_details::output(value),
            _ => {}
        }
    })?;
    counts.usage()
}

/// What was used, as a chunk tells it.
pub(super) fn written(usage: &TokenUsage) -> Value {
    let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
    let (prompt, completion) = (input.total(), output.total());
    let mut of_prompt = json!({ "cached_tokens": input.cache_read });
    let mut of_completion = json!({ "reasoning_tokens": output.reasoning });
    let written = input.cache_write.saturating_add(input.cache_write_1h);
    for (name, count) in [
        ("cache_write_tokens", written),
        ("audio_tokens", input.audio),
        ("image_tokens", input.image),
        ("video_tokens", input.video),
    ] {
        if count > 0 {
            of_prompt[name] = count.into();
        }
    }
    for (name, count) in [("audio_tokens", output.audio), ("image_tokens", output.image)] {
        if count > 0 {
            of_completion[name] = count.into();
        }
    }
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt.saturating_add(completion),
        "prompt_tokens_details": of_prompt, "completion_tokens_details": of_completion,
    })
}

fn number(value: &[u8]) -> Option<u64> {
    count(from_utf8(value).ok())
}

/// What whole events of a stream say of usage.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The last counts.
    pub(super) usage: Option<TokenUsage>,
    /// The events without those that say nothing else, where such are hidden.
    pub(super) rest: Option<Bytes>,
    /// The last of them is hidden and ends with a `\r`, so that a `\n` that follows belongs to it.
    pub(super) hides_next_newline: bool,
}

/// What `events` say; with `hides` those that say nothing else are left out.
pub(super) fn in_events(events: &Bytes, hides: bool) -> Told {
    // Most events of a stream hold no such word, or say `null`: only the others are worth a look.
    if !QUOTED.find_iter(events).any(|at| says_something(&events[at + MEMBER.len()..])) {
        return Told::default();
    }
    let (mut last, mut hidden) = (None, Vec::new());
    for event in sse_event::events_of(events) {
        let Ok(data) = from_utf8(&event.data) else { continue };
        let names = ["usage", "choices", "error"];
        let Some([Some(usage), choices, error]) = json_read::values(data, names) else { continue };
        let counted = in_value(usage.as_bytes());
        let is_all = choices.is_some_and(is_empty_list) && error.is_none_or(|error| error == "null");
        if hides && usage.starts_with('{') && is_all {
            hidden.push(event.at);
        }
        last = TokenUsage::joined(last, counted);
    }
    let hides_next_newline = events.ends_with(b"\r") && hidden.last().is_some_and(|at| at.end == events.len());
    let rest = (!hidden.is_empty()).then(|| without(events, &hidden));
    Told { usage: last, rest, hides_next_newline }
}

fn is_empty_list(value: &str) -> bool {
    value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| inner.trim().is_empty())
}

fn without(events: &Bytes, hidden: &[Range<usize>]) -> Bytes {
    if let [one] = hidden {
        if one.start == 0 {
            return events.slice(one.end..);
        }
        if one.end == events.len() {
            return events.slice(..one.start);
        }
    }
    let mut rest = BytesMut::with_capacity(events.len());
    let mut from = 0;
    for at in hidden {
        rest.extend_from_slice(&events[from..at.start]);
        from = at.end;
    }
    rest.extend_from_slice(&events[from..]);
    rest.freeze()
}

fn says_something(rest: &[u8]) -> bool {
    let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
    value.is_some_and(|value| value.starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> TokenUsage {
        let input = InputTokens { uncached: input, ..InputTokens::default() };
        TokenUsage { input: Some(input), output: Some(OutputTokens { visible: output, ..OutputTokens::default() }) }
    }

    #[test]
    fn only_an_object_in_its_place_with_counts_is_usage() {
        let events = br#"data: {"usage":null,"x":"\"usage\":{}"}

data: {"choices":[{"delta":{"content":"\"usage\": {\"prompt_tokens\":9}"}}],"usage" : {"prompt_tokens":3,"completion_tokens":4,"more":{"a":[1]}}}

data: {"choices":[{"delta":{"tool":{"usage":{"prompt_tokens":77}}}}]}

data: [DONE]

"#;
        let in_events = |events: &'static [u8]| {
            let told = in_events(&Bytes::from_static(events), false);
            assert!(told.rest.is_none());
            told.usage
        };
        assert_eq!(in_events(events), Some(usage(3, 4)));
        assert_eq!(in_events(b"data: {\"usage\":{\"prompt_tokens\":-1}}\n\n"), None);
        assert_eq!(in_events(b"data: {\"usage\":{}}\n\n"), None);
        assert_eq!(in_events(b"\"usage\""), None);
        assert_eq!(in_value(br#" {"prompt_tokens":1,"completion_tokens":2} "#), Some(usage(1, 2)));
        assert_eq!(in_value(b"null"), None);
        assert_eq!(in_value(br#"{"prompt_tokens":-1,"completion_tokens":2.5,"total_tokens":3}"#), None);
    }

    #[test]
    fn classes_are_told_apart_and_sum_up() {
        for (value, classes) in [
            (
                r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}"#,
                [10, 60, 30, 30, 20],
            ),
            // Counted beside the completion.
            (
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                [10, 0, 0, 5, 20],
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}"#,
                [2, 8, 0, 5, 0],
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":99}}"#,
                [0, 10, 0, 5, 0],
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,"completion_tokens_details":"x"}"#,
                [10, 0, 0, 5, 0],
            ),
        ] {
            let usage = in_value(value.as_bytes()).unwrap();
            let (input, output) = (usage.input.unwrap(), usage.output.unwrap());
            let found = [input.uncached, input.cache_read, input.cache_write, output.visible, output.reasoning];
            assert_eq!(found, classes, "{value}");
        }
        assert_eq!(in_value(br#"{"prompt_tokens":7,"total_tokens":7}"#).unwrap().output, None);
    }

    #[test]
    fn p16_sound_and_pictures_are_classes_of_their_own() {
        for (value, input, output) in [
            // Sound in and out; of what a cache held only the sum is known.
            (
                r#"{"prompt_tokens":120,"completion_tokens":90,"total_tokens":210,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":80},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":70,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#,
                InputTokens { uncached: 40, audio: 80, ..InputTokens::default() },
                OutputTokens { visible: 20, audio: 70, ..OutputTokens::default() },
            ),
            // OpenRouter's, with what it wrote to a cache and a picture that came out.
            (
                r#"{"prompt_tokens":500,"completion_tokens":1300,"total_tokens":1800,"cost":0.01,"prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":50,"audio_tokens":0,"video_tokens":200},"completion_tokens_details":{"reasoning_tokens":9,"image_tokens":1290}}"#,
                InputTokens { uncached: 150, cache_read: 100, cache_write: 50, video: 200, ..InputTokens::default() },
                OutputTokens { visible: 1, reasoning: 9, image: 1290, ..OutputTokens::default() },
            ),
            // A cache held some of the sound and of the pictures.
            (
                r#"{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"text_tokens":20,"audio_tokens":50,"image_tokens":30,"cached_tokens":45,"cached_tokens_details":{"text_tokens":5,"audio_tokens":40}}}"#,
                InputTokens { uncached: 15, cache_read: 45, audio: 10, image: 30, ..InputTokens::default() },
                OutputTokens { visible: 1, ..OutputTokens::default() },
            ),
            // Parts that are more than the whole.
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":5},"completion_tokens_details":{"audio_tokens":3}}"#,
                InputTokens { cache_read: 8, audio: 2, ..InputTokens::default() },
                OutputTokens { audio: 2, ..OutputTokens::default() },
            ),
        ] {
            let usage = in_value(value.as_bytes()).unwrap();
            assert_eq!((usage.input, usage.output), (Some(input), Some(output)), "{value}");
        }
    }

    #[test]
    fn the_chunk_that_nobody_asked_for_is_hidden_and_no_other() {
        let hide = |events: &'static str| {
            let told = in_events(&Bytes::from_static(events.as_bytes()), true);
            (told.usage.is_some(), told.rest.map(|rest| String::from_utf8(rest.to_vec()).unwrap()))
        };
        let chunk = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        let leak = |text: String| -> &'static str { text.leak() };
        let done = "data: [DONE]\n\n";
        assert_eq!(hide(leak(format!("{chunk}\n\n{done}"))), (true, Some(done.to_owned())));
        assert_eq!(
            hide(leak(format!("data: {{}}\r\n\r\n{chunk}\r\n\r\n"))),
            (true, Some("data: {}\r\n\r\n".to_owned()))
        );
        assert_eq!(hide(leak(format!("data: 1\n\n{chunk}\n\n{done}"))), (true, Some(format!("data: 1\n\n{done}"))));
        assert_eq!(hide(leak(format!("{chunk}\n\n{chunk}\n\n{done}"))), (true, Some(done.to_owned())));
        let told = r#"data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#;
        assert_eq!(hide(leak(format!("{told}\n\n"))), (true, None));
        assert_eq!(hide("data: {\"choices\":[],\"usage\":null}\n\n"), (false, None));
        let failed = r#"data: {"choices":[],"usage":{"prompt_tokens":1},"error":{"message":"x"}}"#;
        assert_eq!(hide(leak(format!("{failed}\n\n"))), (true, None));
    }

    #[test]
    fn r1_14_nested_usages_are_read_once() {
        let nest = format!("data: {}1{}\n\n", r#"{"usage":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(in_events(&Bytes::from(nest), false).usage, None);
    }
}
