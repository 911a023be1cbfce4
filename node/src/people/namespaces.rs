//! Namespaces: made, renamed and deleted by the person who owns them.

use std::sync::Arc;

use bitrouter_proto::account::{Name, NameError, Namespace, NamespaceId, PersonId, Role};

use crate::{
    Node,
    revocations::{Revocation, Revoked},
    secret::random_ulid,
    store::{NamespaceRow, Queryable, StoreError, Write},
};

/// So many live namespaces a person has at most.
pub const MOST: usize = 100;

/// Why a namespace is not what somebody wants it to be.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// There is none that is meant.
    #[error("there is no namespace of yours called `{0}`")]
    Absent(String),
    /// It cannot be called so.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another one of this person is called so.
    #[error("there is a namespace `{0}` already")]
    Taken(String),
    /// There are as many as there may be.
    #[error("a person has at most {MOST} namespaces")]
    Limit,
    /// Nobody is left without one.
    #[error("it is the last namespace, and a person keeps one")]
    Last,
    /// Calls without a key are made in it.
    #[error("it is the node's first namespace, in which calls without a key are made; it can be renamed")]
    First,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The namespaces of `owner`, the oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(node: &Node, owner: PersonId) -> Result<Vec<Namespace>, NamespaceError> {
    let rows = NamespaceRow::of_owner(&mut node.store.read().await?, owner).await?;
    Ok(rows.into_iter().filter(|row| !node.namespace_has_ended(row.id, row.owner)).map(Namespace::from).collect())
}

/// The namespace of `owner` that `which`, an id or a name, means.
///
/// # Errors
/// Where there is none.
pub async fn find(node: &Node, owner: PersonId, which: &str) -> Result<Namespace, NamespaceError> {
    let row = meant(&mut node.store.read().await?, owner, which).await?;
    if node.namespace_has_ended(row.id, row.owner) {
        return Err(NamespaceError::Absent(which.to_owned()));
    }
    Ok(row.into())
}

/// A namespace in which somebody is something.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    /// The namespace.
    pub(crate) row: NamespaceRow,
    /// What the person is in it.
    pub(crate) role: Role,
    /// Its owner's name, where it is another's.
    pub(crate) owner_name: Option<String>,
}

impl Reached {
    /// What it is called for that person: two people may have one of the same name.
    pub(crate) fn told(&self) -> String {
        match &self.owner_name {
            Some(owner) => format!("{} of {owner}", self.row.name),
            None => self.row.name.clone(),
        }
    }
}

/// All in which `person` is something: the person's own, then those of others, in each the oldest first.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn reached(node: &Node, person: PersonId) -> Result<Vec<Reached>, StoreError> {
    let mut read = node.store.read().await?;
    let own = NamespaceRow::of_owner(&mut read, person).await?.into_iter().map(|row| (row, None));
    let shared = NamespaceRow::shared_with(&mut read, person).await?.into_iter().map(|(row, name)| (row, Some(name)));
    // What was taken away is taken from memory first.
    let is_there = |(row, owner_name): (NamespaceRow, Option<String>)| {
        let role = node.roles.of(person, row.id)?;
        Some(Reached { row, role, owner_name })
    };
    Ok(own.chain(shared).filter_map(is_there).collect())
}

impl From<Reached> for Namespace {
    /// What is another's says whose it is, and what the person is in it.
    fn from(reached: Reached) -> Self {
        let Reached { row, role, owner_name } = reached;
        let owner_id = owner_name.is_some().then_some(row.owner);
        let role = owner_name.is_some().then_some(role);
        Self { owner_id, owner_name, role, ..row.into() }
    }
}

/// Everybody's namespaces, the oldest first, each with its owner.
///
/// # Errors
/// Where the database fails.
pub async fn list_all(node: &Node) -> Result<Vec<Namespace>, NamespaceError> {
    let rows = NamespaceRow::of_everybody(&mut node.store.read().await?).await?;
    let shown = |(row, owner_name): (NamespaceRow, String)| {
        let owner_id = Some(row.owner);
        Namespace { owner_id, owner_name: Some(owner_name), ..row.into() }
    };
    let is_there = |(row, _): &(NamespaceRow, String)| !node.namespace_has_ended(row.id, row.owner);
    Ok(rows.into_iter().filter(is_there).map(shown).collect())
}

/// Makes a namespace for `owner`.
///
/// # Errors
/// Where the name is none, is taken, or `owner` has [`MOST`].
pub async fn create(node: &Node, owner: PersonId, name: &str) -> Result<Namespace, NamespaceError> {
    let mut write = node.store.write().await?;
    let made = create_in(node, &mut write, owner, name).await?;
    write.commit_then(|| node.roles.add_namespace(made.id, owner)).await?;
    Ok(made)
}

/// The same in a transaction, behind which whoever commits it tells [`Roles`](crate::roles::Roles) of it.
pub(crate) async fn create_in(
    node: &Node,
    write: &mut Write,
    owner: PersonId,
    name: &str,
) -> Result<Namespace, NamespaceError> {
    let name: Name = name.parse()?;
    let now = node.clock.wall();
    let own = NamespaceRow::of_owner(write, owner).await?;
    if own.len() >= MOST {
        return Err(NamespaceError::Limit);
    }
    look_alike(&own, &name)?;
    let id = NamespaceId::new(random_ulid(now));
    let row = NamespaceRow { id, owner, name: name.as_str().to_owned(), created_at: now };
    row.insert(write).await.map_err(|error| taken(error, &name))?;
    Ok(row.into())
}

/// Calls a namespace of `owner`, told by id or name, by another name.
///
/// # Errors
/// Where there is none, or the new name is none or taken.
pub async fn rename(node: &Node, owner: PersonId, which: &str, name: &str) -> Result<Namespace, NamespaceError> {
    let name: Name = name.parse()?;
    let mut write = node.store.write().await?;
    let row = meant(&mut write, owner, which).await?;
    let mut others = NamespaceRow::of_owner(&mut write, owner).await?;
    others.retain(|other| other.id != row.id);
    look_alike(&others, &name)?;
    NamespaceRow::rename(&mut write, row.id, name.as_str()).await.map_err(|error| taken(error, &name))?;
    write.commit().await?;
    Ok(NamespaceRow { name: name.as_str().to_owned(), ..row }.into())
}

/// Deletes a namespace of `owner`, told by id or name. Its tokens open nothing from then on.
///
/// # Errors
/// Where there is none, or it has to stay.
pub async fn delete(node: &Arc<Node>, owner: PersonId, which: &str) -> Result<Namespace, NamespaceError> {
    let mut write = node.store.write().await?;
    let row = meant(&mut write, owner, which).await?;
    if row.id == node.row.first_namespace {
        return Err(NamespaceError::First);
    }
    if NamespaceRow::of_owner(&mut write, owner).await?.len() == 1 {
        return Err(NamespaceError::Last);
    }
    // A database that is full follows later: what was issued in it is refused either way.
    let (Revoked::Whole | Revoked::Later) = node.revoke(write, Revocation::Namespace(row.id)).await?;
    node.look_at_policies().await;
    Ok(row.into())
}

/// The live namespace of `owner` that `which` means: an id, else a name.
pub(crate) async fn meant(
    on: &mut impl Queryable,
    owner: PersonId,
    which: &str,
) -> Result<NamespaceRow, NamespaceError> {
    let id: Option<NamespaceId> = which.parse().ok();
    let name: Option<Name> = which.parse().ok();
    let is_meant = |row: &NamespaceRow| Some(row.id) == id || name.as_ref().is_some_and(|name| is_called(row, name));
    let own = NamespaceRow::of_owner(on, owner).await?;
    own.into_iter().find(is_meant).ok_or_else(|| NamespaceError::Absent(which.to_owned()))
}

/// Whether `row` has `name`, as far as a reader sees.
fn is_called(row: &NamespaceRow, name: &Name) -> bool {
    row.name == name.as_str() || row.name.parse::<Name>().is_ok_and(|own| own.seen() == name.seen())
}

/// Looks whether one of `rows` reads as `name` does: the database sees only what is the same in every character.
///
/// # Errors
/// Where one does.
fn look_alike(rows: &[NamespaceRow], name: &Name) -> Result<(), NamespaceError> {
    match rows.iter().find(|row| is_called(row, name)) {
        Some(row) => Err(NamespaceError::Taken(row.name.clone())),
        None => Ok(()),
    }
}

fn taken(error: StoreError, name: &Name) -> NamespaceError {
    match error {
        StoreError::Exists(_) => NamespaceError::Taken(name.to_string()),
        other => other.into(),
    }
}

impl From<NamespaceRow> for Namespace {
    fn from(row: NamespaceRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: row.created_at.to_string(),
            owner_id: None,
            owner_name: None,
            role: None,
            is_first: false,
        }
    }
}
