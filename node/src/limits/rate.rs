//! The counter of rates: the requests of a window, and the tokens that they declared, or used once that is known.

use std::time::Duration;

use super::window::{Fits, Past, Sliding, when};
use crate::clock::Moment;

/// In how many slices the window of a rate is told.
const SLICES: u32 = 128;

/// The counter: its events are requests, and what they come to is tokens.
#[derive(Clone, Debug)]
pub(super) struct Rate(Sliding);

impl Rate {
    pub(super) fn new(window_secs: u64) -> Self {
        Self(Sliding::new(Duration::from_secs(window_secs), SLICES))
    }

    pub(super) fn put(&mut self, past: Past, now: Moment) {
        self.0.put(past, now);
    }

    pub(super) fn expire(&mut self, now: Moment) {
        self.0.expire(now);
    }

    /// A request that declares so many tokens.
    pub(super) fn admit(&mut self, at: Moment, declared: u64, now: Moment) {
        self.0.add(at, tokens(declared), now);
    }

    /// It used so many.
    pub(super) fn settle(&mut self, at: Moment, declared: u64, used: u64) {
        self.0.change(at, i128::from(tokens(used)) - i128::from(tokens(declared)));
    }

    /// It was not made.
    pub(super) fn undo(&mut self, at: Moment, declared: u64) {
        self.0.remove(at, i128::from(tokens(declared)));
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.events()
    }

    pub(super) fn tokens(&self) -> i128 {
        self.0.sum()
    }

    /// When the oldest request leaves the window.
    pub(super) fn resets_at(&self) -> Option<Moment> {
        self.0.oldest_leaves()
    }

    /// When one more request stays within that many.
    pub(super) fn request_fits_at(&self, now: Moment, limit: i64) -> Fits {
        let over = i128::from(self.0.events()) + 1 - i128::from(limit);
        when(now, over, self.0.leaving().map(|(at, events, _)| (at, i128::from(events))))
    }

    /// When that many more tokens stay within that many.
    pub(super) fn tokens_fit_at(&self, now: Moment, declared: u64, limit: i64) -> Fits {
        if i128::from(declared) > i128::from(limit) {
            return Fits::Never;
        }
        let over = self.0.sum() + i128::from(declared) - i128::from(limit);
        when(now, over, self.0.leaving().map(|(at, _, amount)| (at, amount)))
    }
}

fn tokens(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
