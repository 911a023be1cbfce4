//! The calls of this process that are open, from memory: who pays, what was reserved, how far each has come.
//!
//! A stream tells its progress some times a second, on the worker that serves it: that costs a lock of its own and, once
//! until the next mark, a place in the list of those that have moved.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bitrouter_gateway::ports::SoFar;
use bitrouter_proto::account::{MicroUsd, PersonId, RequestRowId};
use tokio::sync::Notify;

use super::{
    interrupted::output,
    locked,
    record::{Mark, Tokens},
};
use crate::{clock::Moment, enforcement::OpenCall};

/// Quarters of a second.
const QUARTER_MS: u128 = 250;

/// An open call.
#[derive(Debug)]
pub(crate) struct OpenRow {
    pub(crate) id: RequestRowId,
    pub(crate) payer: PersonId,
    pub(crate) reserved: MicroUsd,
    pub(crate) streamed: bool,
    /// The tokens that a recovery adds to a stream that has no mark.
    pub(crate) pace: u64,
    pub(crate) since: Instant,
    /// The same call, as counters see it.
    pub(crate) call: OpenCall,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    so_far: SoFar,
    has_moved: bool,
    is_settled: bool,
    peak: Peak,
    /// What a recovery would find now, one second included; `None` without a mark.
    covered: Option<u64>,
}

/// The most tokens that came within a second, in steps of a quarter.
#[derive(Debug, Default)]
struct Peak {
    /// The quarters since the stream began of which the last one is the present one.
    quarter: u128,
    /// What came in the last five quarters, by number.
    came: [u64; 5],
    seen: u64,
    most: u64,
}

impl Peak {
    fn add(&mut self, quarter: u128, output: u64) {
        let places = self.came.len() as u128;
        for gone in (self.quarter + 1..=quarter).take(self.came.len()) {
            self.came[usize::try_from(gone % places).unwrap_or(0)] = 0;
        }
        self.quarter = self.quarter.max(quarter);
        let place = usize::try_from(self.quarter % places).unwrap_or(0);
        self.came[place] += output.saturating_sub(self.seen);
        self.seen = self.seen.max(output);
        self.most = self.most.max(self.came.iter().sum());
    }
}

impl OpenRow {
    pub(crate) fn new(
        call: OpenCall,
        payer: PersonId,
        reserved: MicroUsd,
        streamed: bool,
        pace: u64,
        since: Instant,
    ) -> Arc<Self> {
        Arc::new(Self { id: call.row(), payer, reserved, streamed, pace, since, call, progress: Mutex::default() })
    }

    /// What the call had used when it was last heard of.
    pub(crate) fn so_far(&self) -> SoFar {
        self.progress().so_far
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        locked(&self.progress)
    }

    fn mark(&self, at: Moment) -> Option<Mark> {
        let mut progress = self.progress();
        progress.has_moved = false;
        if progress.is_settled {
            return None;
        }
        let tokens = Tokens::from(progress.so_far.usage);
        progress.covered = Some(output(&tokens).saturating_add(progress.peak.most));
        Some(Mark {
            id: self.id.ulid().to_bytes().to_vec(),
            usage: Some(tokens),
            peak_tps: progress.peak.most,
            first_byte_ms: progress.so_far.first_byte.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            at: at.millis(),
        })
    }
}

/// Each open call, and of everybody what those have reserved.
#[derive(Debug, Default)]
struct Open {
    rows: HashMap<RequestRowId, Arc<OpenRow>>,
    reserved: HashMap<PersonId, MicroUsd>,
}

/// A sum of reservations that was another one than it is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongSum {
    pub(crate) payer: PersonId,
    pub(crate) said: MicroUsd,
    pub(crate) is: MicroUsd,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct OpenRows {
    open: Mutex<Open>,
    moved: Mutex<Vec<Arc<OpenRow>>>,
    /// How many of them are not streamed.
    whole: AtomicUsize,
    is_awake: AtomicBool,
    wake: Notify,
    hurry: Notify,
}

impl OpenRows {
    /// A call is about to be admitted.
    pub(crate) fn open(&self, row: &Arc<OpenRow>) {
        if !row.streamed {
            self.whole.fetch_add(1, Ordering::Relaxed);
        }
        let mut open = locked(&self.open);
        open.rows.insert(row.id, Arc::clone(row));
        if row.reserved != MicroUsd::ZERO {
            let sum = open.reserved.entry(row.payer).or_default();
            *sum = sum.plus(row.reserved);
        }
        drop(open);
        if !self.is_awake.load(Ordering::SeqCst) && !self.is_awake.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// It has ended, or was not admitted. False where it was not open.
    pub(crate) fn close(&self, row: &OpenRow) -> bool {
        row.progress().is_settled = true;
        let mut open = locked(&self.open);
        let was_open = open.rows.remove(&row.id).is_some();
        if was_open && let Some(sum) = open.reserved.get_mut(&row.payer) {
            *sum = sum.minus(row.reserved);
        }
        drop(open);
        if was_open && !row.streamed {
            self.whole.fetch_sub(1, Ordering::Relaxed);
        }
        was_open
    }

    /// A call has come so far.
    pub(crate) fn progress(&self, row: &Arc<OpenRow>, so_far: &SoFar, now: Instant) {
        let mut progress = row.progress();
        let tokens = output(&Tokens::from(so_far.usage));
        progress.peak.add(now.saturating_duration_since(row.since).as_millis() / QUARTER_MS, tokens);
        progress.so_far = *so_far;
        // What came faster than a recovery would reckon is marked at once.
        let hurries = tokens > progress.covered.unwrap_or(row.pace);
        let is_first = !std::mem::replace(&mut progress.has_moved, true);
        drop(progress);
        if is_first {
            locked(&self.moved).push(Arc::clone(row));
        }
        if hurries {
            self.hurry.notify_one();
        }
    }

    /// Waits until there are open calls.
    pub(crate) async fn awake(&self) {
        self.wake.notified().await;
    }

    /// Waits until a call has come further than it would be charged.
    pub(crate) async fn hurry(&self) {
        self.hurry.notified().await;
    }

    /// True where nothing is open: the next call wakes whoever waits.
    pub(crate) fn rest(&self) -> bool {
        if !self.is_empty() {
            return false;
        }
        self.is_awake.store(false, Ordering::SeqCst);
        // One that came before that woke nobody; one that came after it did, and is waited for.
        self.is_empty() || self.is_awake.swap(true, Ordering::SeqCst)
    }

    /// The marks of all that have moved since they were last asked for.
    pub(crate) fn marks(&self, at: Moment) -> Vec<Mark> {
        let moved = std::mem::take(&mut *locked(&self.moved));
        moved.iter().filter_map(|row| row.mark(at)).collect()
    }

    /// The marks of all that were ever heard of.
    pub(crate) fn all_marks(&self, at: Moment) -> Vec<Mark> {
        self.all().iter().filter(|row| row.so_far() != SoFar::default()).filter_map(|row| row.mark(at)).collect()
    }

    /// True where a call is open that tells nothing until it ends.
    pub(crate) fn has_silent(&self) -> bool {
        self.whole.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.open).rows.is_empty()
    }

    pub(crate) fn contains(&self, id: RequestRowId) -> bool {
        locked(&self.open).rows.contains_key(&id)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<OpenRow>> {
        locked(&self.open).rows.values().cloned().collect()
    }

    /// What open calls of `payer` have reserved.
    #[cfg(test)]
    pub(crate) fn reserved(&self, payer: PersonId) -> MicroUsd {
        locked(&self.open).reserved.get(&payer).copied().unwrap_or_default()
    }

    /// Sums anew what open calls have reserved; the sums that were wrong, which are mended.
    pub(crate) fn reckon(&self) -> Vec<WrongSum> {
        let mut open = locked(&self.open);
        let mut sums: HashMap<PersonId, MicroUsd> = HashMap::new();
        for row in open.rows.values() {
            let sum = sums.entry(row.payer).or_default();
            *sum = sum.plus(row.reserved);
        }
        let of = |sums: &HashMap<PersonId, MicroUsd>, payer| sums.get(payer).copied().unwrap_or_default();
        let payers = sums.keys().chain(open.reserved.keys().filter(|payer| !sums.contains_key(payer)));
        let wrong = payers
            .map(|payer| WrongSum { payer: *payer, said: of(&open.reserved, payer), is: of(&sums, payer) })
            .filter(|sum| sum.said != sum.is)
            .collect();
        open.reserved = sums;
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_what_came_within_a_second() {
        let mut peak = Peak::default();
        let mut expect = |quarter, output, most| {
            peak.add(quarter, output);
            assert_eq!(peak.most, most, "{quarter} {output}");
        };
        expect(0, 10, 10);
        expect(1, 20, 20);
        expect(4, 50, 50);
        // What came more than a second ago no longer counts.
        expect(5, 60, 50);
        expect(40, 100, 50);
        expect(41, 160, 100);
        expect(42, 150, 100);
    }
}
