//! Rows that are forgotten for their age. What they came to stays: in the sums of hours, and in one transaction a day.

use std::collections::BTreeMap;

use bitrouter_proto::account::MicroUsd;

use super::{
    super::{StoreError, Write, execute, fetch_all},
    pages::namespaces,
    transactions::{day_of, fold},
    usage::{begin_of_hour, hour_of},
};
use crate::clock::Moment;

/// Forgets rows that were admitted before the full hour of `before`, with what providers stored for them; `most` of them.
/// Open ones stay. True where more may be left.
pub(crate) async fn prune(write: &mut Write, before: Moment, most: i64) -> Result<bool, StoreError> {
    let hour = hour_of(before);
    for namespace in namespaces(write).await? {
        if forget(write, &namespace, begin_of_hour(hour), most).await? > 0 {
            execute!(write, "UPDATE ledger SET pruned_before = $1 WHERE id = 1 AND pruned_before < $1", hour)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rows that go now: the same ones in each statement of a transaction, until they are gone.
macro_rules! of_the_oldest {
    ($statement:literal) => {
        concat!(
            $statement,
            " IN (SELECT id FROM requests WHERE namespace_id = $1 AND created_at < $2 AND completed_at IS NOT NULL
                  ORDER BY created_at, id LIMIT $3)"
        )
    };
}

/// Forgets rows of one namespace; how many.
async fn forget(write: &mut Write, namespace: &str, before: Moment, most: i64) -> Result<u64, StoreError> {
    let before = before.millis();
    let debits: Vec<(String, i64, i64)> = fetch_all!(
        write,
        of_the_oldest!("SELECT person_id, amount, created_at FROM transactions WHERE request_id"),
        namespace,
        before,
        most,
    )?;
    if !debits.is_empty() {
        execute!(write, of_the_oldest!("DELETE FROM transactions WHERE request_id"), namespace, before, most)?;
    }
    let mut days: BTreeMap<(String, i64), MicroUsd> = BTreeMap::new();
    for (person, amount, at) in debits {
        let sum = days.entry((person, day_of(Moment::from_millis(at)))).or_default();
        *sum = sum.plus(MicroUsd::new(amount));
    }
    for ((person, day), amount) in days {
        fold(write, &person, namespace, day, amount).await?;
    }
    execute!(write, of_the_oldest!("DELETE FROM stored_objects WHERE row_id"), namespace, before, most)?;
    execute!(write, of_the_oldest!("DELETE FROM requests WHERE id"), namespace, before, most)
}
