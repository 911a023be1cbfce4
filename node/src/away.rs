//! A database that cannot be reached: what goes on without it, for how long, and when it is over for good.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::clock::monotonic_now;
use tokio::{sync::watch, time::sleep_until};

use crate::{Node, NodeWarning, ledger::Trouble, store::LinkState};

/// For how long calls are admitted without it: from memory and into the journal.
const ADMITTED: Duration = Duration::from_secs(5);

impl Node {
    /// True where the database is one of PostgreSQL.
    pub fn is_on_postgres(&self) -> bool {
        self.store.is_postgres()
    }

    /// Comes with the reason when another process has taken the database: what this node holds in memory is old, and it must be
    /// closed. It may be opened again.
    pub async fn superseded(&self) -> String {
        if let Some(mut link) = self.store.link() {
            let gone = |state: &LinkState| matches!(state, LinkState::Gone(_));
            if let Ok(state) = link.wait_for(gone).await
                && let LinkState::Gone(reason) = &*state
            {
                return reason.clone();
            }
        }
        std::future::pending().await
    }

    /// Follows whether the database can be reached.
    pub(crate) fn watch_link(self: &Arc<Self>) {
        let Some(link) = self.store.link() else { return };
        let (node, ending) = (Arc::clone(self), self.ending.clone());
        self.tasks.spawn("way to the database", async move {
            let _ = ending.run_until_cancelled(node.follow(link)).await;
        });
    }

    async fn follow(&self, mut link: watch::Receiver<LinkState>) {
        let database = || self.store.place().path().display().to_string();
        let mut refused_at = None;
        loop {
            let state = link.borrow_and_update().clone();
            let (reason, from) = match state {
                LinkState::Up => {
                    refused_at = None;
                    self.ledger.set_database(None);
                    self.unwarn(|warning| matches!(warning, NodeWarning::DatabaseUnreachable { .. }));
                    if link.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                LinkState::Lost(reason) => (reason, *refused_at.get_or_insert_with(|| monotonic_now() + ADMITTED)),
                LinkState::Gone(reason) => (reason, monotonic_now()),
            };
            self.warn(NodeWarning::DatabaseUnreachable { database: database(), reason: reason.clone() });
            let refuse = async {
                sleep_until(from.into()).await;
                self.ledger.set_database(Some(Trouble::Away { database: database(), reason }));
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = refuse => {}
                changed = link.changed() => if changed.is_err() { return },
            }
        }
    }
}
