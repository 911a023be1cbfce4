//! What the wall clock does to rows: the newest of all, and those that are of the future after it was set back.

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::clock::Moment;

/// When the newest record was written.
pub(crate) async fn newest_record(on: &mut impl Queryable) -> Result<Moment, StoreError> {
    let newest: Option<(Option<i64>,)> = fetch_optional!(
        on,
        "SELECT MAX(at) FROM (
           SELECT MAX(created_at) AS at FROM persons
           UNION ALL SELECT MAX(created_at) FROM namespaces
           UNION ALL SELECT MAX(created_at) FROM device_codes
           UNION ALL SELECT MAX(last_used_at) FROM grants
           UNION ALL SELECT MAX(created_at) FROM refresh_tokens
           UNION ALL SELECT MAX(created_at) FROM access_tokens
           UNION ALL SELECT MAX(last_used_at) FROM web_sessions
           UNION ALL SELECT MAX(created_at) FROM api_keys
           UNION ALL SELECT MAX(last_used_at) FROM api_keys
           UNION ALL SELECT created_at FROM (SELECT created_at FROM requests ORDER BY id DESC LIMIT 1) AS last
           UNION ALL SELECT created_at FROM (SELECT created_at FROM transactions ORDER BY id DESC LIMIT 1) AS last_change
         ) AS newest"
    )?;
    Ok(newest.and_then(|row| row.0).map_or(Moment::default(), Moment::from_millis))
}

/// Rows of the future count as admitted now: none lives longer for a clock that was wrong. Calls keep the time that they
/// were admitted at, whatever the clock says by now: the sums until now include what lies ahead.
pub(crate) async fn admit_now(write: &mut Write, now: Moment) -> Result<(), StoreError> {
    let now = now.millis();
    execute!(
        write,
        "UPDATE device_codes SET expires_at = expires_at - created_at + $1, created_at = $1 WHERE created_at > $1",
        now,
    )?;
    execute!(
        write,
        "UPDATE access_tokens SET expires_at = expires_at - created_at + $1, created_at = $1 WHERE created_at > $1",
        now,
    )?;
    execute!(
        write,
        "UPDATE web_sessions SET expires_at = expires_at - created_at + $1, created_at = $1 WHERE created_at > $1",
        now,
    )?;
    execute!(write, "UPDATE web_sessions SET last_used_at = $1 WHERE last_used_at > $1", now)?;
    execute!(
        write,
        "UPDATE grants SET expires_at = expires_at - created_at + $1, created_at = $1 WHERE created_at > $1",
        now,
    )?;
    execute!(
        write,
        "UPDATE grants SET idle_expires_at = idle_expires_at - last_used_at + $1, last_used_at = $1
         WHERE last_used_at > $1",
        now,
    )?;
    execute!(write, "UPDATE refresh_tokens SET created_at = $1 WHERE created_at > $1", now)?;
    execute!(write, "UPDATE sign_in_addresses SET last_at = $1 WHERE last_at > $1", now)?;
    execute!(
        write,
        "UPDATE api_keys SET expires_at = expires_at - created_at + $1, created_at = $1 WHERE created_at > $1",
        now,
    )?;
    execute!(write, "UPDATE api_keys SET last_used_at = $1 WHERE last_used_at > $1", now)?;
    execute!(write, "UPDATE idempotency_keys SET created_at = $1 WHERE created_at > $1", now)?;
    Ok(())
}

/// True where somebody could be signed in, or hold a key.
pub(crate) async fn holds_sessions(on: &mut impl Queryable) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        on,
        "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM grants WHERE ended_at IS NULL) OR EXISTS (SELECT 1 FROM web_sessions)
           OR EXISTS (SELECT 1 FROM api_keys WHERE revoked_at IS NULL)"
    )?;
    Ok(row.is_some())
}

/// Notes that the node was used until now, and when its clock stepped.
pub(crate) async fn note_time(write: &mut Write, now: Moment, stepped_at: Option<Moment>) -> Result<(), StoreError> {
    execute!(
        write,
        "UPDATE node SET newest_at = $1, clock_stepped_at = COALESCE($2, clock_stepped_at) WHERE id = 1",
        now.millis(),
        stepped_at.map(Moment::millis),
    )?;
    Ok(())
}
