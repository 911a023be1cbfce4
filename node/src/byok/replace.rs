//! What provider keys are sealed against is replaced: every 90 days, or when the node's owner says so.

use bitrouter_proto::account::byok::RotatedKey;

use super::ring::drawn;
use crate::{
    Node, NodeWarning,
    store::{KekRow, StoreError},
};

impl Node {
    /// Has new keys be sealed against another pair from now on. What was sealed before stays good.
    ///
    /// # Errors
    /// Where the database fails: nothing was changed.
    pub async fn rotate_kek(&self) -> Result<RotatedKey, StoreError> {
        let mut write = self.store.write().await?;
        let byok = &self.byok;
        let previous_kek_id = byok.ring.current().kek_id;
        let kek = drawn(&self.key, self.clock.wall())?;
        let kek_id = kek.row.id.clone();
        kek.row.insert_current(&mut write).await?;
        KekRow::prune(&mut write).await?;
        write
            .commit_then(|| {
                byok.ring.replace(kek);
                byok.prune_ring();
            })
            .await?;
        tracing::info!(kek_id, previous_kek_id, "provider keys are sealed against another key from now on");
        let sealed_earlier = u64::try_from(byok.sealed_earlier()).unwrap_or(u64::MAX);
        Ok(RotatedKey { kek_id, previous_kek_id, sealed_earlier })
    }

    /// The same where it is time; and what was told long enough is told no more.
    ///
    /// # Errors
    /// Where the database fails: the next round tries again.
    pub(crate) async fn look_after_stored_keys(&self) -> Result<(), StoreError> {
        if self.byok.ring.is_due(self.settings.load().byok.rotate_every, self.clock.wall()) {
            self.rotate_kek().await?;
        }
        let tells = self.warnings.borrow().iter().any(|warning| matches!(warning, NodeWarning::ByokChanged { .. }));
        if tells {
            self.warn_of_changes().await;
        }
        Ok(())
    }
}
