//! What a log must say that the frames of a stream counted, found by way of a parser.

use serde_json::Value;

use super::surface::Surface;

/// Input and output tokens.
pub(crate) fn counted(surface: Surface, frames: &[String]) -> [Option<u64>; 2] {
    let data = frames.iter().filter_map(|frame| {
        let at = frame.find('{')?;
        serde_json::from_str::<Value>(frame[at..].trim_end()).ok()
    });
    let sum = |usage: &Value, names: &[&str]| names.iter().filter_map(|name| usage[*name].as_u64()).sum::<u64>();
    let mut found = [None; 2];
    for data in data {
        let (usage, input, output): (&Value, &[&str], &[&str]) = match surface {
            Surface::Chat | Surface::Completions => (&data["usage"], &["prompt_tokens"], &["completion_tokens"]),
            Surface::Messages => {
                let usage = if data["type"] == "message_start" { &data["message"]["usage"] } else { &data["usage"] };
                let input = &["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
                (usage, input, &["output_tokens"])
            }
            Surface::Responses => (&data["response"]["usage"], &["input_tokens"], &["output_tokens"]),
            Surface::GoogleEvents | Surface::GoogleArray => {
                (&data["usageMetadata"], &["promptTokenCount"], &["candidatesTokenCount", "thoughtsTokenCount"])
            }
        };
        if usage.is_object() {
            found = [Some(sum(usage, input)), Some(sum(usage, output))];
        }
    }
    found
}
