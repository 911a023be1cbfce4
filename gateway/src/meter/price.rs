//! What the tokens of one model cost at one moment: whole micro-USD per million tokens, summed exactly and rounded up once.
//!
//! A price is what a row of the ledger keeps: [`ModelPrice::document`] holds all of it, and [`ModelPrice::version`] is made
//! of that text, so that a row can be reckoned again whatever the manifests say by then.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use super::{price_document, rates::Rates};
use crate::{
    protocol::{Kind, usage::TokenUsage},
    registry::Pricing,
};

/// The tokens that a price is for.
pub(super) const MILLION: i128 = 1_000_000;

/// What tokens cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    version: Arc<str>,
    document: Arc<str>,
    base: Rates,
    /// Above how many input tokens (exclusive) other rates hold, in rising order.
    tiers: Box<[(u64, Rates)]>,
}

/// What some tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The amount.
    pub amount: MicroUsd,
    /// True where a class without a price was reckoned at the dearest one of its side.
    pub substituted: bool,
}

impl ModelPrice {
    /// The price that `pricing` states for now, without its changes; `None` where it does not say what plain input costs.
    pub fn of(pricing: &Pricing) -> Option<Self> {
        let base = Rates::of(&pricing.input_tokens, &pricing.output_tokens)?;
        let tier = |tier: &crate::registry::Tier| {
            Some((
                tier.above_input_tokens,
                Rates::of(
                    &tier.input_tokens.or(&pricing.input_tokens),
                    &tier.output_tokens.or(&pricing.output_tokens),
                )?,
            ))
        };
        let tiers = pricing.context_tiers.iter().map(tier).collect::<Option<_>>()?;
        let document = price_document::write(pricing);
        let version = price_document::version(&document);
        Some(Self { version: version.into(), document: document.into(), base, tiers })
    }

    /// What costs nothing, whatever its class.
    pub fn free() -> Self {
        let (document, base) = (price_document::FREE, Rates::FREE);
        Self {
            version: price_document::version(document).into(),
            document: document.into(),
            base,
            tiers: Box::default(),
        }
    }

    /// `prc_` and 16 hexadecimal digits: the same for the same prices.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The prices as JSON, from which [`ModelPrice::read`] makes the same again.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The price in a document of [`ModelPrice::document`]; `None` where it is none.
    pub fn read(document: &str) -> Option<Self> {
        Self::of(&price_document::read(document)?)
    }

    /// True where every class costs nothing.
    pub fn is_free(&self) -> bool {
        self.base.are_free() && self.tiers.iter().all(|(_, rates)| rates.are_free())
    }

    /// True where the tokens of a reply have a price of their own.
    pub fn prices_output(&self) -> bool {
        self.base.output_is_stated()
    }

    /// True where media of this kind have a price of their own in a reply. Only sound and pictures can.
    pub(crate) fn prices_output_of(&self, kind: Kind) -> bool {
        match kind {
            Kind::Audio => self.base.audio_output_is_stated(),
            Kind::Image => self.base.image_output_is_stated(),
            Kind::File | Kind::Video => false,
        }
    }

    /// True where sound that goes in has a price of its own.
    pub fn prices_audio(&self) -> bool {
        self.base.audio_is_stated()
    }

    /// What `usage` costs: the tier is that of all its input tokens, and the sum is rounded up once.
    pub fn cost(&self, usage: &TokenUsage) -> Cost {
        let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
        let rates = self.rates(input.total());
        let (millionths, substituted) = rates.sum(input, output);
        Cost { amount: rounded_up(millionths), substituted }
    }

    fn rates(&self, input_tokens: u64) -> &Rates {
        let tier = self.tiers.iter().rev().find(|(above, _)| input_tokens > *above);
        tier.map_or(&self.base, |(_, rates)| rates)
    }

    /// All rates that a call of at most so many input tokens can be reckoned at.
    pub(super) fn rates_within(&self, most_input_tokens: u64) -> impl Iterator<Item = &Rates> {
        let tiers = self.tiers.iter().filter(move |(above, _)| most_input_tokens > *above);
        std::iter::once(&self.base).chain(tiers.map(|(_, rates)| rates))
    }
}

/// An amount from its sum of tokens times micro-USD per million. What no ledger can hold stays at its edge.
pub(super) fn rounded_up(millionths: i128) -> MicroUsd {
    let amount = (millionths + MILLION - 1).div_euclid(MILLION);
    MicroUsd::new(i64::try_from(amount).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
