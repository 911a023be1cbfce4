//! What a call can use at most, and what is assumed of it where nobody counted.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use super::{
    price::{ModelPrice, rounded_up},
    rates::MayBecome,
};
use crate::{
    protocol::{BodyParts, Kind, OutputAsked},
    registry::Model,
};

/// What each message adds to the length of its text, at most.
const OF_A_MESSAGE: u64 = 16;
/// What tools add, whatever they are.
const OF_TOOLS: u64 = 1_024;
/// Bytes of text that make a token.
const BYTES_A_TOKEN: u64 = 3;
/// Tokens a second where a manifest does not say how fast its model writes.
pub const DEFAULT_TPS: u32 = 150;

/// The most that a call can use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Input tokens.
    pub input: u64,
    /// Output tokens; `None` where nothing bounds them.
    pub output: Option<u64>,
    /// What the dearest classes of those cost; `None` without a price or a bound. A call that costs nothing reserves 0.
    pub cost: Option<MicroUsd>,
    /// The provider may bring in more by itself: what tools find that it runs, or the texts of a list. What it counts is
    /// believed then.
    pub is_open: bool,
}

/// How fast a model writes what nobody sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// It can think without showing it.
    pub thinks_unseen: bool,
    /// Tokens a second; 150 where its manifest does not say.
    pub max_output_tps: u32,
}

/// What the charge of one call is reckoned from: fixed when it is admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// What its tokens cost; `None` where the model has no price.
    pub price: Option<Arc<ModelPrice>>,
    /// The most that it can use.
    pub bound: Bound,
    /// Its input, where nobody counts it: uncached tokens.
    pub estimated_input: u64,
    /// How fast its model writes.
    pub pace: Pace,
}

/// What a call is, as far as that bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The length of the caller's body.
    pub(crate) body: u64,
    /// What the body holds besides text, where somebody looked.
    pub(crate) parts: Option<&'a BodyParts>,
    /// What is remembered of what the body only names.
    pub(crate) named: NamedTokens,
    /// The caller's cap and choices; `None` for a verb without output.
    pub(crate) output: Option<OutputAsked>,
    /// The provider may bring in more by itself.
    pub(crate) is_open: bool,
    /// A cache may be written to.
    pub(crate) may_write_cache: bool,
    /// The manifest's entry.
    pub(crate) model: Option<&'a Model>,
    /// The price that holds now.
    pub(crate) price: Option<&'a Arc<ModelPrice>>,
}

/// What a body names instead of holding it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedTokens {
    /// The tokens of those responses that are remembered.
    pub(crate) remembered: u64,
    /// It names more than that, of which nothing is known.
    pub(crate) more: bool,
}

/// The input of a call: what it is at most, by what its tokens can become, and what is assumed of it.
struct Input {
    text: u64,
    images: u64,
    audio: u64,
    files: u64,
    /// May be anything.
    other: u64,
    /// False where the model's window, which would bound it, is not known.
    is_bounded: bool,
    estimate: u64,
}

impl Asked<'_> {
    /// Price, bound, estimate and pace of the call.
    pub(crate) fn metered(&self) -> Metered {
        let input = self.input();
        let pace = Pace {
            thinks_unseen: self.model.is_some_and(|model| model.can("reasoning")),
            max_output_tps: self.model.and_then(|model| model.max_output_tps).map_or(DEFAULT_TPS, u32::from),
        };
        let most_input = input.most();
        let output = self.output();
        let price = self.price.filter(|price| price.is_free() || self.is_priced(price));
        let cost = price.and_then(|price| self.cost(price, &input, output));
        Metered {
            price: price.cloned(),
            bound: Bound { input: most_input, output, cost, is_open: self.is_open },
            estimated_input: input.estimate.min(most_input),
            pace,
        }
    }

    /// The caller's cap, else the model's maximum, for each reply to each text.
    fn output(&self) -> Option<u64> {
        let Some(asked) = self.output else { return Some(0) };
        let one = asked.cap.or(self.model?.max_output_tokens)?;
        let prompts = self.parts.map_or(1, |parts| parts.prompts).max(1);
        one.checked_mul(asked.choices)?.checked_mul(prompts)
    }

    fn input(&self) -> Input {
        let Some(parts) = self.parts else {
            let estimate = self.body / BYTES_A_TOKEN;
            return Input { text: self.body, images: 0, audio: 0, files: 0, other: 0, is_bounded: true, estimate };
        };
        let (mut text, mut no_media) = (self.body, self.body);
        let mut stated = 0_u64;
        let mut is_open = self.named.more;
        let mut of = |kind: Kind, most: Option<u64>| {
            let media = parts.media(kind);
            no_media = no_media.saturating_sub(media.base64);
            match most {
                Some(most) => {
                    text = text.saturating_sub(media.base64);
                    let tokens = media.count.saturating_mul(most);
                    stated = stated.saturating_add(tokens);
                    tokens
                }
                None => {
                    is_open |= media.count > 0;
                    0
                }
            }
        };
        let model = self.model;
        let images = of(Kind::Image, model.and_then(|model| model.max_image_tokens));
        let audio = of(Kind::Audio, model.and_then(|model| model.max_audio_tokens));
        let files = of(Kind::File, model.and_then(|model| model.max_file_tokens));
        of(Kind::Video, None);
        let window = model.and_then(|model| model.max_input_tokens);
        let open = if is_open { window.unwrap_or(0) } else { 0 };
        let text = text
            .saturating_add(parts.messages.saturating_mul(OF_A_MESSAGE))
            .saturating_add(if parts.has_tools { OF_TOOLS } else { 0 });
        Input {
            text,
            images,
            audio,
            files,
            other: open.saturating_add(self.named.remembered),
            is_bounded: !is_open || window.is_some(),
            estimate: (no_media / BYTES_A_TOKEN).saturating_add(stated).saturating_add(self.named.remembered),
        }
    }

    /// False where a class of tokens that the call is sure to have has no price.
    fn is_priced(&self, price: &ModelPrice) -> bool {
        let has_sound = self.parts.is_some_and(|parts| parts.media(Kind::Audio).count > 0);
        (self.output.is_none() || price.prices_output()) && (!has_sound || price.prices_audio())
    }

    /// What the most tokens cost, each at the dearest class that it can become. Nothing for a model that costs nothing.
    fn cost(&self, price: &ModelPrice, input: &Input, output: Option<u64>) -> Option<MicroUsd> {
        if price.is_free() {
            return Some(MicroUsd::ZERO);
        }
        let output = output?;
        if !input.is_bounded {
            return None;
        }
        let cache = MayBecome {
            cache_write: self.may_write_cache,
            cache_write_1h: self.parts.is_some_and(|parts| parts.asks_cache_1h),
            ..MayBecome::default()
        };
        let any = MayBecome { image: true, audio: price.prices_audio(), video: true, ..cache };
        let of_input = [
            (input.text, cache),
            (input.images, MayBecome { image: true, ..cache }),
            (input.audio, MayBecome { audio: true, ..cache }),
            (input.files, MayBecome { image: true, ..cache }),
            (input.other, any),
        ];
        let dearest_input =
            |may: MayBecome| price.rates_within(input.most()).map(|rates| rates.dearest_input(may)).max();
        let dearest_output = price.rates_within(input.most()).map(super::rates::Rates::dearest_output).max();
        let mut sum = i128::from(output) * i128::from(dearest_output.unwrap_or(0));
        for (tokens, may) in of_input.into_iter().filter(|(tokens, _)| *tokens > 0) {
            sum += i128::from(tokens) * i128::from(dearest_input(may).unwrap_or(0));
        }
        Some(rounded_up(sum))
    }
}

impl Input {
    /// All of it.
    fn most(&self) -> u64 {
        [self.images, self.audio, self.files, self.other].into_iter().fold(self.text, u64::saturating_add)
    }
}

#[cfg(test)]
#[path = "bound_tests.rs"]
mod tests;
