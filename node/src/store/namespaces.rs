//! Namespaces.

use bitrouter_proto::account::{NamespaceId, PersonId};

use super::{OauthClientRow, StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
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
        let rows: Vec<Columns> = fetch_all!(
            on,
            "SELECT id, owner_id, name, created_at FROM namespaces WHERE owner_id = $1 AND archived_at IS NULL
             ORDER BY created_at, id",
            owner.to_string(),
        )?;
        rows.into_iter().map(read).collect()
    }

    /// Archives every live namespace of `owner`, with all that is in them.
    pub(crate) async fn archive_of(write: &mut Write, owner: PersonId, now: Moment) -> Result<(), StoreError> {
        for namespace in Self::of_owner(write, owner).await? {
            Self::archive(write, namespace.id, now).await?;
        }
        Ok(())
    }

    /// The live namespaces of others of which `person` is a member, the oldest first, each with the name of its owner.
    pub(crate) async fn shared_with(
        on: &mut impl Queryable,
        person: PersonId,
    ) -> Result<Vec<(Self, String)>, StoreError> {
        let rows: Vec<(String, String, String, i64, String)> = fetch_all!(
            on,
            "SELECT n.id, n.owner_id, n.name, n.created_at, p.name
             FROM members m JOIN namespaces n ON n.id = m.namespace_id JOIN persons p ON p.id = n.owner_id
             WHERE m.person_id = $1 AND n.archived_at IS NULL ORDER BY n.created_at, n.id",
            person.to_string(),
        )?;
        rows.into_iter()
            .map(|(id, owner, name, at, owner_name)| Ok((read((id, owner, name, at))?, owner_name)))
            .collect()
    }

    /// Everybody's live namespaces, the oldest first, each with the name of its owner.
    pub(crate) async fn of_everybody(on: &mut impl Queryable) -> Result<Vec<(Self, String)>, StoreError> {
        let rows: Vec<(String, String, String, i64, String)> = fetch_all!(
            on,
            "SELECT namespaces.id, namespaces.owner_id, namespaces.name, namespaces.created_at, persons.name
             FROM namespaces JOIN persons ON persons.id = namespaces.owner_id
             WHERE namespaces.archived_at IS NULL ORDER BY namespaces.created_at, namespaces.id"
        )?;
        rows.into_iter()
            .map(|(id, owner, name, at, owner_name)| Ok((read((id, owner, name, at))?, owner_name)))
            .collect()
    }

    /// The live namespace with this id, whoever owns it.
    pub(crate) async fn find(on: &mut impl Queryable, id: NamespaceId) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(
            on,
            "SELECT id, owner_id, name, created_at FROM namespaces WHERE id = $1 AND archived_at IS NULL",
            id.to_string(),
        )?;
        row.map(read).transpose()
    }

    /// Gives a live namespace another name.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where its owner has one of this name.
    pub(crate) async fn rename(write: &mut Write, id: NamespaceId, name: &str) -> Result<(), StoreError> {
        execute!(write, "UPDATE namespaces SET name = $2 WHERE id = $1 AND archived_at IS NULL", id.to_string(), name)?;
        Ok(())
    }

    /// Takes a live namespace out of every list. Its row stays, so that what names it can still be read; its members, rules
    /// and OAuth clients are gone.
    pub(crate) async fn archive(write: &mut Write, id: NamespaceId, now: Moment) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM members WHERE namespace_id = $1", id.to_string())?;
        execute!(write, "DELETE FROM bindings WHERE namespace_id = $1", id.to_string())?;
        execute!(write, "DELETE FROM policies WHERE namespace_id = $1", id.to_string())?;
        OauthClientRow::delete_of_namespace(write, id, now).await?;
        execute!(
            write,
            "UPDATE namespaces SET archived_at = $2 WHERE id = $1 AND archived_at IS NULL",
            id.to_string(),
            now.millis(),
        )?;
        Ok(())
    }
}

type Columns = (String, String, String, i64);

fn read((id, owner, name, created_at): Columns) -> Result<NamespaceRow, StoreError> {
    Ok(NamespaceRow {
        id: id.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        owner: owner.parse().map_err(|_| StoreError::Unreadable("owner"))?,
        name,
        created_at: Moment::from_millis(created_at),
    })
}
