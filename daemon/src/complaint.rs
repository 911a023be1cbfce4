//! A warning that is said at most once in ten seconds, with how often it went unsaid: nobody may flood the log.

use std::time::{Duration, Instant};

use bitrouter_proto::clock;

/// The quiet time after a warning.
const QUIET: Duration = Duration::from_secs(10);

/// One kind of warning.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    /// Says it, with the number of times it was not said since the last time, or keeps quiet.
    pub(crate) fn say(&mut self, complain: impl FnOnce(u64)) {
        let now = clock::mono();
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
        let (mut complaint, mut said) = (Complaint::default(), Vec::new());
        for _ in 0..5 {
            complaint.say(|unsaid| said.push(unsaid));
        }
        assert_eq!(said, [0]);
        complaint.last = complaint.last.and_then(|last| last.checked_sub(QUIET));
        complaint.say(|unsaid| said.push(unsaid));
        assert_eq!(said, [0, 4]);
    }
}
