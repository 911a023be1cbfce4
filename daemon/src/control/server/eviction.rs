//! The connections that are open, and which one has to go when there are too many (pure bookkeeping).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bitrouter_proto::clock;
use tokio::task::AbortHandle;

/// A connection this young has hardly had the time to ask.
const YOUNG: Duration = Duration::from_millis(250);

/// What a connection is used for. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct ConnectionUse(Arc<Uses>);

#[derive(Debug, Default)]
struct Uses {
    /// A call was answered.
    once: AtomicBool,
    /// Answers that are on their way now: a stream for as long as it lasts.
    now: AtomicUsize,
}

impl ConnectionUse {
    /// An answer is on its way, until what this returns is dropped.
    pub(in crate::control) fn responding(&self) -> ResponseGuard {
        self.0.once.store(true, Ordering::Relaxed);
        self.0.now.fetch_add(1, Ordering::Relaxed);
        ResponseGuard(self.clone())
    }

    /// How much is lost with the connection: nothing where it never asked, most where an answer is on its way.
    fn eviction_rank(&self, young: bool) -> u8 {
        match (self.0.now.load(Ordering::Relaxed) > 0, young, self.0.once.load(Ordering::Relaxed)) {
            (true, ..) => 3,
            (_, true, _) => 2,
            (.., true) => 1,
            _ => 0,
        }
    }
}

/// An answer that is on its way.
#[derive(Debug)]
pub(in crate::control) struct ResponseGuard(ConnectionUse);

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One open connection.
#[derive(Debug)]
struct Open {
    pid: Option<u32>,
    since: Instant,
    used: ConnectionUse,
    abort: Option<AbortHandle>,
}

/// The open connections by age. A process that holds the most loses one first, so that one greedy client pays for its own
/// greed and never another. Where processes are many and hold as little as any (each with one), what nobody would miss
/// goes first, the oldest of it; among those with an answer on its way the newest, so that who followed the log before
/// the crowd came goes on.
#[derive(Debug, Default)]
pub(in crate::control) struct Connections {
    open: Mutex<BTreeMap<u64, Open>>,
    /// The number of the youngest connection, over all listeners that there were.
    last: AtomicU64,
}

impl Connections {
    /// Adds a connection; answers its number, where to mark it as used, and whom to close so that there are at most `cap`.
    pub(in crate::control) fn add(&self, pid: Option<u32>, cap: usize) -> (u64, ConnectionUse, Option<AbortHandle>) {
        let mut open = self.lock();
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let used = ConnectionUse::default();
        open.insert(id, Open { pid, since: clock::monotonic_now(), used: used.clone(), abort: None });
        let victim =
            if open.len() > cap { Self::take_victim(&mut open, Some(id), clock::monotonic_now()) } else { None };
        (id, used, victim)
    }

    /// Makes a connection closable. A connection that already ended is not there any more.
    pub(in crate::control) fn started(&self, id: u64, abort: AbortHandle) {
        if let Some(open) = self.lock().get_mut(&id) {
            open.abort = Some(abort);
        }
    }

    /// Forgets a connection that ended.
    pub(in crate::control) fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// The connection to close when descriptors ran out.
    pub(in crate::control) fn victim(&self) -> Option<AbortHandle> {
        Self::take_victim(&mut self.lock(), None, clock::monotonic_now())
    }

    /// Number of open connections.
    pub(in crate::control) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_victim(open: &mut BTreeMap<u64, Open>, spare: Option<u64>, now: Instant) -> Option<AbortHandle> {
        let mut held: HashMap<Option<u32>, usize> = HashMap::new();
        for connection in open.values() {
            *held.entry(connection.pid).or_default() += 1;
        }
        let rank = |(id, connection): &(&u64, &Open)| {
            let young = now.saturating_duration_since(connection.since) < YOUNG;
            let rank_of_use = connection.used.eviction_rank(young);
            let greed = held.get(&connection.pid).copied().unwrap_or_default();
            (Reverse(greed), rank_of_use, if rank_of_use == 3 { u64::MAX - **id } else { **id })
        };
        let closable = open.iter().filter(|(id, connection)| Some(**id) != spare && connection.abort.is_some());
        let id = *closable.min_by_key(rank)?.0;
        open.remove(&id)?.abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::tasks::Tasks;

    /// What a connection of a test is used for.
    #[derive(Clone, Copy, PartialEq)]
    enum Use {
        Never,
        Once,
        Now,
    }

    /// Connections of `(pid, age in milliseconds, use)`, numbered from 1.
    fn table(connections: &[(u32, u64, Use)]) -> (Tasks, Connections, Vec<ResponseGuard>) {
        let (tasks, table) = (Tasks::new(), Connections::default());
        let mut answers = Vec::new();
        for (pid, age, usage) in connections {
            let (id, used, victim) = table.add(Some(*pid), usize::MAX);
            assert!(victim.is_none());
            match usage {
                Use::Never => {}
                Use::Once => drop(used.responding()),
                Use::Now => answers.push(used.responding()),
            }
            table.started(id, tasks.spawn("forever", std::future::pending()));
            let mut open = table.lock();
            let connection = open.get_mut(&id).unwrap();
            connection.since = clock::monotonic_now().checked_sub(Duration::from_millis(*age)).unwrap();
        }
        (tasks, table, answers)
    }

    fn left(table: &Connections) -> Vec<u64> {
        table.lock().keys().copied().collect()
    }

    #[tokio::test]
    async fn the_greedy_process_loses_its_oldest() {
        let never = Use::Never;
        let (_tasks, table, _) = table(&[(10, 0, never), (20, 0, never), (20, 0, never), (20, 0, never)]);
        assert!(table.add(Some(10), 4).2.is_some(), "one has to go");
        assert_eq!(left(&table), [1, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_lone_newcomer_is_spared() {
        let (_tasks, table, _) = table(&[(1, 0, Use::Never)]);
        assert!(table.add(Some(2), 1).2.is_some(), "the older one goes");
        assert_eq!(left(&table), [2]);
    }

    #[tokio::test]
    async fn among_equals_what_nobody_would_miss_goes_first_and_who_was_there_before_the_crowd_stays() {
        let (_tasks, table, _answers) = table(&[
            (1, 9_000, Use::Now), // follows the log
            (2, 900, Use::Never), // never said a word
            (3, 800, Use::Never), // neither
            (4, 700, Use::Once),  // called, and stayed
            (5, 20, Use::Never),  // just came
            (6, 10, Use::Never),  // just came
            (7, 5, Use::Now),     // is being answered
        ]);
        let mut went = Vec::new();
        while table.len() > 0 {
            let before = left(&table);
            table.victim().expect("one has to go");
            let now = left(&table);
            went.extend(before.into_iter().filter(|id| !now.contains(id)));
        }
        assert_eq!(went, [2, 3, 4, 5, 6, 7, 1]);
    }
}
