//! The two clocks and chance, as values: tests turn them by hand.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use bitrouter_proto::clock;

use super::schedule::Moment;

/// Reads both clocks.
pub(super) trait Clocks: fmt::Debug + Send + Sync {
    /// Now on both.
    fn now(&self) -> Moment;
}

/// The machine's own.
#[derive(Debug)]
pub(super) struct SystemClocks;

impl Clocks for SystemClocks {
    fn now(&self) -> Moment {
        Moment { wall: clock::wall_now(), boot: clock::since_boot() }
    }
}

/// A number from 0 to 1, another one each time: spreads what would otherwise happen at once everywhere. No secret.
pub(super) fn chance() -> f64 {
    // The standard library seeds each of these anew.
    let [high, low, ..] = RandomState::new().hash_one(0u8).to_ne_bytes();
    f64::from(u16::from_ne_bytes([high, low])) / f64::from(u16::MAX)
}
