//! What an open call holds of the counters, until it is settled or undone.

use std::sync::Arc;

use bitrouter_proto::account::{MicroUsd, policy::Funding};

use super::{
    Limits,
    applicable::{Applicable, BudgetKey, PurseKey, RateKey},
    refused::Refused,
    state::{Came, Share, State},
    take::{Decision, Taken, Turn},
    terms::Terms,
};
use crate::clock::Moment;

/// What an open call holds. It has no destructor: whoever has it gives it back, once, by [`settle`](Self::settle) or
/// [`undo`](Self::undo).
#[derive(Debug)]
#[must_use = "what it holds is held until it is settled or undone"]
pub struct Hold {
    applicable: Arc<Applicable>,
    taken: Taken,
    at: Moment,
    attached: Vec<Attached>,
}

/// A counter that came into being while the call was open.
#[derive(Clone, Copy, Debug)]
enum Attached {
    Budget(BudgetKey, MicroUsd),
    Rate(RateKey, u64),
}

impl Hold {
    pub(super) fn new(applicable: Arc<Applicable>, taken: Taken, at: Moment) -> Self {
        Self { applicable, taken, at, attached: Vec::new() }
    }

    /// What the call got.
    pub fn taken(&self) -> Taken {
        self.taken
    }

    /// When it was admitted, by the node's steady time.
    pub fn admitted_at(&self) -> Moment {
        self.at
    }

    /// What it counts in besides what was attached.
    pub fn applicable(&self) -> &Arc<Applicable> {
        &self.applicable
    }

    /// The call has ended: what was reserved is given back, and what it came to is counted at its admission. A call that was sent
    /// and came to nothing counts as a request all the same.
    pub fn settle(self, limits: &Limits, came: &Came, now: Moment) {
        limits.change(now, |state, touched| {
            state.settle(self.share(), came, now);
            for attached in &self.attached {
                attached.give_back(state);
                match attached {
                    Attached::Budget(key, _) => {
                        if let Some(budget) = state.budgets.get_mut(key) {
                            budget.spend(self.at, came.against(*key), now);
                        }
                    }
                    Attached::Rate(key, declared) => {
                        if let Some(rate) = state.rates.get_mut(key) {
                            rate.expire(now);
                            rate.settle(self.at, *declared, came.output_tokens);
                        }
                    }
                }
            }
            self.touches(touched);
        });
    }

    /// The call was not sent: everything is given back, its place in the rates as well.
    pub fn undo(self, limits: &Limits, now: Moment) {
        limits.change(now, |state, touched| {
            self.give_back(state);
            self.touches(touched);
        });
    }

    /// The call is tried again elsewhere, at other prices: what it holds is taken anew, at once or not at all, and its place in
    /// the rates is kept.
    ///
    /// # Errors
    /// Where it does not pass. Its request still counts.
    pub fn again(self, limits: &Limits, terms: &dyn Terms, now: Moment) -> Result<Self, Box<Refused>> {
        limits.change(now, |state, touched| {
            self.give_back(state);
            let decision = state.decide(&self.applicable, terms, now, Turn::Last);
            self.touches(touched);
            let refused = match decision {
                Decision::Takes(taken) => {
                    let mut again = Self::new(Arc::clone(&self.applicable), taken, self.at);
                    again.attached = self.attached.iter().map(|attached| attached.with(taken)).collect();
                    again.take_up(state, now);
                    return Ok(again);
                }
                Decision::Refused(refused) => refused,
                Decision::Waits(_) => state.turned_away(&self.applicable, terms, now),
            };
            let nothing = Taken { reserved: MicroUsd::ZERO, declared: 0, ..self.taken };
            let attached = self.attached.iter().map(|attached| attached.with(nothing)).collect();
            Self { taken: nothing, attached, ..self }.take_up(state, now);
            Err(refused)
        })
    }

    /// A budget that begins to count while the call is open: it counts the call when it settles, and holds `reserved` until then.
    /// The counter has to be there; one that counts the call already is left as it is.
    pub fn attach_budget(&mut self, limits: &Limits, key: BudgetKey, reserved: MicroUsd, now: Moment) {
        let is_counted = self.applicable.counted().any(|one| one.key == key)
            || self.attached.iter().any(|one| matches!(one, Attached::Budget(other, _) if *other == key));
        if !is_counted && (key.funding == Funding::Any || self.applicable.credit().is_some()) {
            self.attach(limits, Attached::Budget(key, reserved), now);
        }
    }

    /// A rate that begins to count while the call is open: the call is an event of it, at its admission.
    /// The counter has to be there; one that counts the call already is left as it is.
    pub fn attach_rate(&mut self, limits: &Limits, key: RateKey, declared: u64, now: Moment) {
        let is_counted = self.applicable.rates().iter().any(|one| one.key == key)
            || self.attached.iter().any(|one| matches!(one, Attached::Rate(other, _) if *other == key));
        if !is_counted {
            self.attach(limits, Attached::Rate(key, declared), now);
        }
    }

    fn attach(&mut self, limits: &Limits, attached: Attached, now: Moment) {
        limits.change(now, |state, _| attached.take(state, self.at, now));
        self.attached.push(attached);
    }

    /// Takes all that it says it holds.
    fn take_up(&self, state: &mut State, now: Moment) {
        state.take(self.share(), now);
        self.attached.iter().for_each(|attached| attached.take(state, self.at, now));
    }

    pub(super) fn give_back(&self, state: &mut State) {
        state.undo(self.share());
        for attached in &self.attached {
            attached.give_back(state);
            if let Attached::Rate(key, declared) = attached
                && let Some(rate) = state.rates.get_mut(key)
            {
                rate.undo(self.at, *declared);
            }
        }
    }

    pub(super) fn share(&self) -> Share<'_> {
        let Taken { reserved, declared, .. } = self.taken;
        Share { applicable: &self.applicable, reserved, declared, at: self.at }
    }

    /// Whatever it counts in may be waited for.
    pub(super) fn touches(&self, touched: &mut Touched<'_>) {
        touched.extend(|touch| {
            self.applicable.purses().for_each(|purse| touch(purse.key()));
            for attached in &self.attached {
                if let Attached::Budget(key, _) = attached {
                    touch(PurseKey::Budget(*key));
                }
            }
        });
    }
}

/// The counters that a change has touched: they are told only where somebody waits.
#[derive(Debug)]
pub(super) struct Touched<'a> {
    pub(super) is_wanted: bool,
    pub(super) counters: &'a mut Vec<PurseKey>,
}

impl Touched<'_> {
    pub(super) fn extend(&mut self, tell: impl FnOnce(&mut dyn FnMut(PurseKey))) {
        if self.is_wanted {
            tell(&mut |counter| self.counters.push(counter));
        }
    }
}

impl Attached {
    /// The same counter, with what is held of it now.
    fn with(&self, taken: Taken) -> Self {
        match *self {
            Self::Budget(key, _) => Self::Budget(key, taken.reserved),
            Self::Rate(key, _) => Self::Rate(key, taken.declared),
        }
    }

    fn take(&self, state: &mut State, at: Moment, now: Moment) {
        match self {
            Self::Budget(key, reserved) => {
                if let Some(budget) = state.budgets.get_mut(key) {
                    budget.held.reserved += i128::from(reserved.micros());
                }
            }
            Self::Rate(key, declared) => {
                if let Some(rate) = state.rates.get_mut(key) {
                    rate.admit(at, *declared, now);
                }
            }
        }
    }

    fn give_back(&self, state: &mut State) {
        if let Self::Budget(key, reserved) = self
            && let Some(budget) = state.budgets.get_mut(key)
        {
            budget.held.reserved -= i128::from(reserved.micros());
        }
    }
}
