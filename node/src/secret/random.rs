//! Random numbers of the system.

use std::sync::{Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use ulid::Ulid;

use crate::clock::Moment;

/// Random bytes.
///
/// # Panics
/// Where the system has none: nothing that is to be secret can be made then.
#[expect(clippy::expect_used, reason = "a system without random numbers can issue nothing")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// A text of 256 random bits, fit for a URL.
pub fn random_secret() -> SecretString {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>()).into()
}

/// A new ULID of `now`. Those of one millisecond go up, as the specification has it
/// (<https://github.com/ulid/spec#monotonicity>): rows in the order of their ids are in the order in which they were made.
pub fn random_ulid(now: Moment) -> Ulid {
    static LAST: Mutex<Ulid> = Mutex::new(Ulid::nil());
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let next = if last.timestamp_ms() == millis { last.increment().ok() } else { None };
    *last = next.unwrap_or_else(|| Ulid::from_parts(millis, u128::from_be_bytes(random_bytes())));
    *last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_millisecond_go_up() {
        let ids: Vec<Ulid> = (0..1_000).map(|_| random_ulid(Moment::from_millis(7))).collect();
        assert!(ids.is_sorted_by(|before, after| before < after));
        assert!(ids.iter().all(|id| id.timestamp_ms() == 7));
    }
}
