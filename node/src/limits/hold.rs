//! What an open call holds of the counters, until it is settled or undone.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use super::{
    Limits,
    applicable::{Applicable, PurseKey},
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
}

impl Hold {
    pub(super) fn new(applicable: Arc<Applicable>, taken: Taken, at: Moment) -> Self {
        Self { applicable, taken, at }
    }

    /// What the call got.
    pub fn taken(&self) -> Taken {
        self.taken
    }

    /// When it was admitted, by the node's steady time.
    pub fn admitted_at(&self) -> Moment {
        self.at
    }

    /// What it counts in.
    pub fn applicable(&self) -> &Arc<Applicable> {
        &self.applicable
    }

    /// The call has ended: what was reserved is given back, and what it came to is counted at its admission. A call that was sent
    /// and came to nothing counts as a request all the same.
    pub fn settle(self, limits: &Limits, came: &Came, now: Moment) {
        limits.change(now, |state, touched| {
            state.settle(self.share(), came, now);
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
                    let again = Self::new(Arc::clone(&self.applicable), taken, self.at);
                    state.take(again.share(), now);
                    return Ok(again);
                }
                Decision::Refused(refused) => refused,
                Decision::Waits(_) => state.turned_away(&self.applicable, terms, now),
            };
            let nothing = Taken { reserved: MicroUsd::ZERO, declared: 0, ..self.taken };
            state.take(Self { taken: nothing, ..self }.share(), now);
            Err(refused)
        })
    }

    pub(super) fn give_back(&self, state: &mut State) {
        state.undo(self.share());
    }

    pub(super) fn share(&self) -> Share<'_> {
        let Taken { reserved, declared, .. } = self.taken;
        Share { applicable: &self.applicable, reserved, declared, at: self.at }
    }

    /// Whatever it counts in may be waited for.
    pub(super) fn touches(&self, touched: &mut Touched<'_>) {
        touched.extend(|touch| {
            self.applicable.purses().for_each(|purse| touch(purse.key()));
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
