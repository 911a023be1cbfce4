//! What we count of a reply ourselves: its content, and the seconds in which a model that thinks unseen showed nothing.
//!
//! Counting is put off as long as it can be, since most replies end with their provider's own count: what passes is kept
//! for a while, up to a bound, and thrown away uncounted where nobody asks. Time is what others have read already.

use std::time::{Duration, Instant};

use bitrouter_proto::clock;

use super::{Pace, charge::OwnCount};
use crate::protocol::{Content, ContentCounter};

/// What has passed is counted at the latest after so long, and a ledger is told then.
pub(super) const PUT_OFF: Duration = Duration::from_millis(250);
/// Room for the first of what is kept.
const FIRST_HELD: usize = 512;
/// After so many pieces without a look at the clock it is looked at here.
const MOST_UNTIMED: u8 = 16;

/// The count of one reply.
#[derive(Debug)]
pub(super) struct OutputMeter {
    /// `None` where nothing in the reply is content.
    counter: Option<ContentCounter>,
    counted: Content,
    /// What has passed and is not counted.
    held: Vec<u8>,
    /// The most of it.
    most_held: usize,
    /// How much of it had passed when the clock was read last, and when that was.
    seen: usize,
    seen_at: Instant,
    /// When the first of it had passed.
    held_since: Instant,
    /// Pieces since the clock was read last, or as many as matter.
    untimed: u8,
    /// Since when nothing was seen.
    unseen_since: Instant,
    /// Whole seconds of stretches that have ended, without the first of each.
    unseen: u64,
}

impl OutputMeter {
    /// The call was sent at `sent`.
    pub(super) fn new(sent: Instant) -> Self {
        Self {
            counter: None,
            counted: Content::default(),
            held: Vec::new(),
            most_held: 0,
            seen: 0,
            seen_at: sent,
            held_since: sent,
            untimed: 0,
            unseen_since: sent,
            unseen: 0,
        }
    }

    /// The reply begins; of it at most `most_held` bytes are kept uncounted.
    pub(super) fn begin(&mut self, counter: ContentCounter, most_held: usize) {
        (self.counter, self.most_held) = (Some(counter), most_held);
    }

    /// A part of the reply passes. The time, where it had to be looked at.
    pub(super) fn pass(&mut self, part: &[u8]) -> Option<Instant> {
        self.untimed = self.untimed.saturating_add(1);
        if self.counter.is_some() {
            if self.held.len() + part.len() > self.most_held {
                let now = clock::monotonic_now();
                self.count_held(now);
                self.count(part, now);
                return Some(now);
            }
            if self.held.capacity() == 0 {
                self.held.reserve(FIRST_HELD.min(self.most_held).max(part.len()));
            }
            self.held.extend_from_slice(part);
        }
        (self.untimed >= MOST_UNTIMED).then(clock::monotonic_now)
    }

    /// So much more was made, and does not pass.
    pub(super) fn withhold(&mut self, content: Content) {
        self.counted += content;
    }

    /// It is `now`. True where something has passed since the time was known last.
    pub(super) fn at(&mut self, now: Instant) -> bool {
        if std::mem::take(&mut self.untimed) == 0 {
            return false;
        }
        if self.seen == 0 {
            self.held_since = now;
        } else if now.saturating_duration_since(self.held_since) >= PUT_OFF {
            // What passed before may have been seen long before what passed last.
            let mut passed = std::mem::take(&mut self.held);
            self.count(&passed[..self.seen], self.seen_at);
            passed.drain(..self.seen);
            (self.held, self.held_since) = (passed, now);
        }
        (self.seen, self.seen_at) = (self.held.len(), now);
        true
    }

    /// Output tokens until `now`.
    pub(super) fn tokens(&mut self, now: Instant, pace: Pace) -> OwnCount {
        self.count_held(now);
        let unseen = self.unseen.saturating_add(unseen_seconds(self.unseen_since, now));
        let unseen = if pace.thinks_unseen { unseen.saturating_mul(u64::from(pace.max_output_tps)) } else { 0 };
        OwnCount {
            visible: self.counted.visible.tokens(),
            reasoning: self.counted.reasoning.tokens().saturating_add(unseen),
        }
    }

    fn count_held(&mut self, now: Instant) {
        let held = std::mem::take(&mut self.held);
        let (before, since) = held.split_at(self.seen);
        self.count(before, self.seen_at);
        self.count(since, now);
        (self.seen, self.seen_at) = (0, now);
    }

    /// Counts what had passed at `at`.
    fn count(&mut self, part: &[u8], at: Instant) {
        let Some(counter) = self.counter.as_mut().filter(|_| !part.is_empty()) else { return };
        counter.push(part);
        let content = counter.take();
        if content.is_empty() {
            return;
        }
        self.counted += content;
        self.unseen = self.unseen.saturating_add(unseen_seconds(self.unseen_since, at));
        self.unseen_since = self.unseen_since.max(at);
    }
}

/// The seconds of a stretch, without its first.
fn unseen_seconds(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_secs().saturating_sub(1)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
