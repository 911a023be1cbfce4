//! What a call is charged, from what its provider counted, what we counted, and how it ended. Pure.
//!
//! Where the reply reached its end, the provider's numbers stand. Where it did not, each class counts what is more: the
//! provider's last number or our own count, and ours never brings a side above its bound. Where the provider told nothing,
//! ours is what is charged. What was refused by the provider, or never sent, costs nothing.

use bitrouter_proto::account::{MicroUsd, UsageOrigin};

use super::Metered;
use crate::{
    ports::Flags,
    protocol::usage::{InputTokens, OutputTokens, TokenUsage},
};

/// A provider that counts more than so many times the bound is not believed.
const BELIEVED: u128 = 4;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The provider refused it (a status from 400 on), or it was never sent.
    Nothing,
    /// It was sent; the reply did not reach its end.
    Middle,
    /// The reply reached its end.
    End,
}

/// Output tokens as we count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnCount {
    /// Of the reply itself.
    pub(crate) visible: u64,
    /// Of the thinking before it, seen or unseen.
    pub(crate) reasoning: u64,
}

/// What a call is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) usage: TokenUsage,
    pub(crate) origin: UsageOrigin,
    pub(crate) cost: Option<MicroUsd>,
    pub(crate) flags: Flags,
}

/// What a call is charged whose provider told `told` last. `own` is asked only where our count matters.
pub(crate) fn charge(metered: &Metered, reached: Reached, told: TokenUsage, own: impl FnOnce() -> OwnCount) -> Charge {
    if reached == Reached::Nothing {
        let (usage, cost) = (TokenUsage::default(), Some(MicroUsd::ZERO));
        return Charge { usage, origin: UsageOrigin::Estimated, cost, flags: Flags::default() };
    }
    let usage = match (reached, told.input, told.output) {
        (Reached::End, Some(input), Some(output)) => (input, output),
        (_, input, output) => {
            let own = own();
            let ours = (own_input(metered, input), own_output(metered, output, own));
            match reached {
                Reached::End => (input.unwrap_or(ours.0), output.unwrap_or(ours.1)),
                _ => ours,
            }
        }
    };
    if let Some(most) = believed(metered, told, TokenUsage { input: Some(usage.0), output: Some(usage.1) }) {
        return most;
    }
    let is_told = told.input.unwrap_or_default() == usage.0 && told.output.unwrap_or_default() == usage.1;
    let origin = if is_told && !told.is_empty() { UsageOrigin::Provider } else { UsageOrigin::Estimated };
    let usage = TokenUsage { input: Some(usage.0), output: Some(usage.1) };
    let cost = metered.price.as_ref().map(|price| price.cost(&usage));
    let price_substituted = cost.is_some_and(|cost| cost.substituted);
    // What is billed above the bound is charged truly, and told.
    let is_more = most(metered).is_some_and(|most| told_total(told) > most);
    let is_dearer = cost.zip(metered.bound.cost).is_some_and(|(cost, bound)| cost.amount > bound);
    let above_bound = !metered.bound.is_open && (is_more || is_dearer);
    let flags = Flags { above_bound, price_substituted, ..Flags::default() };
    Charge { usage, origin, cost: cost.map(|cost| cost.amount), flags }
}

/// The charge at the bound, where the provider told more than can be believed: never more than `usage`, which would be charged
/// otherwise.
fn believed(metered: &Metered, told: TokenUsage, usage: TokenUsage) -> Option<Charge> {
    let bound = metered.bound;
    if bound.is_open || told_total(told) <= most(metered)?.saturating_mul(BELIEVED) {
        return None;
    }
    let input = InputTokens { uncached: bound.input, ..InputTokens::default() };
    let output = OutputTokens { visible: bound.output?, ..OutputTokens::default() };
    let at_bound = TokenUsage { input: Some(input), output: Some(output) };
    let cost = |usage: &TokenUsage| metered.price.as_ref().map(|price| price.cost(usage));
    let (charged, cost) = match (cost(&usage), cost(&at_bound)) {
        (Some(said), Some(most)) if said.amount <= most.amount => (usage, Some(said)),
        (_, most) => (at_bound, most),
    };
    Some(Charge {
        usage: charged,
        origin: if charged == told { UsageOrigin::Provider } else { UsageOrigin::Estimated },
        cost: cost.map(|cost| cost.amount),
        flags: Flags {
            above_bound: true,
            price_substituted: cost.is_some_and(|cost| cost.substituted),
            ..Flags::default()
        },
    })
}

/// All tokens that a call can use; `None` where nothing bounds them.
fn most(metered: &Metered) -> Option<u128> {
    Some(u128::from(metered.bound.input) + u128::from(metered.bound.output?))
}

/// All tokens that the provider told.
fn told_total(told: TokenUsage) -> u128 {
    u128::from(told.input.map_or(0, InputTokens::total)) + u128::from(told.output.map_or(0, OutputTokens::total))
}

/// What went in: the greater of each class, of which ours has one.
fn own_input(metered: &Metered, told: Option<InputTokens>) -> InputTokens {
    let told = told.unwrap_or_default();
    let room = metered.bound.input.saturating_sub(told.total() - told.uncached);
    InputTokens { uncached: told.uncached.max(metered.estimated_input.min(room)), ..told }
}

/// What came out: the greater of each class.
fn own_output(metered: &Metered, told: Option<OutputTokens>, own: OwnCount) -> OutputTokens {
    let mut output = told.unwrap_or_default();
    let room = |output: OutputTokens, but: u64| match metered.bound.output {
        Some(bound) => bound.saturating_sub(output.total() - but),
        None => u64::MAX,
    };
    output.visible = output.visible.max(own.visible.min(room(output, output.visible)));
    output.reasoning = output.reasoning.max(own.reasoning.min(room(output, output.reasoning)));
    output
}

#[cfg(test)]
#[path = "charge_tests.rs"]
mod tests;
