//! How far each segment of the journal was applied.

use super::super::{StoreError, Write, engine::Queryable, execute, fetch_all};

/// Each segment with the number of its bytes that were applied.
pub(crate) async fn positions(on: &mut impl Queryable) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(on, "SELECT segment, position FROM journal_positions ORDER BY segment")?;
    Ok(rows.into_iter().map(|(segment, position)| (segment, u64::try_from(position).unwrap_or(0))).collect())
}

/// `segment` was applied up to `position`; never back.
pub(super) async fn set(write: &mut Write, segment: &str, position: u64) -> Result<(), StoreError> {
    execute!(
        write,
        "INSERT INTO journal_positions (segment, position) VALUES ($1, $2)
         ON CONFLICT (segment) DO UPDATE SET position = excluded.position
         WHERE excluded.position > journal_positions.position",
        segment,
        super::column(position),
    )?;
    Ok(())
}

/// A segment is gone: all of it was applied.
pub(crate) async fn forget_segment(write: &mut Write, segment: &str) -> Result<(), StoreError> {
    execute!(write, "DELETE FROM journal_positions WHERE segment = $1", segment)?;
    Ok(())
}
