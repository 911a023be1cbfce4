//! All counters, as one: a call takes what it needs of each of them, or nothing.

use std::collections::HashMap;

use bitrouter_proto::account::{MicroUsd, PersonId};

use super::{
    applicable::{Applicable, BudgetKey, BudgetLimit, Purse, PurseKey, RateKey},
    budget::{Budget, Held, Left},
    credit::Credit,
    rate::Rate,
    waiting::{Ticket, Waiting},
};
use crate::clock::Moment;

/// The counters, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) budgets: HashMap<BudgetKey, Budget>,
    pub(super) rates: HashMap<RateKey, Rate>,
    pub(super) credits: HashMap<PersonId, Credit>,
    pub(super) waiting: Waiting,
}

/// What calls count in: who pays, what is reserved, and what is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a> {
    pub(super) applicable: &'a Applicable,
    pub(super) reserved: MicroUsd,
    pub(super) declared: u64,
    /// When the call was admitted.
    pub(super) at: Moment,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// What it cost, whoever pays: what most budgets count.
    pub cost: MicroUsd,
    /// What leaves the credit.
    pub charge: MicroUsd,
    /// The tokens of its output, all replies together.
    pub output_tokens: u64,
}

impl State {
    /// What is left of a counter of money; `None` where it is not there.
    pub(super) fn left(&mut self, purse: Purse, now: Moment) -> Option<Left> {
        match purse {
            Purse::Budget(BudgetLimit { key, limit, .. }) => {
                Some(self.budgets.get_mut(&key).filter(|budget| !budget.is_stale)?.left(limit, now))
            }
            // Who was never granted anything has nothing.
            Purse::Credit(person) => Some(self.credits.entry(person).or_default().left()),
        }
    }

    pub(super) fn held(&mut self, purse: PurseKey) -> Option<&mut Held> {
        match purse {
            PurseKey::Budget(key) => self.budgets.get_mut(&key).map(|budget| &mut budget.held),
            PurseKey::Credit(person) => self.credits.get_mut(&person).map(|credit| &mut credit.held),
        }
    }

    /// The first of those that wait for a counter.
    pub(super) fn first_in(&self, purse: PurseKey) -> Option<Ticket> {
        let held = match purse {
            PurseKey::Budget(key) => &self.budgets.get(&key)?.held,
            PurseKey::Credit(person) => &self.credits.get(&person)?.held,
        };
        held.queue.first().copied()
    }

    /// Takes all that a call holds while it is open.
    pub(super) fn take(&mut self, share: Share<'_>, now: Moment) {
        self.reserve(share.applicable, i128::from(share.reserved.micros()));
        for limit in share.applicable.rates() {
            if let Some(rate) = self.rates.get_mut(&limit.key) {
                rate.admit(share.at, share.declared, now);
            }
        }
    }

    /// Gives everything back: the call was not made.
    pub(super) fn undo(&mut self, share: Share<'_>) {
        self.reserve(share.applicable, -i128::from(share.reserved.micros()));
        for limit in share.applicable.rates() {
            if let Some(rate) = self.rates.get_mut(&limit.key) {
                rate.undo(share.at, share.declared);
            }
        }
    }

    /// Gives back what was reserved, and takes what the call came to.
    pub(super) fn settle(&mut self, share: Share<'_>, came: &Came, now: Moment) {
        self.reserve(share.applicable, -i128::from(share.reserved.micros()));
        for limit in share.applicable.budgets() {
            if let Some(budget) = self.budgets.get_mut(&limit.key) {
                budget.spend(share.at, came.against(limit.key), now);
            }
        }
        if let Some(person) = share.applicable.credit()
            && came.charge != MicroUsd::ZERO
        {
            self.credits.entry(person).or_default().take(came.charge);
        }
        for limit in share.applicable.rates() {
            if let Some(rate) = self.rates.get_mut(&limit.key) {
                rate.expire(now);
                rate.settle(share.at, share.declared, came.output_tokens);
            }
        }
    }

    fn reserve(&mut self, applicable: &Applicable, amount: i128) {
        if amount == 0 {
            return;
        }
        for purse in applicable.purses() {
            if let Some(held) = self.held(purse.key()) {
                held.reserved += amount;
            }
        }
    }
}

impl Came {
    /// What of it counts in a budget.
    pub(crate) fn against(&self, key: BudgetKey) -> MicroUsd {
        key.counts(self.cost, self.charge)
    }
}
