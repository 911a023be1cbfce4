//! What was answered to a POST that makes something, by the key that its caller sent with it.

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::clock::Moment;

/// A key that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyRow {
    /// Who sent it: `key_…`, `tok_…`, `usr_…` or `socket`.
    pub(crate) credential: String,
    /// To which path.
    pub(crate) path: String,
    /// The key.
    pub(crate) idempotency_key: String,
    /// SHA-256 of the body as it was understood, in hexadecimal.
    pub(crate) body_hash: String,
    /// What was made.
    pub(crate) resource_id: String,
    /// What was answered; none where it held a secret.
    pub(crate) reply: Option<String>,
    /// When.
    pub(crate) created_at: Moment,
}

impl IdempotencyRow {
    /// What is known of a key that was used after `since`.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        credential: &str,
        path: &str,
        idempotency_key: &str,
        since: Moment,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<(String, String, Option<String>, i64)> = fetch_optional!(
            on,
            "SELECT body_hash, resource_id, reply, created_at FROM idempotency_keys
             WHERE credential = $1 AND path = $2 AND idempotency_key = $3 AND created_at > $4",
            credential,
            path,
            idempotency_key,
            since.millis(),
        )?;
        Ok(row.map(|(body_hash, resource_id, reply, created_at)| Self {
            credential: credential.to_owned(),
            path: path.to_owned(),
            idempotency_key: idempotency_key.to_owned(),
            body_hash,
            resource_id,
            reply,
            created_at: Moment::from_millis(created_at),
        }))
    }

    /// How many keys of a credential are kept since then.
    pub(crate) async fn count(on: &mut impl Queryable, credential: &str, since: Moment) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(
            on,
            "SELECT COUNT(*) FROM idempotency_keys WHERE credential = $1 AND created_at > $2",
            credential,
            since.millis(),
        )?;
        Ok(row.map_or(0, |row| row.0))
    }

    /// Writes a key that was not used since `since`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where it was.
    pub(crate) async fn insert(&self, write: &mut Write, since: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM idempotency_keys
             WHERE credential = $1 AND path = $2 AND idempotency_key = $3 AND created_at <= $4",
            &self.credential,
            &self.path,
            &self.idempotency_key,
            since.millis(),
        )?;
        execute!(
            write,
            "INSERT INTO idempotency_keys (credential, path, idempotency_key, body_hash, resource_id, reply, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &self.credential,
            &self.path,
            &self.idempotency_key,
            &self.body_hash,
            &self.resource_id,
            self.reply.as_deref(),
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// Forgets the keys under which `resource_id` was to be made, and was not.
    pub(crate) async fn forget(write: &mut Write, resource_id: &str) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM idempotency_keys WHERE resource_id = $1 AND reply IS NULL", resource_id)?;
        Ok(())
    }

    /// Forgets the keys that were used before `before`.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<u64, StoreError> {
        execute!(write, "DELETE FROM idempotency_keys WHERE created_at < $1", before.millis())
    }
}
