//! A warning that is said at most once in ten seconds, with how often it went unsaid: nobody may flood the log.

use std::time::{Duration, Instant};

use bitrouter_proto::clock;

/// The quiet time after a warning.
const QUIET: Duration = Duration::from_secs(10);

/// One kind of warning.
#[derive(Debug, Default)]
pub(crate) struct RateLimitedWarning {
    last: Option<Instant>,
    unsaid: u64,
}

impl RateLimitedWarning {
    /// Says it, with the number of times it was not said since the last time, or keeps quiet.
    pub(crate) fn warn(&mut self, complain: impl FnOnce(u64)) {
        let now = clock::monotonic_now();
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            self.unsaid += 1;
            return;
        }
        self.last = Some(now);
        complain(std::mem::take(&mut self.unsaid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_then_counted() {
        let (mut warning, mut said) = (RateLimitedWarning::default(), Vec::new());
        for _ in 0..5 {
            warning.warn(|unsaid| said.push(unsaid));
        }
        assert_eq!(said, [0]);
        warning.last = warning.last.and_then(|last| last.checked_sub(QUIET));
        warning.warn(|unsaid| said.push(unsaid));
        assert_eq!(said, [0, 4]);
    }
}
