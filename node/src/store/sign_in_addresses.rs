//! From where each person has signed in with the password before.

use bitrouter_proto::account::PersonId;

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::{clock::Moment, http::AddressKey};

/// So many are kept for a person: the newest.
const MOST: i64 = 64;

/// True where `person` has signed in from `address` before.
pub(crate) async fn is_known(
    on: &mut impl Queryable,
    person: PersonId,
    address: AddressKey,
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        on,
        "SELECT last_at FROM sign_in_addresses WHERE person_id = $1 AND address = $2",
        person.to_string(),
        address.to_string(),
    )?;
    Ok(row.is_some())
}

/// Notes that `person` has signed in from `address`.
pub(crate) async fn note(
    write: &mut Write,
    person: PersonId,
    address: AddressKey,
    now: Moment,
) -> Result<(), StoreError> {
    execute!(
        write,
        "INSERT INTO sign_in_addresses (person_id, address, last_at) VALUES ($1, $2, $3)
         ON CONFLICT (person_id, address) DO UPDATE SET last_at = excluded.last_at",
        person.to_string(),
        address.to_string(),
        now.millis(),
    )?;
    execute!(
        write,
        "DELETE FROM sign_in_addresses WHERE person_id = $1 AND address NOT IN
         (SELECT address FROM sign_in_addresses WHERE person_id = $1 ORDER BY last_at DESC, address LIMIT $2)",
        person.to_string(),
        MOST,
    )?;
    Ok(())
}

/// Forgets from where `person` has signed in.
pub(crate) async fn forget(write: &mut Write, person: PersonId) -> Result<(), StoreError> {
    execute!(write, "DELETE FROM sign_in_addresses WHERE person_id = $1", person.to_string())?;
    Ok(())
}
