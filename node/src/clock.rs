//! The clocks that the node reads: all of them through one trait, so that tests turn them by hand.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use bitrouter_proto::clock;

/// A point of wall-clock time: milliseconds since 1970-01-01 UTC, as the database holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The moment with this number of milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Its number of milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The first moment that is written as people read it: the year 0000.
    pub const FIRST: Self = Self(-62_167_219_200_000);
    /// The last one.
    pub const LAST: Self = Self(253_402_207_200_000);

    /// The nearest moment that is written as people read it.
    #[must_use]
    pub fn within_what_is_written(self) -> Self {
        self.clamp(Self::FIRST, Self::LAST)
    }

    /// The moment that much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment that much earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment as it can stand in the name of a file: `20260501T000000Z`.
    pub(crate) fn stamp(self) -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric();
        let text = self.to_string();
        let seconds = text.split('.').next().unwrap_or_default();
        format!("{}Z", seconds.chars().filter(plain).collect::<String>())
    }

    /// How long after `earlier` it is; nothing where it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Moment {
    fn from(at: SystemTime) -> Self {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(match at.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

/// RFC 3339 in UTC with milliseconds, as every reply writes it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(millis) = self.within_what_is_written();
        let stamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{stamp:.3}")
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What time it is.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock: for expiry and for what people read. It may step.
    fn wall(&self) -> Moment;
    /// The monotonic clock: for waiting and for pace.
    fn monotonic(&self) -> Instant;
    /// Time since the machine booted, suspend included (`CLOCK_BOOTTIME`): a step of the wall clock shows against it.
    fn since_boot(&self) -> Duration;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Moment {
        clock::wall_now().into()
    }

    fn monotonic(&self) -> Instant {
        clock::monotonic_now()
    }

    fn since_boot(&self) -> Duration {
        clock::since_boot()
    }
}

/// A clock that goes only when it is told to.
#[cfg(feature = "manual-clock")]
#[derive(Debug)]
pub struct ManualClock {
    began: Instant,
    state: std::sync::Mutex<(Moment, Duration)>,
}

#[cfg(feature = "manual-clock")]
impl ManualClock {
    /// A clock that shows `wall`.
    pub fn new(wall: Moment) -> Self {
        Self { began: clock::monotonic_now(), state: std::sync::Mutex::new((wall, Duration::from_hours(1))) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut (Moment, Duration)) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Time passes: on all three clocks.
    pub fn advance(&self, by: Duration) {
        self.with(|(wall, elapsed)| {
            *wall = wall.after(by);
            *elapsed += by;
        });
    }

    /// Somebody sets the wall clock; the others go on.
    pub fn set_wall(&self, to: Moment) {
        self.with(|(wall, _)| *wall = to);
    }
}

#[cfg(feature = "manual-clock")]
impl Clock for ManualClock {
    fn wall(&self) -> Moment {
        self.with(|(wall, _)| *wall)
    }

    fn monotonic(&self) -> Instant {
        self.began + self.with(|(_, elapsed)| *elapsed)
    }

    fn since_boot(&self) -> Duration {
        self.with(|(_, elapsed)| *elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_utc() {
        assert_eq!(Moment::from_millis(1_500).to_string(), "1970-01-01T00:00:01.500Z");
        for (millis, written) in [
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (Moment::FIRST.millis(), "0000-01-01T00:00:00.000Z"),
            (Moment::LAST.millis(), "9999-12-30T22:00:00.000Z"),
            (i64::MAX, "9999-12-30T22:00:00.000Z"),
        ] {
            assert_eq!(Moment::from_millis(millis).to_string(), written);
        }
        for end in [Moment::FIRST, Moment::LAST] {
            assert!(jiff::Timestamp::from_millisecond(end.millis()).is_ok());
        }
        assert_eq!(Moment::from(SystemTime::UNIX_EPOCH).after(Duration::from_secs(1)).millis(), 1_000);
        assert_eq!(Moment::from_millis(5).since(Moment::from_millis(9)), Duration::ZERO);
    }

    #[test]
    fn a_manual_clock_goes_only_when_told() {
        let clock = ManualClock::new(Moment::from_millis(0));
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.wall().since(wall), Duration::from_secs(2));
        assert_eq!(clock.monotonic() - monotonic, Duration::from_secs(2));
        clock.set_wall(Moment::from_millis(0));
        assert_eq!((clock.wall().millis(), clock.since_boot()), (0, Duration::from_secs(3602)));
    }
}
