//! Members of a namespace: added, given another role, and removed by its owner.
//!
//! What is given is written first and told to memory behind that, in the same turn to write. What is taken away, and be it
//! a part of a role, is a line in the log of revocations first.

use bitrouter_proto::account::{Member, NamespaceId, Role};

use super::{
    PeopleError,
    namespaces::{self, NamespaceError},
    verbs::find,
};
use crate::{
    Node,
    revocations::{Revocation, Revoked},
    store::{MemberRow, NamespaceRow, PersonRow, StoreError, Write},
};

/// Why nobody's part in a namespace was changed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// There is no such namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no such person.
    #[error(transparent)]
    Person(#[from] PeopleError),
    /// Its owner is more than a member of it.
    #[error("`{0}` owns the namespace, and is neither added to it nor removed from it")]
    Owner(String),
    /// The person is none.
    #[error("`{0}` is no member of this namespace")]
    NoMember(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Everybody with a role in a namespace of the node's owner, told by id or name: the owner, then the members, the oldest
    /// first.
    ///
    /// # Errors
    /// Where there is no such namespace.
    pub async fn list_members(&self, namespace: &str) -> Result<Vec<Member>, MemberError> {
        let namespace = namespaces::find(self, self.owner(), namespace).await?;
        Ok(everybody(self, namespace.id).await?)
    }

    /// Makes a person, told by name or `usr_…`, a member of a namespace of the node's owner, told by id or name; or gives a
    /// member another role.
    ///
    /// # Errors
    /// Where there is no such namespace or person, or it is the owner.
    pub async fn set_member(&self, namespace: &str, who: &str, role: Role) -> Result<Member, MemberError> {
        let namespace = namespaces::find(self, self.owner(), namespace).await?;
        let mut write = self.store.write().await?;
        let change = change_in(self, &mut write, namespace.id, who, role).await?;
        finish(self, write, &change).await?;
        Ok(change.member)
    }

    /// Removes a person, told by name or `usr_…`, from a namespace of the node's owner, told by id or name: sessions and keys
    /// of that person there open nothing from the next request on. What the person was is told.
    ///
    /// # Errors
    /// Where there is no such namespace or member, or it is the owner.
    pub async fn remove_member(&self, namespace: &str, who: &str) -> Result<Member, MemberError> {
        let namespace = namespaces::find(self, self.owner(), namespace).await?;
        remove(self, namespace.id, who).await
    }
}

/// Everybody with a role in a namespace: its owner, then the members, the oldest first.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn everybody(node: &Node, namespace: NamespaceId) -> Result<Vec<Member>, StoreError> {
    let mut read = node.store.read().await?;
    let row = NamespaceRow::find(&mut read, namespace).await?;
    let owner = match &row {
        Some(row) => PersonRow::by_id(&mut read, row.owner).await?,
        None => None,
    };
    drop(read);
    let owner = row.zip(owner).map(|(row, owner)| Member {
        person_id: owner.id,
        name: owner.name,
        role: Role::Owner,
        created_at: row.created_at.to_string(),
    });
    Ok(owner.into_iter().chain(list(node, namespace).await?).collect())
}

/// The members of a namespace, the oldest first; its owner is none.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn list(node: &Node, namespace: NamespaceId) -> Result<Vec<Member>, StoreError> {
    let rows = MemberRow::of_namespace(&mut node.store.read().await?, namespace).await?;
    // Memory is ahead of a database that is full.
    let is_there = |(row, name): (MemberRow, String)| {
        let role = node.roles.of(row.person, namespace)?;
        Some(told(&MemberRow { role, ..row }, name))
    };
    Ok(rows.into_iter().filter_map(is_there).collect())
}

/// What becomes of a member.
#[derive(Debug)]
pub(crate) struct Change {
    /// The member as it is then.
    pub(crate) member: Member,
    namespace: NamespaceId,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Nothing,
    Given,
    Lessened,
}

/// Makes `who` a `role` of a live namespace, in a transaction that [`finish`] commits.
///
/// # Errors
/// Where there is no such namespace or person, or it is the owner.
pub(crate) async fn change_in(
    node: &Node,
    write: &mut Write,
    namespace: NamespaceId,
    who: &str,
    role: Role,
) -> Result<Change, MemberError> {
    let person = meant(node, write, namespace, who).await?;
    let before = MemberRow::find(write, namespace, person.id).await?;
    let what = match &before {
        Some(before) if before.role == role => What::Nothing,
        Some(before) if role < before.role => What::Lessened,
        _ => What::Given,
    };
    let created_at = before.map_or_else(|| node.clock.wall(), |before| before.created_at);
    let row = MemberRow { namespace, person: person.id, role, created_at };
    if what == What::Given {
        row.set(write).await?;
    }
    Ok(Change { member: told(&row, person.name), namespace, what })
}

/// Makes what `write` holds durable, and `change` with it.
///
/// # Errors
/// Where it is not.
pub(crate) async fn finish(node: &Node, write: Write, change: &Change) -> Result<(), StoreError> {
    let Change { member, namespace, what } = change;
    let (namespace, person, role) = (*namespace, member.person_id, member.role);
    match what {
        What::Nothing => write.commit().await,
        What::Given => write.commit_then(|| node.roles.give(namespace, person, role)).await,
        What::Lessened => {
            // A database that is full follows later: what the role had more is refused either way.
            let (Revoked::Whole | Revoked::Later) =
                node.revoke(write, Revocation::Role(namespace, person, role)).await?;
            Ok(())
        }
    }
}

/// Removes `who` from a live namespace; what the person was.
///
/// # Errors
/// Where there is no such namespace or member, or it is the owner.
pub(crate) async fn remove(node: &Node, namespace: NamespaceId, who: &str) -> Result<Member, MemberError> {
    let mut write = node.store.write().await?;
    let person = meant(node, &mut write, namespace, who).await?;
    let row = MemberRow::find(&mut write, namespace, person.id).await?;
    // Memory is ahead of a database that is full.
    let row = row.filter(|_| node.roles.of(person.id, namespace).is_some());
    let Some(row) = row else { return Err(MemberError::NoMember(person.name)) };
    let member = told(&row, person.name);
    // A database that is full follows later: the person is nothing there either way.
    let (Revoked::Whole | Revoked::Later) =
        node.revoke(write, Revocation::Membership(namespace, member.person_id)).await?;
    Ok(member)
}

/// Whom `who` means, where that is not the owner of the namespace.
async fn meant(node: &Node, write: &mut Write, namespace: NamespaceId, who: &str) -> Result<PersonRow, MemberError> {
    let absent = || NamespaceError::Absent(namespace.to_string());
    let row = NamespaceRow::find(write, namespace).await?.ok_or_else(absent)?;
    if node.roles.owner(namespace) != Some(row.owner) {
        return Err(absent().into());
    }
    let person = find(write, who).await?;
    if node.person_has_ended(person.id) {
        return Err(PeopleError::Nobody(who.to_owned()).into());
    }
    if person.id == row.owner {
        return Err(MemberError::Owner(person.name));
    }
    Ok(person)
}

fn told(row: &MemberRow, name: String) -> Member {
    Member { person_id: row.person, name, role: row.role, created_at: row.created_at.to_string() }
}
