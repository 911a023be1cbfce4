//! What the wall clock does to the ledger when it was set back.

use super::{
    super::{StoreError, Write, execute, fetch_all},
    pages::namespaces,
    transactions::{add_day, day_of},
    usage::{Hours, hour_of},
};
use crate::clock::Moment;
use bitrouter_proto::account::MicroUsd;

/// Rows of the future count as admitted now, and so do the sums of hours that lie ahead.
pub(crate) async fn admit_now(write: &mut Write, now: Moment) -> Result<(), StoreError> {
    for namespace in namespaces(write).await? {
        execute!(
            write,
            "UPDATE requests SET created_at = $2, completed_at = CASE WHEN completed_at > $2 THEN $2 ELSE completed_at END
             WHERE namespace_id = $1 AND created_at > $2",
            namespace,
            now.millis(),
        )?;
    }
    let mut hours = Hours::default();
    for (mut key, sums) in Hours::take_after(write, hour_of(now)).await? {
        key.hour = hour_of(now);
        hours.add(key, sums);
    }
    hours.write(write).await?;
    execute!(write, "UPDATE transactions SET created_at = $1 WHERE created_at > $1", now.millis())?;
    let days: Vec<(String, String, i64)> =
        fetch_all!(write, "SELECT person_id, namespace_id, amount FROM debit_days WHERE day > $1", day_of(now),)?;
    execute!(write, "DELETE FROM debit_days WHERE day > $1", day_of(now))?;
    for (person, namespace, amount) in days {
        add_day(write, &person, &namespace, day_of(now), MicroUsd::new(amount)).await?;
    }
    Ok(())
}
