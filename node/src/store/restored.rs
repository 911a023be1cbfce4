//! What is written into a database that was put back from a copy.

use super::{StoreError, Write, execute};

/// By how much the order of changes and the number of the writer rise: no process that had the database before can have come
/// so far.
const LEAP: i64 = 1 << 32;

/// Notes that the database was put back: it was last started for the `generation`th time, whoever follows changes sees those
/// that come as new ones, and no process that still holds the former database can write to this one.
pub(crate) async fn mark_restored(write: &mut Write, generation: i64) -> Result<(), StoreError> {
    execute!(write, "UPDATE ledger SET seq = seq + $1 WHERE id = 1", LEAP)?;
    execute!(
        write,
        "UPDATE node SET writer_epoch = writer_epoch + $1, generation = $2 WHERE id = 1",
        LEAP,
        generation,
    )?;
    Ok(())
}
