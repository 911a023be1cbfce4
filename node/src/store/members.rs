//! Members: what persons other than its owner may do in a namespace.

use bitrouter_proto::account::{NamespaceId, PersonId, Role};

use super::{StoreError, engine::Queryable, fetch_all};
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

impl MemberRow {
    /// The members of every live namespace.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = fetch_all!(
            on,
            "SELECT m.namespace_id, m.person_id, m.role, m.created_at
             FROM members m JOIN namespaces n ON n.id = m.namespace_id JOIN persons p ON p.id = m.person_id
             WHERE n.archived_at IS NULL AND p.removed_at IS NULL"
        )?;
        rows.into_iter().map(read).collect()
    }
}

fn read((namespace, person, role, created_at): (String, String, String, i64)) -> Result<MemberRow, StoreError> {
    Ok(MemberRow {
        namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
        role: Role::parse_given(&role).ok_or(StoreError::Unreadable("role"))?,
        created_at: Moment::from_millis(created_at),
    })
}
