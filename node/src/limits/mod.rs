//! Limits: what budgets, rates and credit count, and the queue before them. All of it is in memory, behind one lock that is held
//! for about a microsecond; a call takes what it needs of every counter that it goes by, or nothing.
//!
//! The journey of a call: [`Applicable`] says what it goes by and [`Terms`] what it asks for and costs → [`Limits::take`] decides;
//! one that does not fit may wait, in order of arrival → a [`Hold`] is what it has while it is open → [`Hold::settle`] counts what
//! it came to, and lets in those that wait.
//!
//! Time is the node's steady time, and comes in with every call: setting the wall clock changes nothing here.
//!
//! * `window`: what slides. `budget`, `rate`, `credit`: the counters. `state`: all of them.
//! * `output`: the caps of guardrails and rates. `money`: what is reserved. `take`: the decision; `refused`: why not.
//! * `waiting`: the queue; `place`: the future that waits in it. `hold`: what an open call has.

mod applicable;
mod budget;
mod credit;
mod hold;
mod money;
mod output;
mod place;
mod rate;
mod refused;
mod room;
mod state;
mod take;
mod terms;
#[cfg(test)]
mod tests;
mod waiting;
mod window;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bitrouter_proto::account::{MicroUsd, PersonId};

pub(crate) use self::budget::length;
use self::{
    applicable::PurseKey,
    budget::Budget,
    hold::Touched,
    place::Place,
    rate::Rate,
    state::State,
    take::{Decision, Turn},
    waiting::Ticket,
};
pub use self::{
    applicable::{Applicable, BudgetKey, BudgetLimit, RateKey, RateLimit},
    budget::{Kept, Shown},
    hold::Hold,
    refused::{Measure, Numbers, Refused, Why},
    state::Came,
    take::{Taken, Verdict},
    terms::Terms,
    window::Past,
};
use crate::clock::Moment;

/// All counters, and who waits for them.
#[derive(Debug, Default)]
pub struct Limits {
    state: Mutex<State>,
}

impl Limits {
    /// Takes what a call needs of all that it goes by: at once where it fits, whoever waits; else within 10 s, waiting for calls that
    /// are open, behind those that wait already. The future may be dropped: its place, or what it was given, is given back.
    ///
    /// # Errors
    /// Where the call is refused. [`Why::Stale`] asks for what applies to be looked up anew, and is no answer to a caller.
    pub async fn take<T: Terms + Clone + 'static>(
        &self,
        applicable: &Arc<Applicable>,
        terms: &T,
        clock: impl Fn() -> Moment + Send,
    ) -> Result<Hold, Box<Refused>> {
        let now = clock();
        let place = {
            let mut state = self.locked();
            match state.decide(applicable, terms, now, Turn::New) {
                Decision::Takes(taken) => {
                    let hold = Hold::new(Arc::clone(applicable), taken, now);
                    state.take(hold.share(), now);
                    return Ok(hold);
                }
                Decision::Refused(refused) => return Err(refused),
                Decision::Waits(waits_for) => {
                    if !state.has_place(&waits_for, terms.body_len()) {
                        return Err(state.turned_away(applicable, terms, now));
                    }
                    state.wait(Arc::clone(applicable), Arc::new(terms.clone()), waits_for)
                }
            }
        };
        Place::new(self, place, clock).wait().await
    }

    /// What would become of a call that came now. Nothing is taken.
    pub fn would(&self, applicable: &Applicable, terms: &dyn Terms, now: Moment) -> Verdict {
        match self.locked().decide(applicable, terms, now, Turn::New) {
            Decision::Takes(taken) => Verdict::Taken(taken),
            Decision::Refused(refused) => Verdict::Refused(refused),
            Decision::Waits(_) => Verdict::Waits,
        }
    }

    /// What a call that is open already holds of these counters, whether or not it fits: one of another process, or one that was
    /// admitted before they began to count.
    pub fn adopt(&self, applicable: &Arc<Applicable>, taken: Taken, at: Moment, now: Moment) -> Hold {
        let hold = Hold::new(Arc::clone(applicable), taken, at);
        self.locked().take(hold.share(), now);
        hold
    }

    /// A budget counter, with what was spent before. One that is there already counts it in addition; one that has not counted every
    /// call (see [`retain`](Self::retain)) begins anew with it.
    pub fn put_budget(
        &self,
        key: BudgetKey,
        history: impl IntoIterator<Item = Past>,
        kept: impl IntoIterator<Item = Kept>,
        now: Moment,
    ) {
        self.change(now, |state, touched| {
            let budget = state.budgets.entry(key).or_insert_with(|| Budget::new(key.window));
            if budget.is_stale {
                budget.renew(key.window);
            }
            history.into_iter().for_each(|past| budget.put(past, now));
            kept.into_iter().for_each(|kept| budget.keep(kept));
            touched.extend(|touch| touch(PurseKey::Budget(key)));
        });
    }

    /// A counter of rates, with the requests that were before. One that is there already counts them in addition.
    pub fn put_rate(&self, key: RateKey, history: impl IntoIterator<Item = Past>, now: Moment) {
        let mut state = self.locked();
        let rate = state.rates.entry(key).or_insert_with(|| Rate::new(key.window_secs));
        history.into_iter().for_each(|past| rate.put(past, now));
    }

    /// True where this counter counts.
    pub fn has_budget(&self, key: &BudgetKey) -> bool {
        self.locked().budgets.get(key).is_some_and(|budget| !budget.is_stale)
    }

    /// True where this counter counts.
    pub fn has_rate(&self, key: &RateKey) -> bool {
        self.locked().rates.contains_key(key)
    }

    /// Forgets the counters that nothing goes by any more. A budget that open calls hold something of, or that others wait for, stays
    /// for those, but is not there for new ones.
    pub fn retain(&self, is_used: impl Fn(&BudgetKey) -> bool, is_used_rate: impl Fn(&RateKey) -> bool, now: Moment) {
        self.change(now, |state, touched| {
            state.budgets.retain(|key, budget| {
                if is_used(key) {
                    return true;
                }
                budget.is_stale = true;
                if !budget.held.queue.is_empty() {
                    // Whoever waits is told to look anew.
                    touched.extend(|touch| touch(PurseKey::Budget(*key)));
                }
                budget.held.reserved != 0 || !budget.held.queue.is_empty()
            });
            state.rates.retain(|key, _| is_used_rate(key));
        });
    }

    /// What a budget shows; `None` where it is not there.
    pub fn show(&self, key: &BudgetKey, now: Moment) -> Option<Shown> {
        self.locked().budgets.get_mut(key).filter(|budget| !budget.is_stale).map(|budget| budget.shown(now))
    }

    /// A person was given that much, or that much was taken where it is negative.
    pub fn granted(&self, person: PersonId, amount: MicroUsd, now: Moment) {
        self.change(now, |state, touched| {
            state.credits.entry(person).or_default().add(amount);
            touched.extend(|touch| touch(PurseKey::Credit(person)));
        });
    }

    /// What calls of a person are judged by: what was granted, less what was charged.
    pub fn balance(&self, person: PersonId) -> MicroUsd {
        self.locked().credits.get(&person).map(|credit| credit.balance).unwrap_or_default()
    }

    /// What open calls have reserved of a person's credit.
    pub fn reserved(&self, person: PersonId) -> MicroUsd {
        self.locked().credits.get(&person).map(|credit| budget::money(credit.held.reserved)).unwrap_or_default()
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.locked().waiting.calls.len()
    }

    /// Changes something, and lets in whoever may come in then.
    fn change<T>(&self, now: Moment, act: impl FnOnce(&mut State, &mut Touched<'_>) -> T) -> T {
        let mut counters = Vec::new();
        let mut state = self.locked();
        let is_wanted = !state.waiting.calls.is_empty();
        let result = act(&mut state, &mut Touched { is_wanted, counters: &mut counters });
        let_in(state, counters, now);
        result
    }

    /// What became of a call that waits, or how long it is until something leaves a window.
    fn heard(&self, ticket: Ticket, now: Moment) -> Result<Result<Hold, Box<Refused>>, Option<Duration>> {
        let mut state = self.locked();
        state.outcome(ticket).ok_or_else(|| state.next_leaves(ticket, now).map(|at| at.since(now)))
    }

    /// Something has left a window.
    fn stir(&self, ticket: Ticket, now: Moment) {
        let state = self.locked();
        let counters = state.waits_for(ticket);
        let_in(state, counters, now);
    }

    /// A call has waited long enough.
    fn last(&self, ticket: Ticket, now: Moment) -> Result<Hold, Box<Refused>> {
        let mut counters = Vec::new();
        let mut state = self.locked();
        let outcome = state.last_try(ticket, now, &mut counters);
        let_in(state, counters, now);
        outcome.unwrap_or(Err(Refused::new(Why::Stale, None).into()))
    }

    fn leave(&self, ticket: Ticket, now: Moment) {
        let mut counters = Vec::new();
        let mut state = self.locked();
        state.leave(ticket, &mut counters);
        let_in(state, counters, now);
    }

    /// A thread that panicked with it leaves nothing half done.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets in whoever may come in by what was changed, and wakes them when the lock is free again.
fn let_in(mut state: MutexGuard<'_, State>, mut counters: Vec<PurseKey>, now: Moment) {
    let woken = state.let_in(&mut counters, now);
    drop(state);
    for waiter in woken {
        waiter.notify_one();
    }
}

#[cfg(test)]
impl Limits {
    /// True where nobody waits that could come in.
    fn nobody_sleeps(&self, now: Moment) -> bool {
        let mut state = self.locked();
        let tickets: Vec<Ticket> = state.waiting.calls.keys().copied().collect();
        tickets.into_iter().all(|ticket| state.could_only_wait(ticket, now))
    }

    /// True where no queue holds anybody, and no body is counted.
    fn is_quiet(&self) -> bool {
        let state = self.locked();
        let queues = state.budgets.values().map(|budget| &budget.held);
        let mut queues = queues.chain(state.credits.values().map(|credit| &credit.held));
        queues.all(|held| held.queue.is_empty() && held.reserved == 0) && state.waiting.bytes == 0
    }
}
