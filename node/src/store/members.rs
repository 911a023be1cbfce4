//! Members: what persons other than its owner may do in a namespace.

use bitrouter_proto::account::{NamespaceId, PersonId, Role};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::clock::Moment;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberRow {
    /// Of which namespace.
    pub(crate) namespace: NamespaceId,
    /// Who.
    pub(crate) person: PersonId,
    /// What the person may do.
    pub(crate) role: Role,
    /// Since when.
    pub(crate) created_at: Moment,
}

type Row = (String, String, String, i64);

impl MemberRow {
    /// The members of every live namespace.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Row> = fetch_all!(
            on,
            "SELECT m.namespace_id, m.person_id, m.role, m.created_at
             FROM members m JOIN namespaces n ON n.id = m.namespace_id JOIN persons p ON p.id = m.person_id
             WHERE n.archived_at IS NULL AND p.removed_at IS NULL"
        )?;
        rows.into_iter().map(read).collect()
    }

    /// The members of a namespace, the oldest first, each with the name that the person signs in with.
    pub(crate) async fn of_namespace(
        on: &mut impl Queryable,
        namespace: NamespaceId,
    ) -> Result<Vec<(Self, String)>, StoreError> {
        let rows: Vec<(String, String, String, i64, String)> = fetch_all!(
            on,
            "SELECT m.namespace_id, m.person_id, m.role, m.created_at, p.name
             FROM members m JOIN persons p ON p.id = m.person_id
             WHERE m.namespace_id = $1 AND p.removed_at IS NULL ORDER BY m.created_at, m.person_id",
            namespace.to_string(),
        )?;
        rows.into_iter().map(|(a, b, c, d, name)| Ok((read((a, b, c, d))?, name))).collect()
    }

    /// What `person` is in `namespace`, where the person is a member.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        person: PersonId,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT namespace_id, person_id, role, created_at FROM members WHERE namespace_id = $1 AND person_id = $2",
            namespace.to_string(),
            person.to_string(),
        )?;
        row.map(read).transpose()
    }

    /// Writes a member, or the role of one that is there: `created_at` stays as it was.
    pub(crate) async fn set(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO members (namespace_id, person_id, role, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (namespace_id, person_id) DO UPDATE SET role = excluded.role",
            self.namespace.to_string(),
            self.person.to_string(),
            self.role.as_str(),
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// Leaves a member at most `role`.
    pub(crate) async fn lessen(
        write: &mut Write,
        namespace: NamespaceId,
        person: PersonId,
        role: Role,
    ) -> Result<(), StoreError> {
        match Self::find(write, namespace, person).await? {
            Some(row) if row.role > role => Self { role, ..row }.set(write).await,
            _ => Ok(()),
        }
    }

    /// Removes a member.
    pub(crate) async fn delete(write: &mut Write, namespace: NamespaceId, person: PersonId) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM members WHERE namespace_id = $1 AND person_id = $2",
            namespace.to_string(),
            person.to_string(),
        )?;
        Ok(())
    }
}

fn read((namespace, person, role, created_at): Row) -> Result<MemberRow, StoreError> {
    Ok(MemberRow {
        namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
        role: Role::parse_given(&role).ok_or(StoreError::Unreadable("role"))?,
        created_at: Moment::from_millis(created_at),
    })
}
