//! What persons say of themselves.

use bitrouter_proto::account::PersonId;

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::clock::Moment;

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow {
    /// How the person wants to be called.
    pub(crate) display_name: String,
    /// Since when.
    pub(crate) created_at: Moment,
}

impl AccountRow {
    /// The account of a person who was not removed.
    pub(crate) async fn find(on: &mut impl Queryable, person: PersonId) -> Result<Option<Self>, StoreError> {
        let row: Option<(String, i64)> = fetch_optional!(
            on,
            "SELECT display_name, created_at FROM persons WHERE id = $1 AND removed_at IS NULL",
            person.to_string(),
        )?;
        Ok(row.map(|(display_name, at)| Self { display_name, created_at: Moment::from_millis(at) }))
    }

    /// Writes how a person wants to be called.
    pub(crate) async fn set_display_name(write: &mut Write, person: PersonId, name: &str) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE persons SET display_name = $2 WHERE id = $1 AND removed_at IS NULL",
            person.to_string(),
            name,
        )?;
        Ok(())
    }
}
