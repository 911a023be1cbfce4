//! The node's own row: who owns it, and what a start checks.

use bitrouter_proto::account::{NamespaceId, PersonId};

use super::{StoreError, Write, engine::Queryable, execute, fetch_optional};
use crate::clock::Moment;

/// What the database says of the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// The node's id, as metadata tells it.
    pub node_id: String,
    /// The person who owns the node.
    pub owner: PersonId,
    /// The namespace made at the first start: keyless calls are made in it.
    pub first_namespace: NamespaceId,
    /// What the node's key makes of [`NodeRow::node_id`].
    pub canary: String,
    /// Raised at each start.
    pub generation: i64,
    /// The last line of `revoked.log` that the database knows.
    pub revoked_seq: i64,
    /// The machine on which it was last opened; empty where that has no id.
    pub machine_id: String,
    /// The newest moment that anything was written at.
    pub newest_at: Moment,
    /// When the wall clock was last seen to step.
    pub clock_stepped_at: Option<Moment>,
    /// When the node was made.
    pub created_at: Moment,
}

type Row = (String, String, String, String, i64, i64, String, i64, Option<i64>, i64);

impl NodeRow {
    /// Reads the row; `None` in a database that was just made.
    pub(crate) async fn read(on: &mut impl Queryable) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT node_id, owner_id, first_namespace_id, canary, generation, revoked_seq, machine_id, newest_at,
                    clock_stepped_at, created_at
             FROM node WHERE id = 1"
        )?;
        row.map(|row| {
            Ok(Self {
                node_id: row.0,
                owner: row.1.parse().map_err(|_| StoreError::Unreadable("owner"))?,
                first_namespace: row.2.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
                canary: row.3,
                generation: row.4,
                revoked_seq: row.5,
                machine_id: row.6,
                newest_at: Moment::from_millis(row.7),
                clock_stepped_at: row.8.map(Moment::from_millis),
                created_at: Moment::from_millis(row.9),
            })
        })
        .transpose()
    }

    /// Takes the database for this process: from its commit on, no transaction of another one that writes is committed. The
    /// row is locked until then; `None` where there is none yet.
    pub(crate) async fn raise_epoch(write: &mut Write) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(
            write,
            "UPDATE node SET writer_epoch = writer_epoch + 1 WHERE id = 1 RETURNING writer_epoch"
        )?;
        Ok(row.map(|row| row.0))
    }

    /// Writes the row of a new node.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO node (id, node_id, owner_id, first_namespace_id, canary, generation, revoked_seq, machine_id,
                               newest_at, clock_stepped_at, created_at)
             VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &self.node_id,
            self.owner.to_string(),
            self.first_namespace.to_string(),
            &self.canary,
            self.generation,
            self.revoked_seq,
            &self.machine_id,
            self.newest_at.millis(),
            self.clock_stepped_at.map(Moment::millis),
            self.created_at.millis(),
        )?;
        Ok(())
    }

    /// Writes what a start changes.
    pub(crate) async fn update(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE node SET generation = $1, machine_id = $2, newest_at = $3, clock_stepped_at = $4 WHERE id = 1",
            self.generation,
            &self.machine_id,
            self.newest_at.millis(),
            self.clock_stepped_at.map(Moment::millis),
        )?;
        Ok(())
    }
}
