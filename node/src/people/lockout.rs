//! Who may try a password now. Counted by name and address, whether there is such a person or not, and by name alone
//! against the many addresses of one guesser. In memory: a start forgives.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::http::AddressKey;

/// So many failures are free.
const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// Failures are forgotten after so long without one.
const MEMORY: Duration = Duration::from_hours(24);

/// So many failures in [`NAME_WINDOW`] and a name is under attack.
const NAME_FAILURES: usize = 50;
const NAME_WINDOW: Duration = Duration::from_hours(1);
/// Then strangers have one try in this time.
const NAME_PACE: Duration = Duration::from_secs(30);

/// The most counters of each sort; the oldest gives way.
const MOST: usize = 10_000;

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts to sign in")]
pub struct Locked {
    /// After this long it may be tried again.
    pub wait: Duration,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct LockOut(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    pairs: HashMap<(String, AddressKey), Pair>,
    names: HashMap<String, OfName>,
}

/// Of a name from an address.
#[derive(Debug)]
struct Pair {
    failures: u32,
    judged: u32,
    until: Instant,
    touched: Instant,
}

/// Of a name from everywhere.
#[derive(Debug)]
struct OfName {
    /// The newest [`NAME_FAILURES`] failures.
    failures: VecDeque<Instant>,
    judged: usize,
    next_try: Instant,
    touched: Instant,
}

/// One try that is being judged. Dropped without [`Try::failed`] or [`Try::succeeded`], it never was.
#[derive(Debug)]
pub(crate) struct Try<'a> {
    counters: &'a LockOut,
    name: String,
    address: AddressKey,
}

impl LockOut {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a try for `name` (in the form in which names are compared) from `address`; `known` where somebody has signed
    /// in with that name from there.
    ///
    /// Tries that are still being judged count as failed, so that many at once are no way around the count.
    pub(crate) fn begin(&self, name: &str, address: AddressKey, known: bool, now: Instant) -> Result<Try<'_>, Locked> {
        let mut counters = self.counters();
        let Counters { pairs, names } = &mut *counters;
        let key = (name.to_owned(), address);
        make_room(pairs, &key, now, |pair| pair.touched);
        make_room(names, name, now, |of_name| of_name.touched);
        let fresh = Pair { failures: 0, judged: 0, until: now, touched: now };
        let pair = pairs.entry(key).or_insert(fresh);
        let fresh = OfName { failures: VecDeque::new(), judged: 0, next_try: now, touched: now };
        let of_name = names.entry(name.to_owned()).or_insert(fresh);
        if pair.until > now {
            return Err(Locked { wait: pair.until - now });
        }
        if pair.judged > 0 && pair.failures + pair.judged >= FREE {
            return Err(Locked { wait: FIRST_WAIT });
        }
        while of_name.failures.front().is_some_and(|at| now.duration_since(*at) >= NAME_WINDOW) {
            of_name.failures.pop_front();
        }
        if !known && of_name.failures.len() + of_name.judged >= NAME_FAILURES {
            if of_name.next_try > now {
                return Err(Locked { wait: of_name.next_try - now });
            }
            of_name.next_try = now + NAME_PACE;
        }
        pair.judged += 1;
        pair.touched = now;
        of_name.judged += 1;
        of_name.touched = now;
        Ok(Try { counters: self, name: name.to_owned(), address })
    }
}

impl Try<'_> {
    /// It was the wrong password, or there is no such person.
    pub(crate) fn failed(self, now: Instant) {
        let mut counters = self.counters.counters();
        if let Some(pair) = counters.pairs.get_mut(&(self.name.clone(), self.address)) {
            pair.failures = pair.failures.saturating_add(1);
            pair.touched = now;
            if let Some(doublings) = pair.failures.checked_sub(FREE) {
                pair.until = now + FIRST_WAIT.saturating_mul(1 << doublings.min(16)).min(LONGEST_WAIT);
            }
        }
        if let Some(of_name) = counters.names.get_mut(&self.name) {
            of_name.touched = now;
            of_name.failures.push_back(now);
            if of_name.failures.len() > NAME_FAILURES {
                of_name.failures.pop_front();
            }
        }
    }

    /// It was the right one: the count of this name from this address begins anew, the count of the name does not.
    pub(crate) fn succeeded(self) {
        let mut counters = self.counters.counters();
        if let Some(pair) = counters.pairs.get_mut(&(self.name.clone(), self.address)) {
            pair.failures = 0;
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut counters = self.counters.counters();
        let key = (std::mem::take(&mut self.name), self.address);
        if let Some(pair) = counters.pairs.get_mut(&key) {
            pair.judged = pair.judged.saturating_sub(1);
        }
        if let Some(of_name) = counters.names.get_mut(&key.0) {
            of_name.judged = of_name.judged.saturating_sub(1);
        }
    }
}

/// Makes room for `key` where it is new: forgets what is old, else the oldest.
fn make_room<K, Q, V>(map: &mut HashMap<K, V>, key: &Q, now: Instant, touched: impl Fn(&V) -> Instant)
where
    K: std::hash::Hash + Eq + Clone + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    let is_old = |value: &V| now.duration_since(touched(value)) >= MEMORY;
    if let Some(value) = map.get(key) {
        if is_old(value) {
            map.remove(key);
        }
        return;
    }
    if map.len() < MOST {
        return;
    }
    map.retain(|_, value| !is_old(value));
    if map.len() >= MOST {
        let oldest = map.iter().min_by_key(|(_, value)| touched(value)).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            map.remove::<K>(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::clock::monotonic_now;

    use super::*;

    const HERE: AddressKey = AddressKey::Uid(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn fail(counters: &LockOut, name: &str, address: AddressKey, now: Instant) {
        counters.begin(name, address, false, now).unwrap().failed(now);
    }

    fn wait(counters: &LockOut, name: &str, address: AddressKey, known: bool, now: Instant) -> Option<Duration> {
        counters.begin(name, address, known, now).err().map(|locked| locked.wait)
    }

    #[test]
    fn five_failures_are_free_then_waits_double_to_a_quarter_of_an_hour() {
        let (counters, mut now) = (LockOut::default(), monotonic_now());
        for _ in 0..5 {
            fail(&counters, "ada", HERE, now);
        }
        let mut expected = SECOND;
        for _ in 0..14 {
            assert_eq!(wait(&counters, "ada", HERE, true, now), Some(expected), "the right password too");
            assert_eq!(wait(&counters, "ada", AddressKey::Uid(2), false, now), None, "from elsewhere it is free");
            assert_eq!(wait(&counters, "bob", HERE, false, now), None);
            now += expected;
            fail(&counters, "ada", HERE, now);
            expected = (2 * expected).min(LONGEST_WAIT);
        }
        assert_eq!(expected, LONGEST_WAIT);
        now += expected;
        counters.begin("ada", HERE, false, now).unwrap().succeeded();
        for _ in 0..4 {
            fail(&counters, "ada", HERE, now);
        }
        assert_eq!(wait(&counters, "ada", HERE, false, now), None, "a success began the count anew");
    }

    #[test]
    fn many_tries_at_once_are_no_way_around() {
        let (counters, now) = (LockOut::default(), monotonic_now());
        let tries: Vec<_> = (0..5).map(|_| counters.begin("ada", HERE, false, now).unwrap()).collect();
        assert_eq!(wait(&counters, "ada", HERE, false, now), Some(SECOND));
        drop(tries);
        assert_eq!(wait(&counters, "ada", HERE, false, now), None, "what was never judged is no failure");
    }

    #[test]
    fn a_name_under_attack_is_open_to_strangers_twice_a_minute() {
        let (counters, mut now) = (LockOut::default(), monotonic_now());
        for address in 0..50 {
            fail(&counters, "ada", AddressKey::Uid(100 + address), now);
        }
        assert_eq!(wait(&counters, "ada", AddressKey::Uid(7), true, now), None, "she has signed in from there before");
        let first = counters.begin("ada", AddressKey::Uid(8), false, now);
        assert!(first.is_ok());
        assert_eq!(wait(&counters, "ada", AddressKey::Uid(9), false, now), Some(NAME_PACE));
        drop(first);
        now += NAME_PACE;
        assert_eq!(wait(&counters, "ada", AddressKey::Uid(9), false, now), None);
        assert_eq!(wait(&counters, "ada", AddressKey::Uid(10), false, now), Some(NAME_PACE));
        now += NAME_WINDOW;
        for address in 0..40 {
            assert_eq!(wait(&counters, "ada", AddressKey::Uid(address), false, now), None, "an hour later");
        }
    }

    #[test]
    fn counters_are_bounded_and_the_oldest_gives_way() {
        let (counters, start) = (LockOut::default(), monotonic_now());
        for _ in 0..5 {
            fail(&counters, "first", HERE, start);
        }
        let mut now = start;
        for at in 0..MOST {
            now += Duration::from_micros(1);
            fail(&counters, &format!("name {at}"), HERE, now);
        }
        assert_eq!(counters.counters().pairs.len(), MOST);
        assert_eq!(counters.counters().names.len(), MOST);
        assert_eq!(wait(&counters, "first", HERE, false, now), None);
        now += MEMORY;
        fail(&counters, "new", HERE, now);
        assert_eq!(counters.counters().pairs.len(), 1);
    }
}
