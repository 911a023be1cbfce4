//! Where a response tells what it counted: its member `usage`. Input includes what a cache held, output what was thought.
//!
//! Source: OpenAI API reference, object "response", `usage`.

use serde_json::{Value, json};

use crate::protocol::{
    json_read, token_details,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

/// The counts in a value of `usage`.
pub(super) fn in_value(value: &str) -> Option<TokenUsage> {
    let names = ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details"];
    let [input, input_details, output, output_details] = json_read::values(value, names)?;
    let input_parts = input_details.map(|value| token_details::input(value.as_bytes())).unwrap_or_default();
    let output_parts = output_details.map(|value| token_details::output(value.as_bytes())).unwrap_or_default();
    let input = count(input).map(|input| InputTokens::within(input, input_parts));
    let output = count(output).map(|output| OutputTokens::within(output, output_parts));
    TokenUsage { input, output }.told()
}

/// What was used, as a last event tells it.
pub(super) fn written(usage: &TokenUsage) -> Value {
    let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
    let (all_input, all_output) = (input.total(), output.total());
    let cache_write = input.cache_write.saturating_add(input.cache_write_1h);
    json!({
        "input_tokens": all_input,
        "input_tokens_details": { "cached_tokens": input.cache_read, "cache_write_tokens": cache_write },
        "output_tokens": all_output,
        "output_tokens_details": { "reasoning_tokens": output.reasoning },
        "total_tokens": all_input.saturating_add(all_output),
    })
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
        let value = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":0,"text_tokens":10,"image_tokens":90},"output_tokens":300,"output_tokens_details":{"image_tokens":272,"text_tokens":28},"total_tokens":400}"#;
        let usage = in_value(value).unwrap();
        assert_eq!(usage.input, Some(InputTokens { uncached: 10, image: 90, ..InputTokens::default() }));
        assert_eq!(usage.output, Some(OutputTokens { visible: 28, image: 272, ..OutputTokens::default() }));
        assert_eq!(in_value(r#"{"input_tokens":3}"#).unwrap().output, None);
        assert_eq!(in_value("null"), None);
        assert_eq!(in_value(r#"{"input_tokens":-3,"output_tokens_details":[]}"#), None);
    }
}
