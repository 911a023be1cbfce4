//! Where a response tells what it counted: its member `usage`. Input includes what a cache held, output what was thought.
//!
//! Source: OpenAI API reference, object "response", `usage`.

use crate::protocol::{
    json_read,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

/// The counts in a value of `usage`.
pub(super) fn in_value(value: &str) -> Option<TokenUsage> {
    let names = ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details"];
    let [input, input_details, output, output_details] = json_read::values(value, names)?;
    let parts = ["cached_tokens", "cache_write_tokens"];
    let [read, written] = input_details.and_then(|value| json_read::values(value, parts)).unwrap_or_default();
    let [reasoning] =
        output_details.and_then(|value| json_read::values(value, ["reasoning_tokens"])).unwrap_or_default();
    let (read, written) = (count(read).unwrap_or(0), count(written).unwrap_or(0));
    let input = count(input).map(|input| InputTokens::within(input, read, written, 0));
    let output = count(output).map(|output| OutputTokens::within(output, count(reasoning).unwrap_or(0)));
    TokenUsage { input, output }.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_their_whole() {
        let value = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},"output_tokens":40,"output_tokens_details":{"reasoning_tokens":15},"total_tokens":140}"#;
        let usage = in_value(value).unwrap();
        assert_eq!(
            usage.input,
            Some(InputTokens { uncached: 30, cache_read: 60, cache_write: 10, ..InputTokens::default() })
        );
        assert_eq!(usage.output, Some(OutputTokens { visible: 25, reasoning: 15, ..OutputTokens::default() }));
        assert_eq!(in_value(r#"{"input_tokens":3}"#).unwrap().output, None);
        assert_eq!(in_value("null"), None);
        assert_eq!(in_value(r#"{"input_tokens":-3,"output_tokens_details":[]}"#), None);
    }
}
