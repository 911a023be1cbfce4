//! Persons.

use bitrouter_proto::account::{PersonId, folded};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
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
            folded(&self.name),
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

    /// The person of this name, in the form in which names are compared, and what is kept of the password.
    pub(crate) async fn by_folded_name(
        on: &mut impl Queryable,
        folded: &str,
    ) -> Result<Option<(Self, Option<String>)>, StoreError> {
        let row: Option<(String, String, i64, Option<String>)> = fetch_optional!(
            on,
            "SELECT id, name, created_at, password_hash FROM persons WHERE folded_name = $1 AND removed_at IS NULL",
            folded,
        )?;
        row.map(|(id, name, created_at, password)| {
            let id = id.parse().map_err(|_| StoreError::Unreadable("person"))?;
            let created_at = Moment::from_millis(created_at);
            Ok((Self { id, name, created_at, has_password: password.is_some() }, password))
        })
        .transpose()
    }

    /// This person, unless removed.
    pub(crate) async fn by_id(on: &mut impl Queryable, id: PersonId) -> Result<Option<Self>, StoreError> {
        let row: Option<(String, i64, bool)> = fetch_optional!(
            on,
            "SELECT name, created_at, password_hash IS NOT NULL FROM persons WHERE id = $1 AND removed_at IS NULL",
            id.to_string(),
        )?;
        let read = |(name, created_at, has_password)| Self {
            id,
            name,
            created_at: Moment::from_millis(created_at),
            has_password,
        };
        Ok(row.map(read))
    }

    /// What is kept of the password of this person, unless removed.
    pub(crate) async fn password_hash(on: &mut impl Queryable, id: PersonId) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> = fetch_optional!(
            on,
            "SELECT password_hash FROM persons WHERE id = $1 AND removed_at IS NULL",
            id.to_string(),
        )?;
        Ok(row.and_then(|row| row.0))
    }

    /// Gives the person another password.
    pub(crate) async fn set_password(write: &mut Write, id: PersonId, hash: &str) -> Result<(), StoreError> {
        execute!(write, "UPDATE persons SET password_hash = $2 WHERE id = $1", id.to_string(), hash)?;
        Ok(())
    }

    /// Leaves the person without a password, until another one is set.
    pub(crate) async fn clear_password(write: &mut Write, id: PersonId) -> Result<(), StoreError> {
        execute!(write, "UPDATE persons SET password_hash = NULL WHERE id = $1", id.to_string())?;
        Ok(())
    }

    /// Removes the person: the row stays for what points at it, its name is free again. Nothing is shared with it any more.
    pub(crate) async fn remove(write: &mut Write, id: PersonId, now: Moment) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM members WHERE person_id = $1", id.to_string())?;
        execute!(
            write,
            "UPDATE persons SET removed_at = $2, password_hash = NULL WHERE id = $1 AND removed_at IS NULL",
            id.to_string(),
            now.millis(),
        )?;
        Ok(())
    }
}
