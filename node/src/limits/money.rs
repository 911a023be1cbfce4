//! What a call may reserve of what is left: the arithmetic, pure.

use bitrouter_proto::account::MicroUsd;

use super::{
    budget::{Left, money},
    output::Output,
    terms::Terms,
};

/// Where half of what is left buys that many tokens a reply, a call without a cap gets that half; and a call that does not fit is
/// not kept waiting where that many can be paid.
const AMPLE: u64 = 4_096;
/// The fewest tokens that are worth a stream.
const LEAST_STREAMED: u64 = 64;
/// The fewest tokens that are worth a reply that comes whole.
const LEAST_WHOLE: u64 = 256;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Replies of so many tokens, and what they cost.
    Takes { cap: Option<u64>, reserved: MicroUsd },
    /// It may get more, or anything, when open calls end.
    Waits { needs: Option<MicroUsd> },
    /// It cannot be paid.
    Short {
        affordable: Option<u64>,
        /// What the least costs that would be sent.
        least: Option<MicroUsd>,
        /// What it needs whole.
        needs: Option<MicroUsd>,
    },
    /// Its price is not known, or not bounded.
    NoPrice,
}

/// What becomes of a call where `left` is left; `is_last` where it waits no longer.
pub(super) fn offer(terms: &dyn Terms, output: &Output, left: Left, is_last: bool) -> Offer {
    let Some(input) = terms.input_cost() else { return Offer::NoPrice };
    let fits = |cost: MicroUsd| i128::from(cost.micros()) <= left.now;
    let is_open = left.now < left.at_most;
    if !terms.has_output() {
        let needs = terms.cost(0).unwrap_or(input);
        return match () {
            () if fits(needs) => Offer::Takes { cap: Some(0), reserved: needs },
            () if is_open && !is_last && i128::from(needs.micros()) <= left.at_most => {
                Offer::Waits { needs: Some(needs) }
            }
            () => Offer::Short { affordable: None, least: Some(needs), needs: Some(needs) },
        };
    }
    let asked = output.asked();
    let needs = asked.and_then(|asked| terms.cost(asked));
    if output.own.is_none() && fits(input) {
        let half = i128::from(input.micros()) + (left.now - i128::from(input.micros())) / 2;
        let cap = terms.affordable(money(half)).filter(|half| *half >= AMPLE);
        let cap = cap.map(|half| asked.map_or(half, |most| most.min(half)));
        let is_sent_as_it_is = |cap: u64| output.spliced(Some(cap)).is_none();
        if let Some(cap) = cap.filter(|cap| *cap >= output.least || is_sent_as_it_is(*cap))
            && let Some(reserved) = terms.cost(cap).filter(|cost| fits(*cost))
        {
            return Offer::Takes { cap: Some(cap), reserved };
        }
    }
    if let Some(reserved) = needs.filter(|cost| fits(*cost)) {
        return Offer::Takes { cap: asked, reserved };
    }
    let buys = |left: i128| {
        let tokens = if left < 0 { None } else { terms.affordable(money(left)) };
        tokens.map(|tokens| asked.map_or(tokens, |asked| tokens.min(asked)))
    };
    let worth = if terms.is_stream() { LEAST_STREAMED } else { LEAST_WHOLE };
    let least = asked.map_or(worth, |asked| worth.min(asked)).max(output.least);
    let affordable = buys(left.now);
    if let Some(cap) = affordable.filter(|cap| *cap >= least) {
        let is_enough = cap >= AMPLE || asked.is_some_and(|asked| cap >= asked.div_ceil(2));
        if (is_enough || !is_open || is_last)
            && let Some(reserved) = terms.cost(cap).filter(|cost| fits(*cost))
        {
            return Offer::Takes { cap: Some(cap), reserved };
        }
    }
    // Where the end of every open call would not be enough, nothing is waited for.
    if is_open && !is_last && buys(left.at_most).is_some_and(|cap| cap >= least) {
        return Offer::Waits { needs };
    }
    Offer::Short { affordable, least: terms.cost(least), needs }
}
