//! What the tests of limits share: calls with a plain price, counters, policies.

mod crowd;
mod holds;
mod model;
mod money;
mod rates;
mod waiting;
mod window;

use std::sync::Arc;

use bitrouter_proto::account::{
    MicroUsd, NamespaceId, PersonId, PolicyId,
    policy::{Funding, Window},
};
use ulid::Ulid;

use super::{Applicable, BudgetKey, Came, Hold, Limits, Past, RateKey, Refused, Taken, Terms, Verdict};
use crate::{clock::Moment, policy::PrincipalId};

/// A call whose output costs `price` a token.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) has_output: bool,
    pub(super) asked: Option<u64>,
    pub(super) model_max: Option<u64>,
    pub(super) replies: u64,
    pub(super) thinking: Option<u64>,
    pub(super) is_stream: bool,
    pub(super) is_free: bool,
    pub(super) input: Option<i64>,
    pub(super) price: i64,
    pub(super) body: u64,
}

impl Call {
    /// A stream of a model that writes 100,000 tokens at most, one micro-USD each.
    pub(super) fn new() -> Self {
        Self {
            has_output: true,
            asked: None,
            model_max: Some(100_000),
            replies: 1,
            thinking: None,
            is_stream: true,
            is_free: false,
            input: Some(0),
            price: 1,
            body: 100,
        }
    }

    pub(super) fn asks(tokens: u64) -> Self {
        Self { asked: Some(tokens), ..Self::new() }
    }
}

impl Terms for Call {
    fn has_output(&self) -> bool {
        self.has_output
    }
    fn asked_cap(&self) -> Option<u64> {
        self.asked
    }
    fn model_max(&self) -> Option<u64> {
        self.model_max
    }
    fn replies(&self) -> u64 {
        self.replies
    }
    fn thinking(&self) -> Option<u64> {
        self.thinking
    }
    fn is_stream(&self) -> bool {
        self.is_stream
    }
    fn is_free(&self) -> bool {
        self.is_free
    }
    fn cost(&self, cap: u64) -> Option<MicroUsd> {
        let tokens = i64::try_from(cap.checked_mul(self.replies)?).ok()?;
        Some(MicroUsd::new(tokens.checked_mul(self.price)?.checked_add(self.input?)?))
    }
    fn input_cost(&self) -> Option<MicroUsd> {
        self.input.map(MicroUsd::new)
    }
    fn affordable(&self, left: MicroUsd) -> Option<u64> {
        let left = u64::try_from(left.micros().checked_sub(self.input?)?).ok()?;
        Some(left.checked_div(u64::try_from(self.price).ok()? * self.replies).unwrap_or(u64::MAX))
    }
    fn body_len(&self) -> u64 {
        self.body
    }
}

pub(super) fn at(millis: i64) -> Moment {
    Moment::from_millis(1_000_000_000_000 + millis)
}

pub(super) fn usd(micros: i64) -> MicroUsd {
    MicroUsd::new(micros)
}

pub(super) fn policy(number: u128) -> PolicyId {
    PolicyId::new(Ulid(number))
}

pub(super) fn person(number: u128) -> PersonId {
    PersonId::new(Ulid(number))
}

pub(super) fn budget_of(number: u128, window: Window, funding: Funding) -> BudgetKey {
    let namespace = NamespaceId::new(Ulid(1));
    BudgetKey { namespace, principal: PrincipalId::User(person(number)), window, funding }
}

pub(super) fn day(number: u128) -> BudgetKey {
    budget_of(number, Window::Day, Funding::Any)
}

pub(super) fn rate_of(number: u128, window_secs: u64) -> RateKey {
    RateKey { namespace: NamespaceId::new(Ulid(1)), principal: PrincipalId::User(person(number)), window_secs }
}

/// A budget of a day on each of these, the policy of the same number.
pub(super) fn budgets(limits: &Limits, of: &[(u128, i64)]) -> Arc<Applicable> {
    let mut applicable = Applicable::default();
    for (number, limit) in of {
        applicable.add_budget(day(*number), usd(*limit), policy(*number));
        if !limits.has_budget(&day(*number)) {
            limits.put_budget(day(*number), [], [], at(0));
        }
    }
    Arc::new(applicable)
}

pub(super) fn spent(at: Moment, amount: i64) -> Past {
    Past { from: at, newest: at, events: 1, amount }
}

pub(super) fn taken(verdict: Verdict) -> Taken {
    match verdict {
        Verdict::Taken(taken) => taken,
        other => panic!("not taken: {other:?}"),
    }
}

pub(super) fn refused(verdict: Verdict) -> Box<Refused> {
    match verdict {
        Verdict::Refused(refused) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

/// A call that is open and holds that much.
pub(super) fn open(limits: &Limits, applicable: &Arc<Applicable>, reserved: i64, now: Moment) -> Hold {
    limits.adopt(applicable, Taken { reserved: usd(reserved), ..Taken::default() }, now, now)
}

pub(super) fn cost(micros: i64) -> Came {
    Came { cost: usd(micros), charge: usd(micros), output_tokens: 0 }
}
