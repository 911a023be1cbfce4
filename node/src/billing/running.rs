//! Purchases that are being made: of two calls with one `Idempotency-Key` the second waits for the first.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use ulid::Ulid;

/// Which purchases are being made now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    checkouts: Mutex<HashSet<Ulid>>,
    ended: watch::Sender<()>,
}

/// This one is; until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    running: Running,
    checkout: Ulid,
}

impl Running {
    /// Begins to make `checkout`; `None` where somebody does so already.
    pub(super) fn begin(&self, checkout: Ulid) -> Option<Turn> {
        let is_first = self.0.checkouts.lock().unwrap_or_else(PoisonError::into_inner).insert(checkout);
        is_first.then(|| Turn { running: self.clone(), checkout })
    }

    /// Told when any of them ends.
    pub(super) fn ends(&self) -> watch::Receiver<()> {
        self.0.ended.subscribe()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let shared = &self.running.0;
        shared.checkouts.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.checkout);
        shared.ended.send_replace(());
    }
}
