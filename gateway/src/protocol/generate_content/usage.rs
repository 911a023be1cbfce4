//! Where content tells what was counted: `usageMetadata`. Counts of zero are left out, as the encoding of the API does.
//!
//! The prompt includes what a cache held; what tools brought in and what was thought stand beside it and beside the
//! candidates. Source: Gemini API reference, `UsageMetadata`.

use crate::protocol::{
    json_read,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

/// The counts in a value of `usageMetadata`.
pub(super) fn in_value(value: &str) -> Option<TokenUsage> {
    let names = [
        "promptTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "totalTokenCount",
    ];
    let [prompt, cached, tools, candidates, thoughts, total] = json_read::values(value, names)?.map(count);
    if [prompt, candidates, thoughts, total].iter().all(Option::is_none) {
        return None;
    }
    let [cached, tools, thoughts] = [cached, tools, thoughts].map(|count| count.unwrap_or(0));
    let input = prompt.unwrap_or(0).saturating_add(tools);
    let counted = candidates.unwrap_or(0).saturating_add(thoughts);
    // The total is what the provider stands by.
    let output = total.and_then(|total| total.checked_sub(input)).unwrap_or(counted);
    Some(TokenUsage {
        input: Some(InputTokens::within(input, cached, 0, 0)),
        output: Some(OutputTokens::within(output, thoughts)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_sum_up_to_the_total() {
        for (value, classes) in [
            (r#"{"promptTokenCount":8,"candidatesTokenCount":3,"totalTokenCount":11}"#, [8, 0, 3, 0]),
            (
                r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"toolUsePromptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":132}"#,
                [45, 60, 7, 20],
            ),
            (r#"{"promptTokenCount":8,"totalTokenCount":8}"#, [8, 0, 0, 0]),
            (r#"{"promptTokenCount":8,"thoughtsTokenCount":4,"totalTokenCount":12}"#, [8, 0, 0, 4]),
            (r#"{"promptTokenCount":8,"candidatesTokenCount":2}"#, [8, 0, 2, 0]),
            (r#"{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":1}"#, [8, 0, 2, 0]),
        ] {
            let usage = in_value(value).unwrap();
            let (input, output) = (usage.input.unwrap(), usage.output.unwrap());
            assert_eq!([input.uncached, input.cache_read, output.visible, output.reasoning], classes, "{value}");
        }
        assert_eq!(in_value("{}"), None);
        assert_eq!(in_value("null"), None);
    }
}
