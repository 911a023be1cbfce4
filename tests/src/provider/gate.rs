//! A gate that a test opens when a script may go on.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Closed at first, open for ever once opened. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it.
    pub fn open(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }

    /// Whether it is open, waiting at most `patience`.
    pub fn is_open_within(&self, patience: Duration) -> bool {
        let open = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *open {
            return true;
        }
        let waited = self.shared.1.wait_timeout(open, patience);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
