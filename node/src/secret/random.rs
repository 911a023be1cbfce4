//! Random numbers of the system.

use ring::rand::{SecureRandom as _, SystemRandom};
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

/// A new ULID of `now`.
pub fn random_ulid(now: Moment) -> Ulid {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    Ulid::from_parts(millis, u128::from_be_bytes(random_bytes()))
}
