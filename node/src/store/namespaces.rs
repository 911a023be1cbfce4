//! Namespaces.

use bitrouter_proto::account::{NamespaceId, PersonId};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all};
use crate::clock::Moment;

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRow {
    /// Which.
    pub id: NamespaceId,
    /// Who owns it.
    pub owner: PersonId,
    /// What it is called among those of its owner.
    pub name: String,
    /// Since when.
    pub created_at: Moment,
}

impl NamespaceRow {
    /// Writes a new namespace.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where its owner has one of this name.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO namespaces (id, owner_id, name, created_at) VALUES ($1, $2, $3, $4)",
            self.id.to_string(),
            self.owner.to_string(),
            &self.name,
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// The live namespaces of `owner`, the oldest first.
    pub(crate) async fn of_owner(on: &mut impl Queryable, owner: PersonId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(String, String, i64)> = fetch_all!(
            on,
            "SELECT id, name, created_at FROM namespaces WHERE owner_id = $1 AND archived_at IS NULL
             ORDER BY created_at, id",
            owner.to_string(),
        )?;
        let read = |(id, name, created_at): (String, String, i64)| {
            let id = id.parse().map_err(|_| StoreError::Unreadable("namespace"))?;
            Ok(Self { id, owner, name, created_at: Moment::from_millis(created_at) })
        };
        rows.into_iter().map(read).collect()
    }

    /// Archives every live namespace of `owner`; the number of them.
    pub(crate) async fn archive_of(write: &mut Write, owner: PersonId, now: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE namespaces SET archived_at = $2 WHERE owner_id = $1 AND archived_at IS NULL",
            owner.to_string(),
            now.millis(),
        )
    }
}
