//! Who is what in which namespace, in memory: each call is judged by it, without a look into the database.
//!
//! What is taken away is taken here first, before the transaction that writes it; what is given is given here last.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use bitrouter_proto::account::{NamespaceId, PersonId, Role};

use crate::store::{MemberRow, NamespaceRow, Queryable, StoreError};

/// Owners and members of every live namespace.
#[derive(Debug, Default)]
pub(crate) struct Roles(RwLock<HashMap<NamespaceId, People>>);

#[derive(Debug)]
struct People {
    owner: PersonId,
    members: HashMap<PersonId, Role>,
}

impl Roles {
    /// What the database says.
    pub(crate) async fn load(on: &mut impl Queryable) -> Result<Self, StoreError> {
        let roles = Self::default();
        for (row, _) in NamespaceRow::of_everybody(on).await? {
            roles.add_namespace(row.id, row.owner);
        }
        for row in MemberRow::all(on).await? {
            roles.give(row.namespace, row.person, row.role);
        }
        Ok(roles)
    }

    /// What `person` is in `namespace`; `None` where that is nothing, or there is no such namespace.
    pub(crate) fn of(&self, person: PersonId, namespace: NamespaceId) -> Option<Role> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let people = all.get(&namespace)?;
        if people.owner == person { Some(Role::Owner) } else { people.members.get(&person).copied() }
    }

    /// Whose a namespace is.
    pub(crate) fn owner(&self, namespace: NamespaceId) -> Option<PersonId> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).get(&namespace)?.owner)
    }

    /// The namespaces in which `person` is something.
    pub(crate) fn reached_by(&self, person: PersonId) -> Vec<NamespaceId> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let reaches = |people: &People| people.owner == person || people.members.contains_key(&person);
        all.iter().filter(|(_, people)| reaches(people)).map(|(id, _)| *id).collect()
    }

    /// A namespace was made.
    pub(crate) fn add_namespace(&self, namespace: NamespaceId, owner: PersonId) {
        let people = People { owner, members: HashMap::new() };
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(namespace).or_insert(people);
    }

    /// A namespace is gone.
    pub(crate) fn remove_namespace(&self, namespace: NamespaceId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&namespace);
    }

    /// A person is gone, with all namespaces that were the person's.
    pub(crate) fn remove_person(&self, person: PersonId) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, people| people.owner != person);
        for people in all.values_mut() {
            people.members.remove(&person);
        }
    }

    /// `person` is `role` in `namespace` from now on.
    pub(crate) fn give(&self, namespace: NamespaceId, person: PersonId, role: Role) {
        if let Some(people) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(&namespace) {
            people.members.insert(person, role);
        }
    }

    /// `person` is nothing in `namespace` any more.
    pub(crate) fn take(&self, namespace: NamespaceId, person: PersonId) {
        if let Some(people) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(&namespace) {
            people.members.remove(&person);
        }
    }
}
