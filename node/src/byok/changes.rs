//! What was done with stored keys: each submission and deletion is noted, and told for a day.

use std::time::Duration;

use bitrouter_proto::account::{PersonId, byok::StoredKeyChange};

use crate::{
    Node, NodeWarning,
    store::{ByokChangeRow, StoreError},
};

/// A key was stored.
pub(super) const SUBMITTED: &str = "submitted";
/// A key was deleted.
pub(super) const DELETED: &str = "deleted";

/// So long a change is told.
const TOLD: Duration = Duration::from_hours(24);
/// So many at most, the newest of them.
const MOST_TOLD: i64 = 5;
/// So many are shown to their person.
const MOST_SHOWN: i64 = 100;
/// So many are listed at most.
const MOST_LISTED: i64 = 10_000;

impl Node {
    /// What was done with the stored keys of everybody, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn stored_key_changes(&self) -> Result<Vec<StoredKeyChange>, StoreError> {
        let since = crate::clock::Moment::from_millis(i64::MIN);
        let rows = ByokChangeRow::newest(&mut self.store.read().await?, since, MOST_LISTED).await?;
        Ok(rows.into_iter().map(told).collect())
    }

    /// What was done with the stored keys of `person`, the newest first, as far as a page shows it.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn stored_key_changes_of(&self, person: PersonId) -> Result<Vec<StoredKeyChange>, StoreError> {
        let rows = ByokChangeRow::newest_of(&mut self.store.read().await?, person, MOST_SHOWN).await?;
        Ok(rows.into_iter().map(told).collect())
    }

    /// Tells of what was done within a day.
    pub(crate) async fn warn_of_changes(&self) {
        let since = self.clock.wall().before(TOLD);
        let found = async { ByokChangeRow::newest(&mut self.store.read().await?, since, MOST_TOLD).await };
        match found.await {
            Ok(rows) if rows.is_empty() => self.unwarn(|warning| matches!(warning, NodeWarning::ByokChanged { .. })),
            Ok(rows) => {
                let changes: Vec<_> = rows.into_iter().map(told).collect();
                let warning = NodeWarning::ByokChanged { changes };
                let is_known = self.warnings.borrow().contains(&warning);
                if !is_known {
                    self.warn(warning);
                }
            }
            Err(error) => tracing::warn!(%error, "what was done with stored keys cannot be told"),
        }
    }
}

fn told((row, person_name): (ByokChangeRow, String)) -> StoredKeyChange {
    let ByokChangeRow { at, action, person, credential, provider, kek_id, api_base, .. } = row;
    StoredKeyChange {
        at: at.to_string(),
        action,
        person_id: person.to_string(),
        person_name,
        credential,
        provider_name: provider,
        kek_id,
        api_base,
    }
}
