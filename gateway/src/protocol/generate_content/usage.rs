//! Where content tells what was counted: `usageMetadata`. Counts of zero are left out, as the encoding of the API does.
//!
//! The prompt includes what a cache held; what tools brought in and what was thought stand beside it and beside the
//! candidates. Source: Gemini API reference, `UsageMetadata`.

use serde_json::{Value, json};

use crate::protocol::{
    json_read,
    usage::{InputTokens, OutputTokens, TokenUsage, count},
};

/// The counts in a value of `usageMetadata`.
pub(super) fn in_value(value: &str) -> Option<TokenUsage> {
    let counts = [
        "promptTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "totalTokenCount",
    ];
    let [prompt, cached, tools, candidates, thoughts, total] = json_read::camel_values(value, counts)?.map(count);
    if [prompt, candidates, thoughts, total].iter().all(Option::is_none) {
        return None;
    }
    let details =
        ["promptTokensDetails", "cacheTokensDetails", "toolUsePromptTokensDetails", "candidatesTokensDetails"];
    let [in_prompt, in_cache, in_tools, in_candidates] =
        json_read::camel_values(value, details).unwrap_or_default().map(|list| list.map(Media::of).unwrap_or_default());
    let [cached, tools, thoughts] = [cached, tools, thoughts].map(|count| count.unwrap_or(0));
    let input = prompt.unwrap_or(0).saturating_add(tools);
    let counted = candidates.unwrap_or(0).saturating_add(thoughts);
    // The total is what the provider stands by.
    let output = total.and_then(|total| total.checked_sub(input)).unwrap_or(counted);
    // What a cache held counts as that, whatever it was.
    let read_anew = |prompt: u64, cache: u64, tools: u64| prompt.saturating_sub(cache).saturating_add(tools);
    let input_parts = InputTokens {
        cache_read: cached,
        audio: read_anew(in_prompt.audio, in_cache.audio, in_tools.audio),
        image: read_anew(in_prompt.image, in_cache.image, in_tools.image),
        video: read_anew(in_prompt.video, in_cache.video, in_tools.video),
        ..InputTokens::default()
    };
    let output_parts =
        OutputTokens { visible: 0, reasoning: thoughts, audio: in_candidates.audio, image: in_candidates.image };
    Some(TokenUsage {
        input: Some(InputTokens::within(input, input_parts)),
        output: Some(OutputTokens::within(output, output_parts)),
    })
}

/// What was used, as a last chunk tells it.
pub(super) fn written(usage: &TokenUsage) -> Value {
    let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
    let (prompt, all) = (input.total(), output.total());
    let mut counts = json!({
        "promptTokenCount": prompt, "candidatesTokenCount": all.saturating_sub(output.reasoning),
        "totalTokenCount": prompt.saturating_add(all),
    });
    for (name, count) in [("cachedContentTokenCount", input.cache_read), ("thoughtsTokenCount", output.reasoning)] {
        if count > 0 {
            counts[name] = count.into();
        }
    }
    counts
}

/// Counts by modality; text and documents are the rest.
#[derive(Clone, Copy, Debug, Default)]
struct Media {
    audio: u64,
    image: u64,
    video: u64,
}

impl Media {
    /// The counts in a list of `ModalityTokenCount`.
    fn of(list: &str) -> Self {
        let mut media = Self::default();
        for element in json_read::elements_of(list).unwrap_or_default() {
            let Some([Some(modality), tokens]) = json_read::camel_values(element, ["modality", "tokenCount"]) else {
                continue;
            };
            let tokens = count(tokens).unwrap_or(0);
            match modality {
                "\"AUDIO\"" => media.audio = media.audio.saturating_add(tokens),
                "\"IMAGE\"" => media.image = media.image.saturating_add(tokens),
                "\"VIDEO\"" => media.video = media.video.saturating_add(tokens),
                _ => {}
            }
        }
        media
    }
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
            (r#"{"prompt_token_count":8,"candidates_token_count":3,"total_token_count":11}"#, [8, 0, 3, 0]),
            (r#"{"promptTokenCount":8,"totalTokenCount":8}"#, [8, 0, 0, 0]),
            (r#"{"promptTokenCount":8,"thoughtsTokenCount":4,"totalTokenCount":12}"#, [8, 0, 0, 4]),
            (r#"{"promptTokenCount":8,"candidatesTokenCount":2}"#, [8, 0, 2, 0]),
            (r#"{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":1}"#, [8, 0, 2, 0]),
        ] {
            let usage = in_value(value).unwrap();
            let (input, output) = (usage.input.unwrap(), usage.output.unwrap());
            assert_eq!([input.uncached, input.cache_read, output.visible, output.reasoning], classes, "{value}");
        }
        let value = r#"{"promptTokenCount":1000,"cachedContentTokenCount":300,"toolUsePromptTokenCount":20,"candidatesTokenCount":1300,
            "thoughtsTokenCount":50,"totalTokenCount":2370,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"IMAGE","tokenCount":500},{"modality":"VIDEO","tokenCount":290},{"modality":"DOCUMENT","tokenCount":200}],
            "cacheTokensDetails":[{"modality":"VIDEO","tokenCount":290},{"modality":"TEXT","tokenCount":10}],
            "toolUsePromptTokensDetails":[{"modality":"AUDIO","tokenCount":15},{"modality":"TEXT","tokenCount":5}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290},{"modality":"TEXT"},{"x":1},7]}"#;
        let usage = in_value(value).unwrap();
        let input = InputTokens { uncached: 205, cache_read: 300, image: 500, audio: 15, ..InputTokens::default() };
        assert_eq!(usage.input, Some(input));
        let output = OutputTokens { visible: 10, reasoning: 50, image: 1290, audio: 0 };
        assert_eq!((usage.output, input.total() + output.total()), (Some(output), 2370));
        assert_eq!(in_value("{}"), None);
        assert_eq!(in_value("null"), None);
    }
}
