//! What each class of tokens costs within one tier, where the manifest states it and where it does not.

use crate::{
    protocol::usage::{InputTokens, OutputTokens},
    registry::{InputPrices, OutputPrices, Price},
};

/// Classes of input tokens.
const INPUT: usize = 7;
/// Classes of output tokens.
const OUTPUT: usize = 4;

/// One class: what a million tokens of it cost, in micro-USD, and whether that is what the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    price: u64,
    /// It is the dearest of its side, for want of a price.
    substituted: bool,
}

/// The rates of one tier, in the order of the classes' fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    input: [Rate; INPUT],
    output: [Rate; OUTPUT],
}

/// What input tokens can become, besides text that is read anew or from a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MayBecome {
    pub(super) cache_write: bool,
    pub(super) cache_write_1h: bool,
    pub(super) audio: bool,
    pub(super) image: bool,
    pub(super) video: bool,
}

impl Rates {
    /// Nothing, for all of them.
    pub(super) const FREE: Self = {
        let free = Rate { price: 0, substituted: false };
        Self { input: [free; INPUT], output: [free; OUTPUT] }
    };

    /// What follows from these prices for each class: reasoning costs what text does; what is read from a cache or written
    /// to one for minutes, pictures and films cost what plain input does, and what is kept for an hour twice that; whatever
    /// else has no price costs the dearest of its side. `None` without a price of plain input.
    pub(super) fn of(input: &InputPrices, output: &OutputPrices) -> Option<Self> {
        let micro = |price: Option<Price>| price.map(Price::micro_usd_per_million);
        let plain = micro(input.no_cache)?;
        let or_plain = |price: Option<Price>| Some(micro(price).unwrap_or(plain));
        let input = [
            Some(plain),
            micro(input.audio),
            or_plain(input.image),
            or_plain(input.video),
            or_plain(input.cache_read),
            or_plain(input.cache_write),
            Some(micro(input.cache_write_1h).unwrap_or(2 * plain)),
        ];
        let text = micro(output.text);
        let output = [text, micro(output.reasoning).or(text), micro(output.audio), micro(output.image)];
        let dearest = |side: &[Option<u64>]| side.iter().flatten().max().copied();
        let dearest_input = dearest(&input).unwrap_or(plain);
        // A side without any price: what is there is dear enough to be no gift.
        let dearest_output = dearest(&output).unwrap_or(dearest_input);
        let rate = |price: Option<u64>, dearest| match price {
            Some(price) => Rate { price, substituted: false },
            None => Rate { price: dearest, substituted: true },
        };
        Some(Self {
            input: input.map(|price| rate(price, dearest_input)),
            output: output.map(|price| rate(price, dearest_output)),
        })
    }

    pub(super) fn are_free(&self) -> bool {
        self.input.iter().chain(&self.output).all(|rate| rate.price == 0)
    }

    pub(super) fn output_is_stated(&self) -> bool {
        !self.output[0].substituted
    }

    pub(super) fn audio_output_is_stated(&self) -> bool {
        !self.output[2].substituted
    }

    pub(super) fn image_output_is_stated(&self) -> bool {
        !self.output[3].substituted
    }

    pub(super) fn audio_is_stated(&self) -> bool {
        !self.input[1].substituted
    }

    /// Tokens times price over all classes, and whether a price had to be substituted. No sum of these leaves an `i128`:
    /// eleven classes, below 2^64 tokens each, at 10^12 at most.
    pub(super) fn sum(&self, input: InputTokens, output: OutputTokens) -> (i128, bool) {
        let tokens = [
            input.uncached,
            input.audio,
            input.image,
            input.video,
            input.cache_read,
            input.cache_write,
            input.cache_write_1h,
        ];
        let of_output = [output.visible, output.reasoning, output.audio, output.image];
        let pairs = tokens.iter().zip(&self.input).chain(of_output.iter().zip(&self.output));
        pairs.fold((0, false), |(sum, substituted), (tokens, rate)| {
            let more = i128::from(*tokens) * i128::from(rate.price);
            (sum + more, substituted || (rate.substituted && *tokens > 0))
        })
    }

    /// The price of the dearest class that an input token can become.
    pub(super) fn dearest_input(&self, may: MayBecome) -> u64 {
        let [plain, audio, image, video, read, write, hour] = self.input;
        let also = [
            (may.audio, audio),
            (may.image, image),
            (may.video, video),
            (may.cache_write, write),
            (may.cache_write_1h, hour),
        ];
        let also = also.into_iter().filter(|(may, _)| *may).map(|(_, rate)| rate.price);
        also.fold(plain.price.max(read.price), u64::max)
    }

    /// The price of the dearest class that an output token can become, as far as its classes have prices.
    pub(super) fn dearest_output(&self) -> u64 {
        let stated = self.output.iter().filter(|rate| !rate.substituted).map(|rate| rate.price).max();
        stated.unwrap_or(self.output[0].price)
    }
}
