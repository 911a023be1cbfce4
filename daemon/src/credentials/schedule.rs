//! When a token is renewed and how long a failed try waits: pure, so that every clock can be played through.
//!
//! Two clocks count. The wall clock is what the file holds; the time since boot runs on in suspend and is set by nobody. A
//! token is renewed when either says so: a clock set back hides nothing, and a machine that slept misses nothing.

use std::time::{Duration, SystemTime};

/// How long before its end a token is renewed, at least.
const MARGIN: Duration = Duration::from_mins(1);
/// The spread of that moment, so that machines that signed in together do not come together.
const SPREAD: Duration = Duration::from_secs(30);
/// Tokens that live shorter are renewed at half their life.
const SHORT: Duration = Duration::from_mins(3);
/// The shortest life: whatever a server says, a token that came just now is not renewed sooner.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// The longest time between two looks: timers stop in suspend.
const TICK: Duration = Duration::from_secs(15);
/// The shortest one.
const SHORTEST_TICK: Duration = Duration::from_millis(200);
/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The shortest pause, however little of the token's time is left.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, where the token's time is over.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);
/// How long callers that cannot go on wait after a failed try, so that they do not flood a server that is down.
const CALLERS_PAUSE: Duration = Duration::from_secs(1);
/// A wall clock that moved by more against the time since boot was set.
const STEP: Duration = Duration::from_mins(5);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// The wall clock.
    pub(super) wall: SystemTime,
    /// Time since boot, suspend included.
    pub(super) boot: Duration,
}

impl Moment {
    /// True where the wall clock was set between `earlier` and now.
    pub(super) fn stepped_since(self, earlier: Self) -> bool {
        let real = self.boot.saturating_sub(earlier.boot);
        let expected = earlier.wall.checked_add(real).unwrap_or(self.wall);
        let off = self.wall.duration_since(expected).unwrap_or_else(|early| early.duration());
        off > STEP
    }
}

/// How long an access token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    lifetime: Duration,
    /// Time since boot before which it is not renewed.
    fresh_until: Duration,
    over_at_wall: SystemTime,
    over_at_boot: Duration,
    margin: Duration,
    /// True where it was issued to us just now: then the time since boot alone says when it is over.
    is_ours: bool,
}

impl Life {
    /// A token that came just now. `chance` (0 to 1) spreads the moment of its renewal.
    pub(super) fn received(lifetime: Duration, now: Moment, chance: f64) -> Self {
        // A server may say 0: it was answered all the same.
        let lifetime = lifetime.max(SHORTEST_LIFE);
        Self {
            lifetime,
            fresh_until: now.boot.saturating_add(SHORTEST_LIFE),
            over_at_wall: now.wall.checked_add(lifetime).unwrap_or(now.wall),
            over_at_boot: now.boot.saturating_add(lifetime),
            margin: margin(lifetime, chance),
            is_ours: true,
        }
    }

    /// A token that was read. One that was issued in the future is new: the clock was set back since.
    pub(super) fn read(issued_at: Option<SystemTime>, expires_at: SystemTime, now: Moment, chance: f64) -> Self {
        let left = expires_at.duration_since(now.wall).unwrap_or_default();
        let known = issued_at.and_then(|issued| expires_at.duration_since(issued).ok());
        let lifetime = known.unwrap_or(left);
        Self {
            lifetime,
            fresh_until: Duration::ZERO,
            over_at_wall: expires_at,
            over_at_boot: now.boot.saturating_add(left.min(lifetime)),
            // Where nobody knows since when it lives, it is taken for a long one.
            margin: margin(known.unwrap_or(SHORT), chance),
            is_ours: false,
        }
    }

    /// What is left of it, by the clock that says less.
    pub(super) fn left(&self, now: Moment) -> Duration {
        let by_wall = self.over_at_wall.duration_since(now.wall).unwrap_or_default();
        by_wall.min(self.over_at_boot.saturating_sub(now.boot))
    }

    /// True where nothing is left of it: a server would refuse it.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        let by_boot = now.boot >= self.over_at_boot;
        by_boot && (self.is_ours || now.wall >= self.over_at_wall)
    }

    /// True where it should be renewed.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        now.boot >= self.fresh_until && self.left(now) <= self.margin
    }

    /// When to look again, where it is not due.
    pub(super) fn next_look(&self, now: Moment) -> Duration {
        let tick = (self.lifetime / 4).clamp(SHORTEST_TICK, TICK);
        self.left(now).saturating_sub(self.margin).clamp(SHORTEST_TICK.min(tick), tick)
    }
}

fn margin(lifetime: Duration, chance: f64) -> Duration {
    if lifetime < SHORT { lifetime / 2 } else { MARGIN + SPREAD.mul_f64(chance.clamp(0.0, 1.0)) }
}

/// The pause between tries that fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pause {
    failures: u32,
    /// Time since boot before which nobody tries by himself.
    until: Duration,
    /// Time since boot before which nobody tries at all: a server asked for that, or a caller was just told no.
    barred_until: Duration,
}

impl Pause {
    /// A try failed. `left` is what is left of the token, `asked` what the server wants us to wait.
    pub(super) fn failed(&mut self, now: Moment, left: Duration, asked: Option<Duration>, chance: f64) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let most = if left.is_zero() { LONGEST_PAUSE } else { left / 4 };
        // Between half of it and all of it.
        let pause =
            doubled.min(LONGEST_PAUSE).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0).min(most).max(SHORTEST_PAUSE);
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        self.until = now.boot.saturating_add(pause.max(asked));
        self.barred_until = now.boot.saturating_add(pause.min(CALLERS_PAUSE).max(asked));
    }

    /// How long until the next try that nobody asked for.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.until.saturating_sub(now.boot)
    }

    /// How long until the next try for a caller that cannot go on without.
    pub(super) fn barred(&self, now: Moment) -> Duration {
        self.barred_until.saturating_sub(now.boot)
    }

    /// True after a failure that nothing made good.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
