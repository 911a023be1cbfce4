//! The forced end. Whoever drives the connections polls every running request once more after it is set.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, never unset; read for each piece of a reply, so it is no lock.
#[derive(Debug, Default)]
pub(crate) struct Interrupt(AtomicBool);

impl Interrupt {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
