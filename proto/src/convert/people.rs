//! `people.proto`: the rows.

use crate::{
    account::{Person, ids::IdError},
    wire,
};

impl From<Person> for wire::Person {
    fn from(row: Person) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            created_at: row.created_at,
            owner: row.owner,
            can_sign_in: row.can_sign_in,
        }
    }
}

impl TryFrom<wire::Person> for Person {
    type Error = IdError;

    fn try_from(message: wire::Person) -> Result<Self, IdError> {
        Ok(Self {
            id: message.id.parse()?,
            name: message.name,
            created_at: message.created_at,
            owner: message.owner,
            can_sign_in: message.can_sign_in,
        })
    }
}
