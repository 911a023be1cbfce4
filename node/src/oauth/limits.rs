//! How often what may be done, in memory: starts of device codes, unknown user codes, and the pace of polls. Nothing of it is
//! ever written: a poll that writes can lose an approval.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bitrouter_proto::account::PersonId;

use crate::{clock::Moment, http::AddressKey, secret::TokenHash};

const TEN_MINUTES: Duration = Duration::from_mins(10);
/// How many keys a window remembers; the one that was quiet longest is forgotten for a new one.
const KEYS: usize = 10_000;
/// The longest interval that a device is told to wait (RFC 8628 §3.5 sets none).
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// What the authorization server counts.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Device codes that were asked for.
    pub(super) starts: Window<AddressKey>,
    /// User codes that were looked up and are none, by address.
    pub(super) guesses_from: Window<AddressKey>,
    /// The same, by person.
    pub(super) guesses_by: Window<PersonId>,
    /// Provider keys that were submitted.
    pub(crate) submissions: Window<PersonId>,
    /// The pace of each device.
    pub(super) paces: Paces,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            starts: Window::new(30, TEN_MINUTES),
            guesses_from: Window::new(10, TEN_MINUTES),
            guesses_by: Window::new(10, TEN_MINUTES),
            submissions: Window::new(60, Duration::from_hours(1)),
            paces: Paces::default(),
        }
    }
}

/// So many times in a span that slides, each key by itself.
#[derive(Debug)]
pub(crate) struct Window<K> {
    most: usize,
    span: Duration,
    keys: Mutex<HashMap<K, VecDeque<Instant>>>,
}

impl<K: Copy + Eq + Hash> Window<K> {
    fn new(most: usize, span: Duration) -> Self {
        Self { most, span, keys: Mutex::default() }
    }

    /// How long until `key` may do it again; `None` where it may now.
    pub(super) fn wait(&self, key: K, now: Instant) -> Option<Duration> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let times = keys.get_mut(&key)?;
        drop_old(times, now, self.span);
        let oldest = times.front()?;
        (times.len() >= self.most).then(|| self.span.saturating_sub(now.duration_since(*oldest)))
    }

    /// Counts that `key` did it, where it may.
    ///
    /// # Errors
    /// How long until it may; nothing is counted then.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS && !keys.contains_key(&key) {
            forget_one(&mut keys, now, self.span);
        }
        let times = keys.entry(key).or_default();
        drop_old(times, now, self.span);
        match times.front() {
            Some(oldest) if times.len() >= self.most => Err(self.span.saturating_sub(now.duration_since(*oldest))),
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

fn drop_old(times: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while times.front().is_some_and(|at| now.duration_since(*at) >= span) {
        times.pop_front();
    }
}

fn forget_one<K: Copy + Eq + Hash>(keys: &mut HashMap<K, VecDeque<Instant>>, now: Instant, span: Duration) {
    let before = keys.len();
    keys.retain(|_, times| times.back().is_some_and(|at| now.duration_since(*at) < span));
    if keys.len() == before {
        let quietest = keys.iter().min_by_key(|(_, times)| times.back().copied()).map(|(key, _)| *key);
        if let Some(quietest) = quietest {
            keys.remove(&quietest);
        }
    }
}

/// The pace of each device that waits (RFC 8628 §3.5).
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<TokenHash, Pace>>);

#[derive(Debug)]
struct Pace {
    interval: Duration,
    /// The last poll that was not refused. A refused one does not move it, so that whoever is too fast by a little still
    /// gets through.
    last: Instant,
    expires_at: Moment,
}

impl Paces {
    /// Judges a poll of a pending code.
    ///
    /// # Errors
    /// The interval from now on, where the poll came before three quarters of the present one: clocks run fast by up to
    /// 30 %, and none of those is a fault of the device.
    pub(super) fn poll(
        &self,
        device: TokenHash,
        first_interval: Duration,
        expires_at: Moment,
        (wall, now): (Moment, Instant),
    ) -> Result<(), Duration> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= 2_048 {
            paces.retain(|_, pace| wall < pace.expires_at);
        }
        let Some(pace) = paces.get_mut(&device) else {
            paces.insert(device, Pace { interval: first_interval, last: now, expires_at });
            return Ok(());
        };
        if now.duration_since(pace.last) < pace.interval * 3 / 4 {
            let longest = LONGEST_INTERVAL.max(first_interval);
            pace.interval = (pace.interval + Duration::from_secs(5)).min(longest);
            return Err(pace.interval);
        }
        pace.last = now;
        Ok(())
    }

    /// Forgets a device: its code is decided.
    pub(super) fn forget(&self, device: TokenHash) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        bitrouter_proto::clock::monotonic_now()
    }

    #[test]
    fn a_window_slides() {
        let window = Window::new(3, Duration::from_secs(10));
        let start = now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in [0, 4, 5] {
            assert_eq!(window.take(1, at(second)), Ok(()));
        }
        assert_eq!(window.take(1, at(6)), Err(Duration::from_secs(4)));
        assert_eq!(window.wait(1, at(6)), Some(Duration::from_secs(4)));
        assert_eq!(window.wait(2, at(6)), None);
        assert_eq!(window.take(1, at(10)), Ok(()));
        assert_eq!(window.take(1, at(11)), Err(Duration::from_secs(3)));
    }

    #[test]
    fn a_window_forgets_the_quietest_key_for_a_new_one() {
        let window = Window::new(1, Duration::from_mins(1));
        let start = now();
        for key in 0..=KEYS {
            assert_eq!(window.take(key, start + Duration::from_millis(key as u64)), Ok(()));
        }
        let later = start + Duration::from_secs(20);
        assert_eq!((window.wait(0, later), window.wait(1, later).is_some()), (None, true));
        assert_eq!(window.keys.lock().unwrap().len(), KEYS);
    }

    #[test]
    fn n04_refused_polls_do_not_move_the_clock() {
        let (paces, start, wall) = (Paces::default(), now(), Moment::from_millis(0));
        let device = TokenHash::of(b"x");
        let poll = |millis| {
            let at = start + Duration::from_millis(millis);
            paces.poll(device, Duration::from_secs(5), wall.after(Duration::from_mins(10)), (wall, at))
        };
        assert_eq!(poll(0), Ok(()));
        assert_eq!(poll(3_750), Ok(()), "three quarters are enough");
        assert_eq!(poll(7_499), Err(Duration::from_secs(10)));
        assert_eq!(poll(11_249), Err(Duration::from_secs(15)));
        assert_eq!(poll(15_000), Ok(()), "it counts from the last one that was not refused");
        for more in 1..20 {
            let _ = poll(15_000 + more);
        }
        assert_eq!(poll(15_100), Err(Duration::from_secs(30)));
    }
}
