//! What admissions and permits share: a permit that is still open outlives the node.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bitrouter_proto::account::{FundingSource, MicroUsd};
use prost::Message as _;

use super::{
    journal::Journal,
    open_rows::{OpenRow, OpenRows},
    record::{Kind, Record, Settled},
    row_ids::RowIds,
    trouble::Troubles,
};
use crate::{
    clock::Clock,
    enforcement::Enforcement,
    limits::{Came, Hold},
};

/// What the journal of this process, its open calls and everybody's credit are together.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) rows: OpenRows,
    pub(super) ids: RowIds,
    /// The counters that calls go by, and everybody's credit.
    pub(super) enforcement: Arc<Enforcement>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) clock: Arc<dyn Clock>,
    /// No further call is admitted.
    pub(super) is_closing: AtomicBool,
}

impl Shared {
    /// A call has ended: it is counted and written, and then no longer open.
    pub(super) fn settle(&self, row: &OpenRow, settled: Settled, hold: Option<Hold>, came: &Came) {
        let record = Record { kind: Some(Kind::Settled(settled)) };
        self.enforcement.settle(&row.call, hold, came, || self.journal.settle(record.encode_to_vec()));
        // Only then: whatever is open when the journal is written anew is written anew with it.
        self.rows.close(row);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }
}

/// What leaves the credit.
pub(super) fn charge(funding: FundingSource, cost: Option<MicroUsd>) -> MicroUsd {
    match funding {
        FundingSource::CloudCredit => cost.unwrap_or_default(),
        FundingSource::Local | FundingSource::Byok => MicroUsd::ZERO,
    }
}
