//! Persons.

use bitrouter_proto::account::PersonId;

use super::{StoreError, Write, engine::Queryable, execute, fetch_all};
use crate::clock::Moment;

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub id: PersonId,
    /// The name that the person signs in with.
    pub name: String,
    /// Since when.
    pub created_at: Moment,
    /// True where there is a password to sign in with.
    pub has_password: bool,
}

impl PersonRow {
    /// Writes a new person, without a password.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the name is taken.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO persons (id, name, folded_name, display_name, created_at) VALUES ($1, $2, $3, $2, $4)",
            self.id.to_string(),
            &self.name,
            self.name.to_lowercase(),
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// Everybody who was not removed, the oldest first.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(String, String, i64, bool)> = fetch_all!(
            on,
            "SELECT id, name, created_at, password_hash IS NOT NULL FROM persons WHERE removed_at IS NULL
             ORDER BY created_at, id"
        )?;
        let read = |(id, name, created_at, has_password): (String, String, i64, bool)| {
            let id = id.parse().map_err(|_| StoreError::Unreadable("person"))?;
            Ok(Self { id, name, created_at: Moment::from_millis(created_at), has_password })
        };
        rows.into_iter().map(read).collect()
    }
}
