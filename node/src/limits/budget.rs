//! The counter of a budget: what was spent, what open calls have reserved, what is kept for calls that nobody saw end.

use std::{collections::BTreeSet, time::Duration};

use bitrouter_proto::account::{MicroUsd, policy::Window};

use super::{
    waiting::Ticket,
    window::{Fits, Past, Sliding, when},
};
use crate::clock::Moment;

/// In how many slices the window of a budget is told.
const SLICES: u32 = 1_440;

/// What open calls hold of a counter, and who waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Micro-USD.
    pub(super) reserved: i128,
    /// In order of arrival.
    pub(super) queue: BTreeSet<Ticket>,
}

/// What is left of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Micro-USD; below zero where more was spent than the limit is now.
    pub(super) now: i128,
    /// The same, if open calls gave back all that they hold.
    pub(super) at_most: i128,
}

/// A reservation that outlives its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How long it is kept.
    pub until: Moment,
    /// How much.
    pub amount: MicroUsd,
}

/// What was spent.
#[derive(Clone, Debug)]
enum Spent {
    Within(Sliding),
    Ever(i128),
}

/// What a budget shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// What was spent in the window.
    pub spent: MicroUsd,
    /// What open calls may yet spend, and what is kept after a crash.
    pub reserved: MicroUsd,
    /// When the oldest spending leaves the window.
    pub resets_at: Option<Moment>,
}

/// The counter.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    spent: Spent,
    /// The first to go first.
    kept: Vec<Kept>,
    kept_sum: i128,
    pub(super) held: Held,
    /// It no longer counts every call: what was spent has to be told anew.
    pub(super) is_stale: bool,
}

/// How long a window of a budget is; `None` for one without end.
pub(crate) fn length(window: Window) -> Option<Duration> {
    match window {
        Window::Day => Some(Duration::from_hours(24)),
        Window::Month => Some(Duration::from_hours(30 * 24)),
        Window::Total => None,
    }
}

impl Budget {
    pub(super) fn new(window: Window) -> Self {
        let spent = length(window).map_or(Spent::Ever(0), |length| Spent::Within(Sliding::new(length, SLICES)));
        Self { spent, kept: Vec::new(), kept_sum: 0, held: Held::default(), is_stale: false }
    }

    /// Begins anew, but for what open calls hold.
    pub(super) fn renew(&mut self, window: Window) {
        *self = Self { held: std::mem::take(&mut self.held), ..Self::new(window) };
    }

    pub(super) fn put(&mut self, past: Past, now: Moment) {
        match &mut self.spent {
            Spent::Within(window) => window.put(past, now),
            Spent::Ever(sum) => *sum += i128::from(past.amount),
        }
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        let place = self.kept.partition_point(|other| other.until <= kept.until);
        self.kept.insert(place, kept);
        self.kept_sum += i128::from(kept.amount.micros());
    }

    /// A call that was admitted at that time cost that much.
    pub(super) fn spend(&mut self, at: Moment, amount: MicroUsd, now: Moment) {
        if amount != MicroUsd::ZERO {
            self.put(Past { from: at, newest: at, events: 1, amount: amount.micros() }, now);
        }
    }

    /// Forgets what has left.
    pub(super) fn expire(&mut self, now: Moment) {
        if let Spent::Within(window) = &mut self.spent {
            window.expire(now);
        }
        let gone = self.kept.partition_point(|kept| kept.until <= now);
        self.kept_sum -= self.kept.drain(..gone).map(|kept| i128::from(kept.amount.micros())).sum::<i128>();
    }

    pub(super) fn left(&mut self, limit: MicroUsd, now: Moment) -> Left {
        self.expire(now);
        let at_most = i128::from(limit.micros()) - self.spent() - self.kept_sum;
        Left { now: at_most - self.held.reserved, at_most }
    }

    pub(super) fn spent(&self) -> i128 {
        match &self.spent {
            Spent::Within(window) => window.sum(),
            Spent::Ever(sum) => *sum,
        }
    }

    /// What open calls hold, and what is kept.
    pub(super) fn reserved(&self) -> i128 {
        self.held.reserved + self.kept_sum
    }

    pub(super) fn resets_at(&self) -> Option<Moment> {
        match &self.spent {
            Spent::Within(window) => window.oldest_leaves(),
            Spent::Ever(_) => None,
        }
    }

    /// When something leaves next.
    pub(super) fn next_leaves(&self) -> Option<Moment> {
        let spent = match &self.spent {
            Spent::Within(window) => window.next_leaves(),
            Spent::Ever(_) => None,
        };
        spent.into_iter().chain(self.kept.first().map(|kept| kept.until)).min()
    }

    /// When `amount` more stays within `limit`, at the latest: open calls may give something back earlier.
    pub(super) fn fits_at(&self, now: Moment, amount: i128, limit: MicroUsd) -> Fits {
        let over = self.spent() + self.reserved() + amount - i128::from(limit.micros());
        let spent = match &self.spent {
            Spent::Within(window) => Some(window.leaving().map(|(at, _, amount)| (at, amount))),
            Spent::Ever(_) => None,
        };
        let spent = spent.into_iter().flatten();
        if self.kept.is_empty() {
            return when(now, over, spent);
        }
        let kept = self.kept.iter().map(|kept| (kept.until, i128::from(kept.amount.micros())));
        let mut leaving: Vec<(Moment, i128)> = kept.chain(spent).collect();
        leaving.sort_by_key(|(at, _)| *at);
        when(now, over, leaving)
    }

    pub(super) fn shown(&mut self, now: Moment) -> Shown {
        self.expire(now);
        Shown { spent: money(self.spent()), reserved: money(self.reserved()), resets_at: self.resets_at() }
    }
}

/// The amount; what leaves the range stays at its edge.
pub(super) fn money(sum: i128) -> MicroUsd {
    MicroUsd::new(i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }))
}
