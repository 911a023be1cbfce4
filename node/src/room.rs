//! A full disk: said from the first write that finds no room, and taken back by the first one that does.

use std::{sync::Arc, time::Duration};

use crate::{
    Node, NodeWarning,
    store::{StoreError, note_time},
};

/// How long until it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Node {
    /// Follows whether the database finds room.
    pub(crate) fn watch_room(self: &Arc<Self>) {
        let (node, ending) = (Arc::downgrade(self), self.ending.clone());
        let mut full = self.store.place().full();
        self.tasks.spawn("room on the disk", async move {
            let mut is_full = async || full.wait_for(|full| *full).await.is_ok();
            while ending.run_until_cancelled(is_full()).await == Some(true) {
                let Some(node) = node.upgrade() else { return };
                node.warn(NodeWarning::DiskFull { database: node.store.place().path().to_owned() });
                if ending.run_until_cancelled(node.wait_for_room()).await.is_none() {
                    return;
                }
                tracing::info!("there is room on the disk again");
                node.unwarn(|warning| matches!(warning, NodeWarning::DiskFull { .. }));
            }
        });
    }

    async fn wait_for_room(&self) {
        loop {
            tokio::time::sleep(AGAIN).await;
            if self.write_something().await.is_ok() {
                return self.store.place().has_room();
            }
        }
    }

    async fn write_something(&self) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        note_time(&mut write, self.clock.wall(), None).await?;
        write.commit().await
    }
}
