//! Where a message and its stream tell what they counted: `usage` of the message, of `message_start.message`, and of each
//! `message_delta`, whose counts are cumulative.
//!
//! `input_tokens` leaves out what was read from a cache or written to one, and `output_tokens` includes the thinking.
//! Source: Anthropic API reference, "Messages", `usage`; "Streaming messages".

use serde_json::{Value, json};

use crate::protocol::{
    json_read,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

/// Counts as they were told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    /// Written to caches of any age.
    cache_write: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counts {
    /// The counts in a value of `usage`.
    pub(super) fn of(value: &str) -> Self {
        let names = [
            "input_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "output_tokens",
            "output_tokens_details",
        ];
        let Some([input, cache_read, cache_write, by_age, output, details]) = json_read::values(value, names) else {
            return Self::default();
        };
        let ages = ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"];
        let [five_minutes, hour] = by_age.and_then(|value| json_read::values(value, ages)).unwrap_or_default();
        let [thinking] = details.and_then(|value| json_read::values(value, ["thinking_tokens"])).unwrap_or_default();
        Self {
            input: count(input),
            cache_read: count(cache_read),
            cache_write: count(cache_write),
            cache_write_5m: count(five_minutes),
            cache_write_1h: count(hour),
            output: count(output),
            thinking: count(thinking),
        }
    }

    /// What `later` tells takes the place of what was told before.
    pub(super) fn update(&mut self, later: Self) {
        *self = Self {
            input: later.input.or(self.input),
            cache_read: later.cache_read.or(self.cache_read),
            cache_write: later.cache_write.or(self.cache_write),
            cache_write_5m: later.cache_write_5m.or(self.cache_write_5m),
            cache_write_1h: later.cache_write_1h.or(self.cache_write_1h),
            output: later.output.or(self.output),
            thinking: later.thinking.or(self.thinking),
        };
    }

    /// The counts by class.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        let hour = self.cache_write_1h.unwrap_or(0);
        let (cache_write, cache_write_1h) = match self.cache_write {
            // The sum is what is billed; the ages only part it.
            Some(all) => (all.saturating_sub(hour), hour.min(all)),
            None => (self.cache_write_5m.unwrap_or(0), hour),
        };
        let input = self.input.map(|uncached| InputTokens {
            uncached,
            cache_read: self.cache_read.unwrap_or(0),
            cache_write,
            cache_write_1h,
            ..InputTokens::default()
        });
        let output = self.output.map(|output| {
            let parts = OutputTokens { reasoning: self.thinking.unwrap_or(0), ..OutputTokens::default() };
            OutputTokens::within(output, parts)
        });
        TokenUsage { input, output }.told()
    }
}

/// What was used, as `message_delta` tells it.
pub(super) fn written(usage: &TokenUsage) -> Value {
    let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
    let cache_write = input.cache_write.saturating_add(input.cache_write_1h);
    json!({
        "input_tokens": input.total().saturating_sub(input.cache_read).saturating_sub(cache_write),
        "cache_creation_input_tokens": cache_write,
        "cache_read_input_tokens": input.cache_read,
        "output_tokens": output.total(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(counts: Counts) -> [u64; 6] {
        let usage = counts.usage().unwrap();
        let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
        [input.uncached, input.cache_read, input.cache_write, input.cache_write_1h, output.visible, output.reasoning]
    }

    #[test]
    fn caches_stand_beside_the_input() {
        for (value, expected) in [
            (r#"{"input_tokens":5,"output_tokens":7}"#, [5, 0, 0, 0, 7, 0]),
            (
                r#"{"input_tokens":5,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}}"#,
                [5, 100, 10, 20, 3, 4],
            ),
            (r#"{"input_tokens":5,"cache_creation_input_tokens":30,"cache_creation":null}"#, [5, 0, 30, 0, 0, 0]),
            (
                r#"{"input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2}}"#,
                [5, 0, 1, 2, 0, 0],
            ),
            // Less than its parts: nothing is negative, nothing is counted twice.
            (
                r#"{"input_tokens":5,"cache_creation_input_tokens":8,"cache_creation":{"ephemeral_1h_input_tokens":20}}"#,
                [5, 0, 0, 8, 0, 0],
            ),
        ] {
            assert_eq!(classes(Counts::of(value)), expected, "{value}");
        }
        assert_eq!(Counts::of("null").usage(), None);
        assert_eq!(Counts::of("{}").usage(), None);
    }

    #[test]
    fn later_counts_take_the_place_of_earlier_ones() {
        let mut counts = Counts::of(r#"{"input_tokens":5,"cache_read_input_tokens":9,"output_tokens":1}"#);
        counts.update(Counts::of(r#"{"output_tokens":20}"#));
        assert_eq!(classes(counts), [5, 9, 0, 0, 20, 0]);
        counts.update(Counts::of(r#"{"input_tokens":6,"cache_read_input_tokens":0,"output_tokens":25}"#));
        assert_eq!(classes(counts), [6, 0, 0, 0, 25, 0]);
    }
}
