//! Which keys are those of a run, and what ends its calls. Where there are none, asking costs one load.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bitrouter_gateway::ports::Run;
use bitrouter_proto::account::KeyId;

use crate::leases::LeaseRun;

/// How long a run that has ended is known: a call that was judged before that asks within this time.
const KNOWN: Duration = Duration::from_mins(1);

/// The runs of keys.
#[derive(Debug, Default)]
pub(super) struct Runs {
    count: AtomicUsize,
    runs: RwLock<HashMap<KeyId, Known>>,
}

#[derive(Debug)]
struct Known {
    run: Arc<LeaseRun>,
    /// It ended then.
    since: Option<Instant>,
}

impl Runs {
    pub(super) fn begin(&self, id: KeyId, run: Arc<LeaseRun>) {
        self.change(|runs| {
            runs.insert(id, Known { run, since: None });
        });
    }

    pub(super) fn of(&self, id: KeyId) -> Option<Arc<dyn Run>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        runs.get(&id).map(|known| Arc::clone(&known.run) as Arc<dyn Run>)
    }

    /// Ends the runs of these keys, which open nothing any more.
    pub(super) fn end(&self, ids: &[KeyId]) {
        if self.count.load(Ordering::Acquire) > 0 {
            let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
            ids.iter().filter_map(|id| runs.get(id)).for_each(|known| known.run.end());
        }
    }

    pub(super) fn forget(&self, id: KeyId) {
        self.change(|runs| {
            runs.remove(&id);
        });
    }

    /// Forgets one that ended at `now` later, and now those that ended long before.
    pub(super) fn forget_later(&self, id: KeyId, now: Instant) {
        self.change(|runs| {
            if let Some(known) = runs.get_mut(&id) {
                known.since = Some(now);
            }
            runs.retain(|_, known| known.since.is_none_or(|since| now.saturating_duration_since(since) < KNOWN));
        });
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<KeyId, Known>)) {
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut runs);
        self.count.store(runs.len(), Ordering::Release);
    }
}
