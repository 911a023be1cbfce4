//! Which ids callers gave their requests lately: an id that comes again is another call, and gets one of ours.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bitrouter_gateway::http::RequestId;
use bitrouter_proto::account::NamespaceId;

/// How many are remembered, whoever sent them: the newest.
const MOST: usize = 100_000;
/// For how long.
const KEPT: Duration = Duration::from_hours(24);

/// The ids that were seen. Of each only a hash is kept, whose key nobody outside knows.
#[derive(Default)]
pub(super) struct SeenIds {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    hashes: HashSet<u64>,
    /// The oldest first.
    order: VecDeque<(Instant, u64)>,
}

impl fmt::Debug for SeenIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenIds").finish_non_exhaustive()
    }
}

impl SeenIds {
    /// True where `id` was not seen in this namespace; from now on it was.
    pub(super) fn is_new(&self, namespace: NamespaceId, id: &RequestId, now: Instant) -> bool {
        self.is_new_within(MOST, namespace, id, now)
    }

    fn is_new_within(&self, most: usize, namespace: NamespaceId, id: &RequestId, now: Instant) -> bool {
        let hash = self.hasher.hash_one((namespace, id.as_str()));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { hashes, order } = &mut *seen;
        while let Some((at, oldest)) = order.front().copied()
            && now.saturating_duration_since(at) >= KEPT
        {
            order.pop_front();
            hashes.remove(&oldest);
        }
        if !hashes.insert(hash) {
            return false;
        }
        order.push_back((now, hash));
        if order.len() > most
            && let Some((_, oldest)) = order.pop_front()
        {
            hashes.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::clock;

    use super::*;

    fn namespace(number: u32) -> NamespaceId {
        format!("ns_{number:026}").parse().unwrap()
    }

    #[test]
    fn an_id_is_new_once_a_day_in_each_namespace() {
        let (seen, now, id) = (SeenIds::default(), clock::monotonic_now(), RequestId::from_text("a"));
        assert!(seen.is_new(namespace(1), &id, now));
        assert!(!seen.is_new(namespace(1), &id, now + Duration::from_hours(23)));
        assert!(seen.is_new(namespace(2), &id, now));
        assert!(seen.is_new(namespace(1), &RequestId::from_text("b"), now));
        assert!(seen.is_new(namespace(1), &id, now + KEPT));
        assert!(!seen.is_new(namespace(1), &id, now + KEPT));
    }

    #[test]
    fn the_newest_are_remembered() {
        let (seen, now) = (SeenIds::default(), clock::monotonic_now());
        let is_new = |id: &str| seen.is_new_within(2, namespace(1), &RequestId::from_text(id.to_owned()), now);
        assert!(is_new("a") && is_new("b") && is_new("c"));
        assert!(!is_new("b") && !is_new("c") && is_new("a"));
        let held = seen.seen.lock().unwrap();
        assert_eq!((held.hashes.len(), held.order.len()), (2, 2));
    }
}
