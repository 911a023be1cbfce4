//! When the account's list is asked for: at once where a session appears or its server changes, then every quarter of an
//! hour, and where somebody looks at one that is older. Pure: times are since boot.

use std::time::Duration;

/// How old a list becomes.
pub(super) const KEPT: Duration = Duration::from_mins(15);
/// How long until the first failure is made good; doubled with each further one, up to [`KEPT`].
const RETRY: Duration = Duration::from_secs(15);
/// Somebody who looks has no more asked within this time.
const AT_MOST: Duration = Duration::from_secs(30);

/// Where a list is asked for, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The account's server.
    pub(super) server: String,
    /// The namespace of the stored credential; `None` for a key of the environment, or where nobody says.
    pub(super) namespace: Option<String>,
    /// True for a key of the environment.
    pub(super) by_key: bool,
}

/// When to ask.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    place: Option<Place>,
    due: Option<Duration>,
    asked_at: Option<Duration>,
    answered_at: Option<Duration>,
    failures: u32,
}

impl Schedule {
    /// Where the account is now (`None`: nowhere that has a list). True where that is somewhere else than before: what is
    /// being asked is of no use.
    pub(super) fn is_at(&mut self, place: Option<Place>, now: Duration) -> bool {
        if self.place == place {
            return false;
        }
        *self = Self { due: place.is_some().then_some(now), place, ..Self::default() };
        true
    }

    /// How long until the next question; `None` where there is none.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        Some(self.due?.saturating_sub(now))
    }

    /// The question is on its way.
    pub(super) fn asks(&mut self, now: Duration) {
        self.due = None;
        self.asked_at = Some(now);
    }

    /// It was answered, with a list or without one.
    pub(super) fn answered(&mut self, is_good: bool, now: Duration) {
        let pause = if is_good {
            self.failures = 0;
            self.answered_at = Some(now);
            KEPT
        } else {
            self.failures = self.failures.saturating_add(1);
            RETRY.saturating_mul(1 << self.failures.min(8).saturating_sub(1)).min(KEPT)
        };
        self.due = self.place.is_some().then(|| now.saturating_add(pause));
    }

    /// Somebody looks at the list: timers stand still in suspend, so that it may be older than it should be.
    pub(super) fn looked_at(&mut self, now: Duration) {
        let is_old = self.answered_at.is_none_or(|at| now.saturating_sub(at) >= KEPT);
        let is_quiet = self.asked_at.is_none_or(|at| now.saturating_sub(at) >= AT_MOST);
        // Nothing is due while a question is on its way.
        if is_old && is_quiet && self.due.is_some() {
            self.due = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str) -> Place {
        Place { server: server.to_owned(), namespace: None, by_key: false }
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_list_is_asked_for_at_once_and_then_every_quarter_of_an_hour() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.wait(secs(1)), None);
        assert!(
            !schedule.is_at(None, secs(1))
                && schedule.is_at(Some(at("a")), secs(1))
                && !schedule.is_at(Some(at("a")), secs(2))
        );
        assert_eq!(schedule.wait(secs(2)), Some(secs(0)));
        schedule.asks(secs(2));
        assert_eq!(schedule.wait(secs(2)), None);
        schedule.answered(true, secs(3));
        assert_eq!(schedule.wait(secs(3)), Some(KEPT));
        // Another server, another person's namespace, or a key: at once.
        let mut key = at("b");
        key.by_key = true;
        for place in [at("b"), key, at("a")] {
            assert!(schedule.is_at(Some(place), secs(4)));
            assert_eq!(schedule.wait(secs(4)), Some(secs(0)));
        }
        assert!(schedule.is_at(None, secs(5)));
        assert_eq!(schedule.wait(secs(5)), None);
        // An answer that comes late is nobody's.
        schedule.answered(true, secs(6));
        assert_eq!(schedule.wait(secs(6)), None);
    }

    #[test]
    fn a_server_that_is_away_is_asked_again_and_less_and_less_often() {
        let mut schedule = Schedule::default();
        schedule.is_at(Some(at("a")), secs(0));
        let mut waits = Vec::new();
        for _ in 0..12 {
            schedule.asks(secs(0));
            schedule.answered(false, secs(0));
            waits.extend(schedule.wait(secs(0)));
        }
        assert_eq!(waits.iter().take(4).copied().collect::<Vec<_>>(), [secs(15), secs(30), secs(60), secs(120)]);
        assert!(waits.is_sorted() && waits.last() == Some(&KEPT) && waits.len() == 12);
        schedule.answered(true, secs(0));
        schedule.answered(false, secs(0));
        assert_eq!(schedule.wait(secs(0)), Some(secs(15)));
    }

    #[test]
    fn whoever_looks_at_an_old_list_has_it_asked_for_but_not_each_time() {
        let mut schedule = Schedule::default();
        schedule.looked_at(secs(9));
        assert_eq!(schedule.wait(secs(9)), None);
        schedule.is_at(Some(at("a")), secs(10));
        schedule.asks(secs(10));
        schedule.looked_at(secs(10));
        assert_eq!(schedule.wait(secs(10)), None, "a question is on its way");
        schedule.answered(true, secs(10));
        schedule.looked_at(secs(11));
        assert_eq!(schedule.wait(secs(11)), Some(KEPT.saturating_sub(secs(1))));
        // A suspended machine: the timer has not moved, the list is old.
        let later = secs(10) + KEPT;
        schedule.looked_at(later);
        assert_eq!(schedule.wait(later), Some(secs(0)));
        schedule.asks(later);
        schedule.answered(false, later);
        schedule.looked_at(later + secs(1));
        assert_eq!(schedule.wait(later + secs(1)), Some(secs(14)));
    }
}
