//! The forced end: every running request notices it at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned};

/// Set once, never unset.
#[derive(Default)]
pub(crate) struct Interrupt {
    /// Read for each piece of a reply, so it is no lock.
    flag: AtomicBool,
    token: CancellationToken,
}

impl Interrupt {
    pub(crate) fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    pub(crate) fn wait(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    pub(crate) fn wait_owned(&self) -> WaitForCancellationFutureOwned {
        self.token.clone().cancelled_owned()
    }
}
