//! The calls of one run, as the gateway sees them: what ends them, and how many were refused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bitrouter_gateway::ports::Run;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The calls of one run.
#[derive(Debug)]
pub(crate) struct LeaseRun {
    ended: CancellationToken,
    refused: Mutex<BTreeMap<String, u64>>,
    /// Who looks after leases.
    keeper: Arc<Notify>,
}

impl LeaseRun {
    /// A run that goes on; so much of it was refused before.
    pub(crate) fn new(keeper: Arc<Notify>, refused: BTreeMap<String, u64>) -> Self {
        Self { ended: CancellationToken::new(), refused: Mutex::new(refused), keeper }
    }

    /// Ends it: every call that is open is cut.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.keeper.notify_one();
    }

    /// How often calls were refused, by code.
    pub(crate) fn all_refused(&self) -> BTreeMap<String, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Run for LeaseRun {
    fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    fn refused(&self, code: &'static str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match refused.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                refused.insert(code.to_owned(), 1);
            }
        }
    }
}
