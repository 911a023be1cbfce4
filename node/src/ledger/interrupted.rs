//! What a call is charged whose end nobody saw, because the daemon ended under it.
//!
//! A stream is charged what its last mark says and one second more at the best pace that it showed, of its model where it was
//! too young to show one; one without a mark its estimate and one second at its model's pace. A call that was not streamed is charged its estimate and what its model can
//! have written since it was admitted, as far as the journal tells. None is charged more than was bounded.

use std::time::Duration;

use bitrouter_gateway::meter::{DEFAULT_TPS, ModelPrice};
use bitrouter_gateway::protocol::usage::TokenUsage;
use bitrouter_proto::account::{CallStatus, FundingSource, UsageOrigin};

use super::record::{Admitted, Mark, Settled, Tokens};
use crate::clock::Moment;

/// The flag of a call that was settled without anybody having seen its end: budgets keep the rest of its reservation.
pub(crate) const RECOVERED: &str = "recovered";

/// The settlement of `call`, whose last mark is `mark`. `newest`: the newest moment that its journal tells of. `now`: when it
/// is settled.
pub(crate) fn settlement(call: &Admitted, mark: Option<&Mark>, newest: Moment, now: Moment) -> Settled {
    let first_byte_ms = mark.and_then(|mark| mark.first_byte_ms);
    Settled { first_byte_ms, ..charged(call, used(call, mark, newest), now) }
}

/// The settlement of `call`, of which nothing is known but what it can have used at most.
pub(crate) fn at_its_bound(call: &Admitted, now: Moment) -> Settled {
    let visible = call.bound_output.unwrap_or(0);
    let tokens = Tokens { uncached: call.bound_input, visible, ..Tokens::default() };
    let settled = charged(call, tokens, now);
    let cost = call.reserved.or(settled.cost);
    let charge = if is_charged(call) { cost.unwrap_or(0) } else { 0 };
    Settled { cost, charge, ..settled }
}

fn is_charged(call: &Admitted) -> bool {
    call.funding == FundingSource::CloudCredit.as_str()
}

fn charged(call: &Admitted, tokens: Tokens, now: Moment) -> Settled {
    let price = ModelPrice::read(&call.price).filter(|_| !call.price.is_empty());
    let cost = price.map(|price| price.cost(&TokenUsage::from(tokens)));
    let amount = cost.map(|cost| {
        let amount = cost.amount.micros();
        call.reserved.map_or(amount, |reserved| amount.min(reserved))
    });
    let substituted = cost.is_some_and(|cost| cost.substituted).then(|| "price_substituted".to_owned());
    Settled {
        id: call.id.clone(),
        status: CallStatus::Interrupted.as_str().to_owned(),
        usage: Some(tokens),
        origin: UsageOrigin::Estimated.as_str().to_owned(),
        cost: amount,
        charge: if is_charged(call) { amount.unwrap_or(0) } else { 0 },
        flags: substituted.into_iter().chain([RECOVERED.to_owned()]).collect(),
        first_byte_ms: None,
        completed_at: now.millis(),
        error_code: String::new(),
        objects: Vec::new(),
    }
}

fn used(call: &Admitted, mark: Option<&Mark>, newest: Moment) -> Tokens {
    // A journal without the field says 0.
    let pace = u64::from(if call.max_output_tps == 0 { DEFAULT_TPS } else { call.max_output_tps });
    let estimate = Tokens { uncached: call.estimated_input.min(call.bound_input), ..Tokens::default() };
    let marked = mark.and_then(|mark| mark.usage);
    let mut tokens = marked.unwrap_or(estimate);
    let more = if !call.streamed {
        // A second that has begun counts.
        let seconds = newest.since(Moment::from_millis(call.created_at)).as_secs() + 1;
        seconds.saturating_mul(pace).saturating_sub(output(&tokens))
    } else if let Some(mark) = mark {
        // Before its first second is over, a stream has not shown what it makes in one.
        if is_young(call, mark) { mark.peak_tps.max(pace) } else { mark.peak_tps }
    } else {
        pace
    };
    let left = call.bound_output.map_or(u64::MAX, |bound| bound.saturating_sub(output(&tokens)));
    tokens.visible = tokens.visible.saturating_add(more.min(left));
    tokens
}

/// True where `mark` was made in the first second of the reply.
fn is_young(call: &Admitted, mark: &Mark) -> bool {
    let first_byte = Duration::from_millis(mark.first_byte_ms.unwrap_or(0));
    let begun = Moment::from_millis(call.created_at).after(first_byte);
    Moment::from_millis(mark.at).since(begun) < Duration::from_secs(1)
}

/// Output tokens of every class.
pub(super) fn output(tokens: &Tokens) -> u64 {
    let classes = [tokens.visible, tokens.reasoning, tokens.audio_output, tokens.image_output];
    classes.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(streamed: bool, bound_output: Option<u64>) -> Admitted {
        Admitted {
            streamed,
            bound_input: 1_000,
            bound_output,
            estimated_input: 300,
            created_at: 10_000,
            max_output_tps: 100,
            ..Admitted::default()
        }
    }

    fn mark(visible: u64, peak_tps: u64) -> Mark {
        let usage = Tokens { uncached: 250, visible, ..Tokens::default() };
        Mark { usage: Some(usage), peak_tps, at: 11_000, ..Mark::default() }
    }

    #[test]
    fn p16_an_interrupted_call_is_charged_what_it_can_have_used() {
        let (none, some) = (None, Some(mark(40, 30)));
        let early = Some(Mark { at: 10_500, ..mark(40, 30) });
        let quick = Some(Mark { at: 10_500, ..mark(40, 300) });
        for (what, call, mark, newest, expected) in [
            ("a stream with a mark", call(true, Some(500)), &some, 11_000, (250, 70)),
            ("near its bound", call(true, Some(50)), &some, 11_000, (250, 50)),
            ("without a bound", call(true, None), &some, 11_000, (250, 70)),
            ("a mark in its first second", call(true, Some(500)), &early, 10_500, (250, 140)),
            ("a quick one", call(true, Some(500)), &quick, 10_500, (250, 340)),
            ("a stream without a mark", call(true, Some(500)), &none, 10_000, (300, 100)),
            ("near its bound", call(true, Some(20)), &none, 10_000, (300, 20)),
            ("not streamed, at once", call(false, Some(500)), &none, 10_000, (300, 100)),
            ("after two seconds and a half", call(false, Some(500)), &none, 12_500, (300, 300)),
            ("after long", call(false, Some(500)), &none, 99_000, (300, 500)),
            ("the clock was set back", call(false, Some(500)), &none, 0, (300, 100)),
            ("no output", call(false, Some(0)), &none, 12_500, (300, 0)),
            (
                "its estimate is above its bound",
                Admitted { estimated_input: 9_000, ..call(true, None) },
                &none,
                0,
                (1_000, 100),
            ),
            ("a pace that nobody states", Admitted { max_output_tps: 0, ..call(true, None) }, &none, 0, (300, 150)),
        ] {
            let settled = settlement(&call, mark.as_ref(), Moment::from_millis(newest), Moment::from_millis(20_000));
            let tokens = settled.usage.unwrap();
            assert_eq!((tokens.uncached, tokens.visible), expected, "{what}");
            assert_eq!((settled.status.as_str(), settled.cost, settled.charge), ("interrupted", None, 0), "{what}");
        }
    }
}
