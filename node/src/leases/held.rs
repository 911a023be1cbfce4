//! Who holds which lease, in memory, and what is to end when.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bitrouter_gateway::ports::Run as _;
use bitrouter_proto::account::{KeyId, PolicyId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::LeaseRun;
use crate::{clock::Clock, secret::TokenHash, store::LeaseRow};

/// How often is looked whether whoever held a lease is gone for good.
const LOOK: Duration = Duration::from_millis(200);
/// How long until what could not be ended is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Says whether whoever held a lease is gone, so that nobody will claim it.
pub type IsGone = Arc<dyn Fn() -> bool + Send + Sync>;

/// The leases that have not ended.
pub(crate) struct Leases {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Something is to be looked at.
    pub(super) changed: Arc<Notify>,
    /// Nobody holds anything any more: the node ends.
    ending: CancellationToken,
}

#[derive(Default)]
struct State {
    leases: HashMap<KeyId, Lease>,
    /// The number of the newest hold.
    last: u64,
}

struct Lease {
    policies: Vec<PolicyId>,
    claim: TokenHash,
    run: Arc<LeaseRun>,
    hold: Hold,
    /// Its key was revoked.
    is_revoked: bool,
}

enum Hold {
    /// Somebody holds it.
    By(u64),
    /// Nobody does.
    Nobody { until: Instant, is_gone: Option<IsGone> },
    /// It is being ended.
    Ending { again: Instant },
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("open", &self.locked().leases.len()).finish_non_exhaustive()
    }
}

/// Somebody holds a lease. Dropped, nobody does.
pub struct LeaseHold {
    leases: Arc<Leases>,
    id: KeyId,
    number: u64,
    run: Arc<LeaseRun>,
    grace: Duration,
    is_gone: IsGone,
}

impl fmt::Debug for LeaseHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseHold").field("id", &self.id).finish_non_exhaustive()
    }
}

impl LeaseHold {
    /// Which lease.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Comes with true once the lease is over, with false once the node ends and its successor is to be asked.
    pub async fn over(&self) -> bool {
        tokio::select! {
            biased;
            () = self.run.ended().cancelled() => true,
            () = self.leases.ending.cancelled() => false,
        }
    }
}

impl Drop for LeaseHold {
    fn drop(&mut self) {
        self.leases.let_go(self.id, self.number, self.grace, &self.is_gone);
    }
}

/// Whether a lease can be claimed.
pub(super) enum Claimed {
    /// It is held.
    Held(LeaseHold),
    /// It is known, and ends.
    Ends,
    /// Memory does not know it.
    Unknown,
}

impl Leases {
    pub(crate) fn new(clock: Arc<dyn Clock>, ending: CancellationToken) -> Self {
        Self { clock, state: Mutex::default(), changed: Arc::default(), ending }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that nobody holds, for `grace`; its run.
    pub(crate) fn add(&self, row: &LeaseRow, grace: Duration) -> Arc<LeaseRun> {
        let run = Arc::new(LeaseRun::new(Arc::clone(&self.changed), row.refused.clone()));
        let hold = Hold::Nobody { until: self.clock.monotonic() + grace, is_gone: None };
        let policies = row.policies().collect();
        let lease = Lease { policies, claim: row.claim, run: Arc::clone(&run), hold, is_revoked: false };
        self.locked().leases.insert(row.key, lease);
        self.changed.notify_one();
        run
    }

    /// Forgets one that was not written after all.
    pub(super) fn take_back(&self, id: KeyId) {
        self.locked().leases.remove(&id);
    }

    /// Has somebody hold the lease `id`, whoever did before.
    pub(super) fn hold(self: &Arc<Self>, id: KeyId, claim: TokenHash, grace: Duration, is_gone: IsGone) -> Claimed {
        let mut state = self.locked();
        let number = state.last + 1;
        let Some(lease) = state.leases.get_mut(&id).filter(|lease| lease.claim == claim) else {
            return Claimed::Unknown;
        };
        if lease.run.ended().is_cancelled() || matches!(lease.hold, Hold::Ending { .. }) {
            return Claimed::Ends;
        }
        lease.hold = Hold::By(number);
        let run = Arc::clone(&lease.run);
        state.last = number;
        Claimed::Held(LeaseHold { leases: Arc::clone(self), id, number, run, grace, is_gone })
    }

    fn let_go(&self, id: KeyId, number: u64, grace: Duration, is_gone: &IsGone) {
        let mut state = self.locked();
        let now = self.clock.monotonic();
        if let Some(lease) = state.leases.get_mut(&id)
            && matches!(lease.hold, Hold::By(by) if by == number)
        {
            lease.hold = Hold::Nobody { until: now + grace, is_gone: Some(Arc::clone(is_gone)) };
            self.changed.notify_one();
        }
    }

    /// True where `claim` is that of the lease `id`, as memory knows it.
    pub(super) fn is_of(&self, id: KeyId, claim: TokenHash) -> bool {
        self.locked().leases.get(&id).is_some_and(|lease| lease.claim == claim)
    }

    /// The lease that `policy` was made for, and is in force.
    pub(crate) fn bound_by(&self, policy: PolicyId) -> Option<KeyId> {
        let state = self.locked();
        state.leases.iter().find(|(_, lease)| lease.policies.contains(&policy)).map(|(id, _)| *id)
    }

    /// It is being ended by the caller: its policies, and whether its key is to be revoked yet. `None` where it has ended.
    pub(super) fn begin_end(&self, id: KeyId) -> Option<(Vec<PolicyId>, Arc<LeaseRun>, bool)> {
        let again = self.clock.monotonic() + AGAIN;
        let mut state = self.locked();
        let lease = state.leases.get_mut(&id)?;
        lease.hold = Hold::Ending { again };
        Some((lease.policies.clone(), Arc::clone(&lease.run), lease.is_revoked))
    }

    /// Its key was revoked.
    pub(super) fn is_revoked(&self, id: KeyId) {
        if let Some(lease) = self.locked().leases.get_mut(&id) {
            lease.is_revoked = true;
        }
    }

    /// It has ended.
    pub(super) fn remove(&self, id: KeyId) {
        self.locked().leases.remove(&id);
    }

    /// All of them, with their runs.
    pub(super) fn all(&self) -> Vec<(KeyId, Arc<LeaseRun>)> {
        self.locked().leases.iter().map(|(id, lease)| (*id, Arc::clone(&lease.run))).collect()
    }

    /// Those that are to end now, and how long until one may be; `has_expired` says it of a key.
    pub(super) fn due(&self, has_expired: impl Fn(KeyId) -> bool) -> (Vec<KeyId>, Option<Duration>) {
        let now = self.clock.monotonic();
        let (mut due, mut wait) = (Vec::new(), None::<Duration>);
        let mut within = |left: Duration| wait = Some(wait.map_or(left, |wait| wait.min(left)));
        for (id, lease) in &self.locked().leases {
            let left = match &lease.hold {
                Hold::Ending { again } if *again > now => {
                    within(again.saturating_duration_since(now));
                    continue;
                }
                Hold::Ending { .. } => None,
                Hold::Nobody { is_gone: Some(is_gone), .. } if is_gone() => None,
                Hold::Nobody { until, is_gone } => {
                    let left = until.saturating_duration_since(now);
                    let look = if is_gone.is_some() { left.min(LOOK) } else { left };
                    (left > Duration::ZERO).then_some(Some(look))
                }
                Hold::By(_) => Some(None),
            };
            match left {
                Some(left) if !lease.run.ended().is_cancelled() && !has_expired(*id) => {
                    left.into_iter().for_each(&mut within);
                }
                _ => due.push(*id),
            }
        }
        (due, wait)
    }

    /// True where there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.locked().leases.is_empty()
    }
}
