//! What each person has left, from memory: a call is judged by it before it is made.
//!
//! A balance is the database's, less what settlements took that the database does not have yet.

use std::{collections::HashMap, sync::Mutex};

use bitrouter_proto::account::{MicroUsd, PersonId};

use super::locked;

/// The balance of everybody.
#[derive(Debug, Default)]
pub(crate) struct Credits(Mutex<HashMap<PersonId, MicroUsd>>);

impl Credits {
    /// The balances that the database holds.
    pub(crate) fn new(balances: impl IntoIterator<Item = (PersonId, MicroUsd)>) -> Self {
        Self(Mutex::new(balances.into_iter().collect()))
    }

    /// What `person` has: what was granted, less what was charged.
    pub(crate) fn balance(&self, person: PersonId) -> MicroUsd {
        self.with(|balances| balances.get(&person).copied().unwrap_or_default())
    }

    /// `person` was given that much.
    pub(crate) fn add(&self, person: PersonId, amount: MicroUsd) {
        self.with(|balances| {
            let balance = balances.entry(person).or_default();
            *balance = balance.plus(amount);
        });
    }

    /// `person` was charged that much.
    pub(crate) fn take(&self, person: PersonId, amount: MicroUsd) {
        if amount != MicroUsd::ZERO {
            self.add(person, MicroUsd::ZERO.minus(amount));
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<PersonId, MicroUsd>) -> T) -> T {
        act(&mut locked(&self.0))
    }
}
