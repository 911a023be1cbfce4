//! The task that ends the leases that are to end. It rests while there is none.

use std::{sync::Arc, time::Duration};

use crate::Node;

/// How long at most until expiry is looked at again: the wall clock may be set.
const LONGEST: Duration = Duration::from_secs(30);
/// How much is waited beyond an expiry, so that it has come.
const BEYOND: Duration = Duration::from_millis(5);

impl Node {
    /// Starts it.
    pub(crate) fn keep_leases(self: &Arc<Self>) {
        let (node, ending) = (Arc::downgrade(self), self.ending.clone());
        let leases = Arc::clone(&self.leases);
        self.tasks.spawn("leases", async move {
            loop {
                let wait = {
                    let Some(node) = node.upgrade() else { return };
                    let (due, wait) = leases.due(|id| node.keys.time_left(id).is_none());
                    for id in due {
                        if let Err(error) = node.finish_lease(id).await {
                            tracing::warn!(key = %id, %error, "a lease could not be ended; it is tried again");
                        }
                    }
                    let expiry = leases.all().into_iter().filter_map(|(id, _)| node.keys.time_left(id)).min();
                    expiry.map(|left| (left + BEYOND).min(LONGEST)).into_iter().chain(wait).min()
                };
                let something = async {
                    match wait {
                        Some(wait) => {
                            // Whichever comes first: all of it is looked at anew.
                            let _ = tokio::time::timeout(wait, leases.changed.notified()).await;
                        }
                        None => leases.changed.notified().await,
                    }
                };
                if ending.run_until_cancelled(something).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Notes what was refused, for the node that is opened next.
    pub(crate) async fn keep_refusals(&self) {
        if self.leases.is_empty() {
            return;
        }
        let noted = async {
            let mut write = self.store.write().await?;
            for (id, run) in self.leases.all() {
                let refused = run.all_refused();
                if !refused.is_empty() {
                    crate::store::LeaseRow::note_refused(&mut write, id, &refused).await?;
                }
            }
            write.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "what was refused of runs that go on is not remembered");
        }
    }
}
