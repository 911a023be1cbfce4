//! The tasks of an open ledger: each rests while there is nothing to do.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bitrouter_proto::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use super::{Ledger, applier::Stopped, journal::GROUP};

/// How long until what failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// For how long rows are gathered before they are applied.
const GATHERED: Duration = Duration::from_millis(75);
/// The same for the disk.
const DISK_AGAIN: Duration = Duration::from_secs(1);
/// How often is looked whether another process has written.
const OTHERS: Duration = Duration::from_millis(100);

impl Ledger {
    /// Starts syncing, marking and applying, until `ending`.
    pub(crate) fn run(self: &Arc<Self>, tasks: &Tasks, ending: &CancellationToken) {
        let (ledger, end) = (Arc::clone(self), ending.clone());
        tasks.spawn("journal sync", async move {
            while end.run_until_cancelled(ledger.shared.journal.awake()).await.is_some() {
                if end.run_until_cancelled(tokio::time::sleep(GROUP)).await.is_none() {
                    return;
                }
                while ledger.sync().await {
                    let wait = async {
                        tokio::select! {
                            () = tokio::time::sleep(DISK_AGAIN) => {}
                            () = ledger.shared.journal.awake() => tokio::time::sleep(GROUP).await,
                        }
                    };
                    if end.run_until_cancelled(wait).await.is_none() {
                        return;
                    }
                }
            }
        });
        let (ledger, end) = (Arc::clone(self), ending.clone());
        tasks.spawn("journal marks", async move {
            end.run_until_cancelled(ledger.shared.keep_marking()).await;
        });
        let (ledger, end) = (Arc::clone(self), ending.clone());
        tasks.spawn("journal to database", async move { ledger.keep_applying(&end).await });
    }

    /// Makes durable what was written. True where that has to be tried again.
    async fn sync(&self) -> bool {
        // In this order: what is written after it wakes this task again.
        self.shared.journal.rest();
        self.apply.notify_one();
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.journal.round(&*shared)).await.unwrap_or(true)
    }

    async fn keep_applying(&self, end: &CancellationToken) {
        let mut has_failed = false;
        loop {
            // Nothing that was begun is dropped half-way: what a reader has passed must be applied.
            let failed = self.apply(false).await.err();
            match &failed {
                Some(error) if !has_failed => tracing::warn!(%error, "the journal is not applied; it is tried again"),
                None if has_failed => tracing::info!("the journal is applied again"),
                _ => {}
            }
            has_failed = failed.is_some();
            let has_others = self.applier.lock().await.has_others();
            let wait = async {
                match &failed {
                    Some(_) => tokio::time::sleep(AGAIN).await,
                    None if has_others => {
                        tokio::select! {
                            () = tokio::time::sleep(OTHERS) => {}
                            () = self.apply.notified() => {}
                        }
                    }
                    None => self.apply.notified().await,
                }
            };
            if end.run_until_cancelled(wait).await.is_none() {
                return;
            }
            // What comes within the next moments goes into the same transaction: one costs more than its rows.
            if end.run_until_cancelled(tokio::time::sleep(GATHERED)).await.is_none() {
                return;
            }
        }
    }

    /// Applies what was written until now, without waiting for the task that does so.
    ///
    /// # Errors
    /// Where the database or a file fails; it is tried again.
    pub async fn catch_up(&self) -> Result<(), Stopped> {
        self.apply(false).await
    }

    /// Applies what there is to apply.
    pub(super) async fn apply(&self, is_last: bool) -> Result<(), Stopped> {
        let mut applier = self.applier.lock().await;
        let done = applier.follow(&self.shared, is_last).await;
        self.tell(&mut applier);
        done
    }

    /// Ends the ledger: what was written is applied, and nothing of it is left but what is not. The tasks have ended. Calls that
    /// are still open write their settlements; the next start applies them.
    pub(crate) async fn close(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        let shared = Arc::clone(&self.shared);
        let closed = tokio::task::spawn_blocking(move || {
            shared.mark(false);
            shared.journal.close(&*shared);
            let is_last = shared.rows.is_empty();
            if is_last {
                shared.journal.seal();
            }
            is_last
        });
        let is_last = closed.await.unwrap_or(false);
        if let Err(error) = self.apply(is_last).await {
            tracing::warn!(%error, "the end of the journal is applied by the next start");
        }
    }
}
