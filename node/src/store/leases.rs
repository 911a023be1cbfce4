//! Leases: keys that were minted for one run of a program.

use std::collections::BTreeMap;

use bitrouter_proto::account::{KeyId, NamespaceId, PolicyId};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, secret::TokenHash};

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    /// Its key.
    pub(crate) key: KeyId,
    /// Where its calls are made.
    pub(crate) namespace: NamespaceId,
    /// Of what whoever runs the program shows.
    pub(crate) claim: TokenHash,
    /// What limits what its calls cost.
    pub(crate) budget: Option<PolicyId>,
    /// What says which models may be called.
    pub(crate) models: Option<PolicyId>,
    /// How often calls were refused, by code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Since when.
    pub(crate) created_at: Moment,
    /// When it ended.
    pub(crate) ended_at: Option<Moment>,
}

type Columns = (String, String, String, Option<String>, Option<String>, String, i64, Option<i64>);

macro_rules! leases {
    ($rest:literal) => {
        concat!(
            "SELECT key_id, namespace_id, claim_hash, budget_policy_id, models_policy_id, refused, created_at, ended_at
             FROM leases WHERE ",
            $rest
        )
    };
}

impl LeaseRow {
    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO leases (key_id, namespace_id, claim_hash, budget_policy_id, models_policy_id, refused, created_at,
                                 ended_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self.key.to_string(),
            self.namespace.to_string(),
            self.claim.to_hex(),
            self.budget.map(|id| id.to_string()),
            self.models.map(|id| id.to_string()),
            written(&self.refused),
            self.created_at.millis(),
            self.ended_at.map(Moment::millis),
        )?;
        Ok(())
    }

    /// The lease of a key.
    pub(crate) async fn find(on: &mut impl Queryable, key: KeyId) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(on, leases!("key_id = $1"), key.to_string())?;
        row.map(read).transpose()
    }

    /// Those that have not ended.
    pub(crate) async fn all_open(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(on, leases!("ended_at IS NULL ORDER BY created_at, key_id"))?;
        rows.into_iter().map(read).collect()
    }

    /// Notes what was refused.
    pub(crate) async fn note_refused(
        write: &mut Write,
        key: KeyId,
        refused: &BTreeMap<String, u64>,
    ) -> Result<(), StoreError> {
        execute!(write, "UPDATE leases SET refused = $2 WHERE key_id = $1", key.to_string(), written(refused))?;
        Ok(())
    }

    /// It ends, unless it has.
    pub(crate) async fn end(write: &mut Write, key: KeyId, at: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE leases SET ended_at = $2 WHERE key_id = $1 AND ended_at IS NULL",
            key.to_string(),
            at.millis(),
        )?;
        Ok(())
    }

    /// The policies that were made for it.
    pub(crate) fn policies(&self) -> impl Iterator<Item = PolicyId> {
        self.budget.into_iter().chain(self.models)
    }

    /// Forgets those that ended before `before`.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM leases WHERE ended_at < $1", before.millis())?;
        Ok(())
    }
}

fn written(refused: &BTreeMap<String, u64>) -> String {
    let counts: serde_json::Value = refused.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    counts.to_string()
}

fn read(row: Columns) -> Result<LeaseRow, StoreError> {
    let (key, namespace, claim, budget, models, refused, created_at, ended_at) = row;
    let policy = |id: Option<String>| id.map(|id| id.parse().map_err(|_| StoreError::Unreadable("policy"))).transpose();
    Ok(LeaseRow {
        key: key.parse().map_err(|_| StoreError::Unreadable("key"))?,
        namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        claim: TokenHash::from_hex(&claim).ok_or(StoreError::Unreadable("hash"))?,
        budget: policy(budget)?,
        models: policy(models)?,
        refused: serde_json::from_str(&refused).map_err(|_| StoreError::Unreadable("counts"))?,
        created_at: Moment::from_millis(created_at),
        ended_at: ended_at.map(Moment::from_millis),
    })
}
