//! What is written into a database that was put back from a copy.

use super::{StoreError, Write, execute};
use crate::clock::Moment;

/// By how much the order of changes and the number of the writer rise: no process that had the database before can have come
/// so far.
const LEAP: i64 = 1 << 32;

/// Notes that the database was put back, of which it does not know all that it had accepted since: provider keys are sealed
/// against a new pair from now on. Also: it was last started for the `generation`th time, whoever follows changes sees those
/// that come as new ones, and no process that still holds the former database can write to this one.
pub(crate) async fn mark_restored(write: &mut Write, generation: i64, now: Moment) -> Result<(), StoreError> {
    execute!(write, "UPDATE ledger SET seq = seq + $1 WHERE id = 1", LEAP)?;
    // Whoever has seen what was sealed against the former one since the copy was made could submit it as an own one.
    execute!(write, "UPDATE byok_keks SET retired_at = $1 WHERE retired_at IS NULL", now.millis())?;
    execute!(
        write,
        "UPDATE node SET writer_epoch = writer_epoch + $1, generation = $2 WHERE id = 1",
        LEAP,
        generation,
    )?;
    Ok(())
}
