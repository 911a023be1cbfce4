//! When a changing file has come to rest: a pure function of what was seen and when.
//!
//! A writer that is in the middle is waited for until it closes the file or is quiet for [`QUIET`]. Everything else
//! counts as done, and gets only the moment that lets the rest of a burst arrive; a writer that never stops cannot hold
//! up what it has closed for longer than [`LONGEST`].

use std::time::{Duration, Instant};

/// A writer that has not closed the file is taken to be done after this.
const QUIET: Duration = Duration::from_millis(50);
/// What follows a finished change within this time belongs to it.
const BURST: Duration = Duration::from_millis(20);
/// The longest that a finished change waits for more.
const LONGEST: Duration = Duration::from_millis(250);

/// What was seen of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileEvent {
    /// It was written to.
    Writing,
    /// Its writer closed it.
    Closed,
    /// It was created, removed, renamed, or its mode changed.
    Done,
}

/// Changes that were seen and not yet reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settle {
    first_done: Option<Instant>,
    last: Option<Instant>,
    writing: bool,
}

impl Settle {
    /// Takes note of a change.
    pub(super) fn saw(&mut self, seen: FileEvent, now: Instant) {
        self.last = Some(now);
        match seen {
            FileEvent::Writing => self.writing = true,
            FileEvent::Closed => self.writing = false,
            FileEvent::Done => {}
        }
        if seen != FileEvent::Writing {
            self.first_done.get_or_insert(now);
        }
    }

    /// When the changes are to be reported; `None` where there are none.
    pub(super) fn due(&self) -> Option<Instant> {
        let last = self.last?;
        let rest = last + if self.writing || self.first_done.is_none() { QUIET } else { BURST };
        Some(self.first_done.map_or(rest, |first| rest.min(first + LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileEvent::{Closed, Done, Writing};

    #[test]
    fn due_after_what_was_seen() {
        let start = bitrouter_proto::clock::monotonic_now();
        for (seen, expected) in [
            (vec![], None),
            (vec![(0, Done)], Some(20)),
            (vec![(0, Writing)], Some(50)),
            (vec![(0, Writing), (10, Closed)], Some(30)),
            (vec![(0, Done), (5, Writing)], Some(55)),
            (vec![(0, Closed), (15, Writing), (40, Writing)], Some(90)),
            (vec![(0, Closed), (15, Writing), (16, Closed)], Some(36)),
            (vec![(0, Closed), (100, Closed), (240, Closed)], Some(250)),
            (vec![(0, Closed), (249, Writing), (300, Closed)], Some(250)),
            (vec![(0, Writing), (10, Done), (240, Writing)], Some(260)),
        ] {
            let mut settle = Settle::default();
            for (at, what) in &seen {
                settle.saw(*what, start + Duration::from_millis(*at));
            }
            assert_eq!(settle.due(), expected.map(|at| start + Duration::from_millis(at)), "{seen:?}");
        }
    }
}
