//! The connections that are open, and which one has to go when there are too many (pure bookkeeping).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use tokio::task::AbortHandle;

/// One open connection.
#[derive(Debug)]
struct Open {
    pid: Option<u32>,
    abort: Option<AbortHandle>,
}

/// The open connections by age. A process that holds the most loses its oldest one first, so that one greedy client
/// pays for its own greed and never another.
#[derive(Debug, Default)]
pub(super) struct Table {
    open: Mutex<BTreeMap<u64, Open>>,
}

impl Table {
    /// Adds a connection; answers whom to close so that there are at most `cap`.
    pub(super) fn add(&self, id: u64, pid: Option<u32>, cap: usize) -> Option<AbortHandle> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, Open { pid, abort: None });
        if open.len() > cap { Self::greediest(&mut open, Some(id)) } else { None }
    }

    /// Makes a connection closable. A connection that already ended is not there any more.
    pub(super) fn started(&self, id: u64, abort: AbortHandle) {
        if let Some(open) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&id) {
            open.abort = Some(abort);
        }
    }

    /// Forgets a connection that ended.
    pub(super) fn remove(&self, id: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The connection to close when descriptors ran out.
    pub(super) fn victim(&self) -> Option<AbortHandle> {
        Self::greediest(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner), None)
    }

    /// Number of open connections.
    pub(super) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn greediest(open: &mut BTreeMap<u64, Open>, spare: Option<u64>) -> Option<AbortHandle> {
        let mut held: HashMap<Option<u32>, usize> = HashMap::new();
        for (_, connection) in open.iter().filter(|(id, _)| Some(**id) != spare) {
            *held.entry(connection.pid).or_default() += 1;
        }
        let greedy = held.into_iter().max_by_key(|(pid, count)| (*count, *pid)).map(|(pid, _)| pid)?;
        let id = *open
            .iter()
            .find(|(id, connection)| connection.pid == greedy && Some(**id) != spare && connection.abort.is_some())?
            .0;
        open.remove(&id)?.abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::tasks::Tasks;

    fn forever(tasks: &Tasks) -> AbortHandle {
        tasks.spawn("forever", std::future::pending())
    }

    #[tokio::test]
    async fn the_greedy_process_loses_its_oldest() {
        let (tasks, table) = (Tasks::new(), Table::default());
        for (id, pid) in [(1, 10), (2, 20), (3, 20), (4, 20)] {
            assert!(table.add(id, Some(pid), 4).is_none());
            table.started(id, forever(&tasks));
        }
        table.add(5, Some(10), 4).expect("one has to go");
        assert_eq!(table.len(), 4);
        let left: Vec<u64> = table.open.lock().unwrap().keys().copied().collect();
        assert_eq!(left, [1, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_lone_newcomer_is_spared() {
        let (tasks, table) = (Tasks::new(), Table::default());
        table.add(1, Some(1), 1);
        table.started(1, forever(&tasks));
        table.add(2, Some(2), 1).expect("the older one goes");
        let left: Vec<u64> = table.open.lock().unwrap().keys().copied().collect();
        assert_eq!(left, [2]);
    }
}
