//! Of what kind tokens are, as OpenAI's APIs tell it beside their sums (`prompt_tokens_details`, `input_tokens_details`,
//! `completion_tokens_details`, `output_tokens_details`).
//!
//! Source: OpenAI API reference, `CompletionUsage`, `ResponseUsage`, and the usage of its other APIs (`image_tokens`,
//! `cached_tokens_details`); `cache_write_tokens`, `video_tokens` are OpenRouter's. What is left out here (text, tokens of
//! a prediction that was accepted or rejected) is a part of the sum as it is.

use std::str::from_utf8;

use super::{
    json_members::visit_members,
    usage::{InputTokens, OutputTokens, count},
};

/// The parts of an input of which `value` tells. What a cache held counts as that, whatever it was.
pub(super) fn input(value: &[u8]) -> InputTokens {
    let (mut parts, mut cached) = (InputTokens::default(), InputTokens::default());
    visit_members(value, |name, at| {
        let value = &value[at];
        if name == b"cached_tokens_details" {
            visit_members(value, |name, at| input_part(name, &value[at], &mut cached));
        } else {
            input_part(name, value, &mut parts);
        }
    });
    InputTokens {
        audio: parts.audio.saturating_sub(cached.audio),
        image: parts.image.saturating_sub(cached.image),
        video: parts.video.saturating_sub(cached.video),
        ..parts
    }
}

fn input_part(name: &[u8], value: &[u8], parts: &mut InputTokens) {
    let Some(count) = count(from_utf8(value).ok()) else { return };
    match name {
        b"cached_tokens" => parts.cache_read = count,
        b"cache_write_tokens" => parts.cache_write = count,
        b"audio_tokens" => parts.audio = count,
        b"image_tokens" => parts.image = count,
        b"video_tokens" => parts.video = count,
        _ => {}
    }
}

/// The parts of an output of which `value` tells.
pub(super) fn output(value: &[u8]) -> OutputTokens {
    let mut parts = OutputTokens::default();
    visit_members(value, |name, at| {
        let Some(count) = count(from_utf8(&value[at]).ok()) else { return };
        match name {
            b"reasoning_tokens" => parts.reasoning = count,
            b"audio_tokens" => parts.audio = count,
            b"image_tokens" => parts.image = count,
            _ => {}
        }
    });
    parts
}
