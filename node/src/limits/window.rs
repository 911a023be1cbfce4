//! A sliding window: amounts with their times, and what of them is less than the window old.
//!
//! Up to [`EXACT`] events each is kept by itself. Beyond that those of one slice of the window are one part, which counts whole
//! until its newest event has left: too little is never counted, and memory is bounded. Parts do not overlap, so that an event is
//! found again by its time.

use std::{collections::VecDeque, time::Duration};

use crate::clock::Moment;

/// So many events are kept each by itself.
pub(super) const EXACT: u64 = 128;

/// When an amount fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fits {
    Now,
    /// That much later, where nothing is added.
    After(Duration),
    Never,
}

/// What is known of earlier events: in all so much, from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When the oldest of them was.
    pub from: Moment,
    /// When the newest of them was: all of them count until it leaves.
    pub newest: Moment,
    /// How many they are.
    pub events: u64,
    /// What they come to: micro-USD, or tokens.
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    from: Moment,
    newest: Moment,
    events: u64,
    amount: i128,
}

impl Part {
    fn join(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.newest = self.newest.max(other.newest);
        self.events = self.events.saturating_add(other.events);
        self.amount += other.amount;
    }
}

/// The window.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    length: Duration,
    /// Milliseconds.
    slice: i64,
    /// The oldest first.
    parts: VecDeque<Part>,
    events: u64,
    sum: i128,
    is_coarse: bool,
}

impl Sliding {
    /// An empty window of that length; beyond [`EXACT`] events it is told in that many slices.
    pub(super) fn new(length: Duration, slices: u32) -> Self {
        let slice = length.as_millis().div_ceil(u128::from(slices.max(1))).max(1);
        let slice = i64::try_from(slice).unwrap_or(i64::MAX);
        Self { length, slice, parts: VecDeque::new(), events: 0, sum: 0, is_coarse: false }
    }

    /// Forgets what has left.
    pub(super) fn expire(&mut self, now: Moment) {
        while let Some(part) = self.parts.front().copied().filter(|part| part.newest.after(self.length) <= now) {
            self.parts.pop_front();
            self.drop_of(part);
        }
    }

    /// An event. One in the future of `now` counts as now; one that has left does not count.
    pub(super) fn add(&mut self, at: Moment, amount: i64, now: Moment) {
        self.put(Past { from: at, newest: at, events: 1, amount }, now);
    }

    /// Earlier events.
    pub(super) fn put(&mut self, past: Past, now: Moment) {
        self.expire(now);
        let newest = past.newest.min(now);
        if newest.after(self.length) <= now {
            return;
        }
        let from = past.from.min(newest);
        self.events = self.events.saturating_add(past.events);
        self.sum += i128::from(past.amount);
        if self.events > EXACT && !self.is_coarse {
            self.is_coarse = true;
            for part in std::mem::take(&mut self.parts) {
                self.insert(part);
            }
        }
        self.insert(Part { from, newest, events: past.events, amount: i128::from(past.amount) });
    }

    /// The event of that time came to that much more, or less; nothing where it has left.
    pub(super) fn change(&mut self, at: Moment, by: i128) {
        if let Some(part) = self.of(at).and_then(|place| self.parts.get_mut(place)) {
            let was = part.amount;
            part.amount = (was + by).max(0);
            self.sum += part.amount - was;
        }
    }

    /// The event of that time, which came to that much, did not take place.
    pub(super) fn remove(&mut self, at: Moment, amount: i128) {
        self.change(at, -amount);
        let Some(place) = self.of(at) else { return };
        let Some(part) = self.parts.get_mut(place) else { return };
        if part.events > 1 {
            part.events -= 1;
            self.events = self.events.saturating_sub(1);
        } else if let Some(part) = self.parts.remove(place) {
            self.drop_of(part);
        }
    }

    /// What the events come to, of those that had not left when last looked at.
    pub(super) fn sum(&self) -> i128 {
        self.sum
    }

    /// How many they are.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// When the oldest of them leaves.
    pub(super) fn oldest_leaves(&self) -> Option<Moment> {
        self.parts.front().map(|part| part.from.after(self.length))
    }

    /// When something leaves next.
    pub(super) fn next_leaves(&self) -> Option<Moment> {
        self.parts.front().map(|part| part.newest.after(self.length))
    }

    /// What leaves when: how many events, and what they come to; the oldest first.
    pub(super) fn leaving(&self) -> impl Iterator<Item = (Moment, u64, i128)> {
        self.parts.iter().map(|part| (part.newest.after(self.length), part.events, part.amount))
    }

    /// When `amount` more stays within `limit`.
    #[cfg(test)]
    pub(super) fn fits_at(&self, now: Moment, amount: i128, limit: i128) -> Fits {
        when(now, self.sum + amount - limit, self.leaving().map(|(at, _, amount)| (at, amount)))
    }

    fn of(&self, at: Moment) -> Option<usize> {
        let place = self.parts.partition_point(|part| part.newest < at);
        self.parts.get(place).filter(|part| part.from <= at).map(|_| place)
    }

    fn drop_of(&mut self, part: Part) {
        self.sum -= part.amount;
        self.events = self.events.saturating_sub(part.events);
        if self.events <= EXACT {
            self.is_coarse = false;
        }
    }

    fn insert(&mut self, mut new: Part) {
        let mut place = self.parts.partition_point(|part| part.newest < new.from);
        while let Some(left) = place.checked_sub(1)
            && let Some(near) = self.parts.get(left).copied().filter(|near| self.joins(*near, new))
        {
            new.join(near);
            self.parts.remove(left);
            place = left;
        }
        while let Some(near) = self.parts.get(place).copied().filter(|near| self.joins(*near, new)) {
            new.join(near);
            self.parts.remove(place);
        }
        self.parts.insert(place, new);
    }

    /// True where two parts are one: they overlap, or are of one slice where slices are told.
    fn joins(&self, one: Part, other: Part) -> bool {
        let slice = |part: Part| part.newest.millis().div_euclid(self.slice);
        (one.from <= other.newest && other.from <= one.newest) || (self.is_coarse && slice(one) == slice(other))
    }
}

/// When that much of what leaves has left.
pub(super) fn when(now: Moment, over: i128, leaving: impl IntoIterator<Item = (Moment, i128)>) -> Fits {
    if over <= 0 {
        return Fits::Now;
    }
    let mut over = over;
    for (at, amount) in leaving {
        over -= amount;
        if over <= 0 {
            return Fits::After(at.since(now));
        }
    }
    Fits::Never
}
