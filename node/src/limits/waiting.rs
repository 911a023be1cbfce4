//! Calls that do not fit yet: they wait for others to end, in order of arrival, and whoever gives something back lets them in.
//!
//! A call is in the queue of each counter that it lacks, and once it fits, of each that somebody before it lacks. Only the first of
//! a queue is tried; so one that does not fit holds up all that wait behind it on that counter, and nobody else. Whoever comes and
//! fits does not wait: it passes those that do, and these take what there is after ten seconds at the latest.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Notify;

use super::{
    applicable::{Applicable, PurseKey},
    hold::Hold,
    refused::Refused,
    state::State,
    take::{Decision, Turn},
    terms::Terms,
};
use crate::clock::Moment;

/// So many wait for one counter.
pub(super) const PLACES: usize = 64;
/// Bytes of the bodies of all that wait.
pub(super) const BODIES: u64 = 64 << 20;

/// A place among those that wait: the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    pub(super) bytes: u64,
    pub(super) calls: HashMap<Ticket, Waiter>,
}

/// A call that waits, or that was told what became of it and has not heard it yet.
#[derive(Debug)]
pub(super) struct Waiter {
    applicable: Arc<Applicable>,
    terms: Arc<dyn Terms>,
    waits_for: Vec<PurseKey>,
    bytes: u64,
    outcome: Option<Result<Hold, Box<Refused>>>,
    pub(super) woken: Arc<Notify>,
}

impl State {
    /// Whether one more may wait for these.
    pub(super) fn has_place(&mut self, waits_for: &[PurseKey], bytes: u64) -> bool {
        self.waiting.bytes.saturating_add(bytes) <= BODIES
            && waits_for.iter().all(|purse| self.held(*purse).is_none_or(|held| held.queue.len() < PLACES))
    }

    /// Puts a call behind all others.
    pub(super) fn wait(
        &mut self,
        applicable: Arc<Applicable>,
        terms: Arc<dyn Terms>,
        waits_for: Vec<PurseKey>,
    ) -> (Ticket, Arc<Notify>) {
        let ticket = Ticket(self.waiting.next);
        self.waiting.next += 1;
        for purse in &waits_for {
            if let Some(held) = self.held(*purse) {
                held.queue.insert(ticket);
            }
        }
        let (bytes, woken) = (terms.body_len(), Arc::new(Notify::new()));
        self.waiting.bytes = self.waiting.bytes.saturating_add(bytes);
        let waiter = Waiter { applicable, terms, waits_for, bytes, outcome: None, woken: Arc::clone(&woken) };
        self.waiting.calls.insert(ticket, waiter);
        (ticket, woken)
    }

    /// Tries the first of those that wait for each of `counters`, and whoever is first then, in order of arrival. Those that were
    /// told something are to be woken.
    pub(super) fn let_in(&mut self, counters: &mut Vec<PurseKey>, now: Moment) -> Vec<Arc<Notify>> {
        let mut woken = Vec::new();
        while let Some(ticket) = self.next_of(counters) {
            let Some(waiter) = self.waiting.calls.get(&ticket) else { continue };
            let (applicable, terms) = (Arc::clone(&waiter.applicable), Arc::clone(&waiter.terms));
            let outcome = match self.decide(&applicable, &*terms, now, Turn::Waiting(ticket)) {
                Decision::Waits(waits_for) => {
                    self.moves(ticket, &waits_for, counters);
                    continue;
                }
                Decision::Refused(refused) => Err(refused),
                Decision::Takes(taken) => {
                    let hold = Hold::new(applicable, taken, now);
                    self.take(hold.share(), now);
                    Ok(hold)
                }
            };
            self.leaves_queues(ticket, counters);
            if let Some(waiter) = self.waiting.calls.get_mut(&ticket) {
                waiter.outcome = Some(outcome);
                woken.push(Arc::clone(&waiter.woken));
            }
        }
        woken
    }

    /// The earliest of those that are first in one of these; that counter is taken from the list.
    fn next_of(&self, counters: &mut Vec<PurseKey>) -> Option<Ticket> {
        counters.retain(|purse| self.first_in(*purse).is_some());
        let firsts = counters.iter().enumerate().filter_map(|(place, purse)| Some((self.first_in(*purse)?, place)));
        let (ticket, place) = firsts.min()?;
        counters.swap_remove(place);
        Some(ticket)
    }

    /// A call that waits has other counters to wait for now.
    fn moves(&mut self, ticket: Ticket, waits_for: &[PurseKey], touched: &mut Vec<PurseKey>) {
        let Some(waiter) = self.waiting.calls.get_mut(&ticket) else { return };
        let before = std::mem::replace(&mut waiter.waits_for, waits_for.to_owned());
        for purse in before.iter().filter(|purse| !waits_for.contains(purse)) {
            if let Some(held) = self.held(*purse) {
                held.queue.remove(&ticket);
                touched.push(*purse);
            }
        }
        for purse in waits_for.iter().filter(|purse| !before.contains(purse)) {
            if let Some(held) = self.held(*purse) {
                held.queue.insert(ticket);
            }
        }
    }

    fn leaves_queues(&mut self, ticket: Ticket, touched: &mut Vec<PurseKey>) {
        self.moves(ticket, &[], touched);
        if let Some(waiter) = self.waiting.calls.get_mut(&ticket) {
            let bytes = std::mem::take(&mut waiter.bytes);
            self.waiting.bytes = self.waiting.bytes.saturating_sub(bytes);
        }
    }

    /// What became of a call; it is forgotten then.
    pub(super) fn outcome(&mut self, ticket: Ticket) -> Option<Result<Hold, Box<Refused>>> {
        let outcome = self.waiting.calls.get_mut(&ticket)?.outcome.take()?;
        self.waiting.calls.remove(&ticket);
        Some(outcome)
    }

    /// A call waits no longer: what it gets now.
    pub(super) fn last_try(
        &mut self,
        ticket: Ticket,
        now: Moment,
        touched: &mut Vec<PurseKey>,
    ) -> Option<Result<Hold, Box<Refused>>> {
        if let Some(outcome) = self.outcome(ticket) {
            return Some(outcome);
        }
        self.leaves_queues(ticket, touched);
        let waiter = self.waiting.calls.remove(&ticket)?;
        Some(match self.decide(&waiter.applicable, &*waiter.terms, now, Turn::Last) {
            Decision::Takes(taken) => {
                let hold = Hold::new(waiter.applicable, taken, now);
                self.take(hold.share(), now);
                Ok(hold)
            }
            Decision::Refused(refused) => Err(refused),
            Decision::Waits(_) => Err(self.turned_away(&waiter.applicable, &*waiter.terms, now)),
        })
    }

    /// A caller has left: its place is given up, and what it was given.
    pub(super) fn leave(&mut self, ticket: Ticket, touched: &mut Vec<PurseKey>) {
        self.leaves_queues(ticket, touched);
        let Some(waiter) = self.waiting.calls.remove(&ticket) else { return };
        if let Some(Ok(hold)) = waiter.outcome {
            hold.give_back(self);
            touched.extend(waiter.applicable.purses().map(super::applicable::Purse::key));
        }
    }

    /// What a call waits for.
    pub(super) fn waits_for(&self, ticket: Ticket) -> Vec<PurseKey> {
        self.waiting.calls.get(&ticket).map(|waiter| waiter.waits_for.clone()).unwrap_or_default()
    }

    /// When something next leaves a counter that a call goes by.
    pub(super) fn next_leaves(&mut self, ticket: Ticket, now: Moment) -> Option<Moment> {
        let applicable = Arc::clone(&self.waiting.calls.get(&ticket)?.applicable);
        let leaves = applicable.budgets().iter().filter_map(|limit| {
            let budget = self.budgets.get_mut(&limit.key)?;
            budget.expire(now);
            budget.next_leaves()
        });
        leaves.min()
    }

    /// True where a call waits and would not be let in by what is counted now. Where nothing that is open helps it any more, because a
    /// counter that it does not wait for has shrunk, it hears of it when it is tried next, or has waited long enough.
    #[cfg(test)]
    pub(super) fn could_only_wait(&mut self, ticket: Ticket, now: Moment) -> bool {
        use super::take::Taken;
        let Some(waiter) = self.waiting.calls.get(&ticket).filter(|waiter| waiter.outcome.is_none()) else {
            return true;
        };
        let (applicable, terms) = (Arc::clone(&waiter.applicable), Arc::clone(&waiter.terms));
        match self.decide(&applicable, &*terms, now, Turn::Waiting(ticket)) {
            Decision::Takes(Taken { output, .. }) => {
                let asked = terms.asked_cap().or(terms.model_max());
                output.is_some_and(|output| output < 4_096 && asked.is_none_or(|asked| output < asked.div_ceil(2)))
            }
            Decision::Refused(_) | Decision::Waits(_) => true,
        }
    }
}
