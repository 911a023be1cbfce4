//! What the operator does with persons.

use std::sync::Arc;

use bitrouter_proto::account::{Name, NamespaceId, PersonId};

use super::{Busy, Password};
use crate::{
    Node,
    clock::Moment,
    http::granted::SOCKET,
    revocations::{Revocation, Revoked},
    secret::random_ulid,
    store::{NamespaceRow, PersonRow, StoreError, Write},
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Somebody has this name.
    #[error("there is a person called `{0}` already")]
    Taken(String),
    /// Nobody has it.
    #[error("there is no person called `{0}`")]
    Nobody(String),
    /// The node belongs to this person.
    #[error("`{0}` owns the node and cannot be removed")]
    OwnsTheNode(String),
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Makes a person who signs in with this name and password. A namespace is made at the first sign-in.
    ///
    /// # Errors
    /// [`PeopleError::Taken`] where the name, without case and form, is somebody's.
    pub async fn add_user(&self, name: Name, password: Password) -> Result<PersonRow, PeopleError> {
        let hash = self.people.hashing.run(None, move || password.hash()).await?;
        let now = self.clock.wall();
        let id = PersonId::new(random_ulid(now));
        let person = PersonRow { id, name: name.to_string(), created_at: now, has_password: true };
        let mut write = self.store.write().await?;
        match person.insert(&mut write).await {
            Err(StoreError::Exists(_)) => {
                // The transaction is over with that.
                drop(write);
                let other = PersonRow::by_folded_name(&mut self.store.read().await?, &name.folded()).await?;
                // It is told as its owner writes it.
                return Err(PeopleError::Taken(other.map_or(name.to_string(), |(person, _)| person.name)));
            }
            done => done?,
        }
        PersonRow::set_password(&mut write, id, &hash).await?;
        write.commit().await?;
        Ok(person)
    }

    /// Gives a person, named by name or `usr_…`, another password, and ends all web sessions of that person.
    ///
    /// # Errors
    /// [`PeopleError::Nobody`] where there is no such person.
    pub async fn set_password(&self, who: &str, password: Password) -> Result<PersonRow, PeopleError> {
        let hash = self.people.hashing.run(None, move || password.hash()).await?;
        let mut write = self.store.write().await?;
        let person = find(&mut write, who).await?;
        self.replace_password(write, person.id, &hash).await?.with_the_rest(&self.store)?;
        Ok(PersonRow { has_password: true, ..person })
    }

    /// Everybody, the oldest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list_users(&self) -> Result<Vec<PersonRow>, PeopleError> {
        let mut all = PersonRow::all(&mut self.store.read().await?).await?;
        all.retain(|person| !self.person_has_ended(person.id));
        Ok(all)
    }

    /// Removes a person, named by name or `usr_…`, with the namespaces that the person owns: every token in them and every
    /// session of the person ends at once.
    ///
    /// # Errors
    /// [`PeopleError::Nobody`] where there is no such person, [`PeopleError::OwnsTheNode`] for the node's owner.
    pub async fn remove_user(self: &Arc<Self>, who: &str) -> Result<PersonRow, PeopleError> {
        self.remove_with(who, SOCKET).await
    }

    /// The same by whoever has `credential`, as it is noted.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn remove_with(self: &Arc<Self>, who: &str, credential: &str) -> Result<PersonRow, PeopleError> {
        let mut write = self.store.write().await?;
        let person = find(&mut write, who).await?;
        self.remove(write, &person, credential).await?;
        Ok(person)
    }

    /// Removes `person`, and commits.
    async fn remove(
        self: &Arc<Self>,
        mut write: Write,
        person: &PersonRow,
        credential: &str,
    ) -> Result<(), PeopleError> {
        if person.id == self.row.owner {
            return Err(PeopleError::OwnsTheNode(person.name.clone()));
        }
        // What cannot be noted keeps nobody here.
        let had_keys = self.delete_keys_of(&mut write, person.id, credential).await.unwrap_or_else(|error| {
            tracing::warn!(%error, person = %person.id, "the end of a person's stored keys cannot be noted");
            true
        });
        // A database that is full follows later: the person is gone either way.
        let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::Person(person.id)).await?;
        if had_keys {
            self.stored_keys_are_gone().await;
        }
        self.look_at_policies().await;
        Ok(())
    }
}

/// Whom `who`, a name or `usr_…`, means.
pub(super) async fn find(write: &mut Write, who: &str) -> Result<PersonRow, PeopleError> {
    let found = match who.parse::<PersonId>() {
        Ok(id) => PersonRow::by_id(write, id).await?,
        Err(_) => match who.parse::<Name>() {
            Ok(name) => PersonRow::by_folded_name(write, &name.folded()).await?.map(|(person, _)| person),
            Err(_) => None,
        },
    };
    found.ok_or_else(|| PeopleError::Nobody(who.to_owned()))
}

/// Makes what a person has from the first sign-in on, a namespace `default`, and answers which it is.
pub(crate) async fn welcome(
    write: &mut Write,
    person: PersonId,
    now: Moment,
) -> Result<Option<NamespaceId>, StoreError> {
    if !NamespaceRow::of_owner(write, person).await?.is_empty() {
        return Ok(None);
    }
    let id = NamespaceId::new(random_ulid(now));
    NamespaceRow { id, owner: person, name: "default".to_owned(), created_at: now }.insert(write).await?;
    Ok(Some(id))
}
