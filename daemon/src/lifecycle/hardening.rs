//! Keeps what is in memory private, and lets the process hold as many connections as it may.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// No core dump, and no other process of this user may look inside.
///
/// Call it only after the environment and the parent's have been read: afterwards a process cannot open its own
/// `/proc/self/environ` (prctl(2), PR_SET_DUMPABLE).
pub(super) fn keep_private() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(error = %std::io::Error::from(error), "core dumps cannot be limited");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(error = %std::io::Error::from(error), "core dumps cannot be forbidden");
    }
}

/// Raises the soft descriptor limit to the hard one; answers the number of descriptors we may hold.
pub(super) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, wanted).is_ok() {
        return limit.maximum.unwrap_or(1 << 20);
    }
    limit.current.unwrap_or(1024)
}

/// How many connections each listener may hold, so that the control socket always has descriptors left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FdBudget {
    /// Control connections.
    pub(super) control: usize,
    /// Inference connections; each may need one more to its provider.
    pub(super) http: usize,
}

/// Inference connections that a common hard limit of 20,000 must allow.
const PROMISED: usize = 10_240;

/// Splits `descriptors` (pure).
pub(super) fn fd_budget(descriptors: u64) -> FdBudget {
    let all = usize::try_from(descriptors).unwrap_or(usize::MAX).min(1 << 20);
    // An idle daemon holds close to twenty.
    let reserve = (all / 8).clamp(24, 128);
    let control = (all / 4).clamp(8, 512);
    let left = all.saturating_sub(reserve + control);
    // Ten thousand callers are promised where there is room for them and for most of their providers' connections.
    let http = if left / 2 < PROMISED && left / 5 * 3 >= PROMISED { PROMISED } else { left / 2 };
    FdBudget { control, http: http.clamp(8, 65_536) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_a_share() {
        for descriptors in [64, 256, 1024, 4096, 18_000, 20_000, 20_480, 1 << 20, u64::MAX] {
            let budget = fd_budget(descriptors);
            let for_providers = budget.http * 2 / 3;
            assert!(
                (budget.control + budget.http + for_providers) as u64 <= descriptors.max(48),
                "{descriptors}: {budget:?}"
            );
            assert!(budget.control >= 8 && budget.http >= 8);
        }
        for descriptors in [18_000, 20_000, 22_528, 1 << 20] {
            assert!(fd_budget(descriptors).http > 10_000, "{descriptors}");
        }
        assert!(fd_budget(1024).control >= 256);
    }
}
