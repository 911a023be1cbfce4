//! What the account's server listed last, and when. The last good list stays while the server is away.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_gateway::AccountModels;
use bitrouter_proto::clock;

/// The list, for whoever shows it. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountList(Arc<ArcSwap<Known>>);

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The last good one.
    pub(super) models: Option<Arc<AccountModels>>,
    /// When it came, as time since boot.
    pub(super) at: Duration,
    /// Why the last try gave none, where it did not.
    pub(super) problem: Option<String>,
}

impl AccountList {
    /// What is known now.
    pub(super) fn known(&self) -> Arc<Known> {
        self.0.load_full()
    }

    /// What came of a try.
    pub(super) fn answered(&self, answer: Result<AccountModels, String>) {
        let before = self.known();
        self.0.store(Arc::new(match answer {
            Ok(models) => Known { models: Some(Arc::new(models)), at: clock::since_boot(), problem: None },
            Err(problem) => Known { problem: Some(problem), ..Known::clone(&before) },
        }));
    }

    /// Another account's list is asked for now: nothing of the former one's is shown for it.
    pub(super) fn begins_anew(&self) {
        self.0.store(Arc::default());
    }
}
