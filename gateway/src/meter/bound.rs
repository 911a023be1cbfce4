//! What a call can use at most, and what is assumed of it where nobody counted.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use super::{
    price::{MILLION, ModelPrice, rounded_up},
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
/// What is added to a count of the provider's, besides its twentieth part.
const OF_A_COUNT: u64 = 1_000;
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
    /// More may come in than that: what tools find that the provider runs and nothing bounds, or the texts of a list that nobody
    /// counted. What the provider counts is believed then.
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
    /// What its replies may be, and what that would cost.
    pub terms: Terms,
    /// What the tools may take that the provider runs.
    pub tools: MicroUsd,
}

/// How the cost of a call depends on the cap of its replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// It has output at all.
    pub has_output: bool,
    /// The tokens that each reply may have as its caller says.
    pub asked: Option<u64>,
    /// The most that the model writes in one reply, as far as its manifest states it.
    pub model_max: Option<u64>,
    /// How many replies are made at most; `None` where nobody can count them.
    pub replies: Option<u64>,
    /// The tokens that the caller gives it to think: a cap must be above.
    pub thinking: Option<u64>,
    /// What the input costs at most, and what each output token does; `None` without a price or a bound.
    sum: Option<Sum>,
}

/// The dearest classes: tokens times micro-USD per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    input: i128,
    output_rate: u64,
    is_free: bool,
}

impl Terms {
    /// Terms of a call without output whose input costs so much at most.
    pub fn of_input(cost: MicroUsd) -> Self {
        let input = i128::from(cost.micros()) * MILLION;
        let sum = Sum { input, output_rate: 0, is_free: cost == MicroUsd::ZERO };
        Self { sum: Some(sum), ..Self::default() }
    }

    /// True where it costs nothing, whatever it becomes.
    pub fn is_free(&self) -> bool {
        self.sum.is_some_and(|sum| sum.is_free)
    }

    /// What its input costs at most; `None` without a price or a bound.
    pub fn input_cost(&self) -> Option<MicroUsd> {
        self.sum.map(|sum| rounded_up(sum.input))
    }

    /// What it costs at most where each of its replies has at most `cap` tokens; `None` without a price or a bound.
    pub fn cost(&self, cap: u64) -> Option<MicroUsd> {
        let sum = self.sum?;
        let output = i128::from(self.output(cap)?).checked_mul(i128::from(sum.output_rate))?;
        Some(rounded_up(sum.input.saturating_add(output)))
    }

    /// The most tokens that each of its replies may have so that all of it costs at most `left`; `None` where its input alone
    /// costs more, or nobody knows.
    pub fn affordable(&self, left: MicroUsd) -> Option<u64> {
        let sum = self.sum?;
        let left = i128::from(left.micros()).checked_mul(MILLION)?.checked_sub(sum.input).filter(|left| *left >= 0)?;
        let each = i128::from(sum.output_rate).checked_mul(i128::from(self.replies?))?;
        if !self.has_output || each == 0 {
            return Some(u64::MAX);
        }
        Some(u64::try_from(left / each).unwrap_or(u64::MAX))
    }

    /// The output tokens of all replies.
    fn output(&self, cap: u64) -> Option<u64> {
        if self.has_output { cap.checked_mul(self.replies?) } else { Some(0) }
    }
}

impl Metered {
    /// The bound where each reply gets this cap.
    pub fn bound_at(&self, cap: u64) -> Bound {
        Bound { output: self.terms.output(cap), cost: self.terms.cost(cap), ..self.bound }
    }
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
    /// More may come in than all this says.
    pub(crate) is_open: bool,
    /// A cache may be written to.
    pub(crate) may_write_cache: bool,
    /// The manifest's entry.
    pub(crate) model: Option<&'a Model>,
    /// The price that holds now.
    pub(crate) price: Option<&'a Arc<ModelPrice>>,
    /// What the caller gives the model to think, in tokens.
    pub(crate) thinking: Option<u64>,
    /// The input as its provider has counted it before.
    pub(crate) counted: Option<u64>,
    /// What the tools can bring that the provider runs.
    pub(crate) tools: ToolsBound,
}

/// The most that tools of the provider's bring in and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolsBound {
    /// Input tokens.
    pub(crate) tokens: u64,
    /// What their uses cost besides.
    pub(crate) cost: MicroUsd,
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
#[derive(Default)]
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
        self.reckoned(&self.input())
    }

    /// The same of a call that nobody has written yet, whose input is so many tokens of text at most; `None`: nothing bounds it.
    pub(crate) fn metered_at(&self, input: Option<u64>) -> Metered {
        let text = input.unwrap_or(0);
        self.reckoned(&Input { text, is_bounded: input.is_some(), estimate: text, ..Input::default() })
    }

    fn reckoned(&self, input: &Input) -> Metered {
        let pace = Pace {
            thinks_unseen: self.model.is_some_and(|model| model.can("reasoning")),
            max_output_tps: self.model.and_then(|model| model.max_output_tps).map_or(DEFAULT_TPS, u32::from),
        };
        let most_input = input.most();
        let price = self.price.filter(|price| price.is_free() || self.is_priced(price));
        let terms = Terms {
            has_output: self.output.is_some(),
            asked: self.output.and_then(|asked| asked.cap),
            model_max: self.model.and_then(|model| model.max_output_tokens),
            replies: self.replies(),
            thinking: self.thinking,
            sum: price.and_then(|price| self.sum(price, input)),
        };
        let cap = terms.asked.or(terms.model_max).or((!terms.has_output).then_some(0));
        let output = cap.and_then(|cap| terms.output(cap));
        let cost = if terms.is_free() { Some(MicroUsd::ZERO) } else { cap.and_then(|cap| terms.cost(cap)) };
        Metered {
            price: price.cloned(),
            bound: Bound { input: most_input, output, cost, is_open: self.is_open },
            estimated_input: input.estimate.min(most_input),
            pace,
            terms,
            tools: self.tools.cost,
        }
    }

    /// One for each of the caller's choices and texts.
    fn replies(&self) -> Option<u64> {
        let prompts = self.parts.map_or(1, |parts| parts.prompts).max(1);
        self.output.map_or(Some(0), |asked| asked.choices.checked_mul(prompts))
    }

    fn input(&self) -> Input {
        let input = self.stated_input();
        let other = match self.counted {
            // A count may be a little off, and what came with the call is of any class.
            Some(counted) => {
                let most = counted.saturating_add(counted / 20).saturating_add(OF_A_COUNT);
                let other = most.saturating_add(self.tools.tokens);
                return Input { other, is_bounded: true, estimate: counted, ..Input::default() };
            }
            None => input.other.saturating_add(self.tools.tokens),
        };
        Input { other, ..input }
    }

    fn stated_input(&self) -> Input {
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

    /// What its tokens cost, each at the dearest class that it can become. Nothing for a model that costs nothing.
    fn sum(&self, price: &ModelPrice, input: &Input) -> Option<Sum> {
        if price.is_free() && self.tools.cost == MicroUsd::ZERO {
            return Some(Sum { is_free: true, ..Sum::default() });
        }
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
        let output_rate = price.rates_within(input.most()).map(super::rates::Rates::dearest_output).max();
        let mut sum = i128::from(self.tools.cost.micros()) * MILLION;
        for (tokens, may) in of_input.into_iter().filter(|(tokens, _)| *tokens > 0) {
            sum += i128::from(tokens) * i128::from(dearest_input(may).unwrap_or(0));
        }
        Some(Sum { input: sum, output_rate: output_rate.unwrap_or(0), is_free: false })
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
