//! A call that was admitted. However it ends, its row is settled once: where nobody says how, because whoever served it
//! panicked, as interrupted.

use std::{sync::Arc, time::Duration};

use bitrouter_gateway::{
    meter::ModelPrice,
    ports::{Flags, Permit, Settlement, SoFar},
    protocol::usage::OutputTokens,
};
use bitrouter_proto::account::{CallStatus, FundingSource, UsageOrigin};

use super::{
    open_rows::OpenRow,
    record::Settled,
    shared::{Shared, charge},
};
use crate::limits::{Came, Hold};

/// The permit of a row.
#[derive(Debug)]
pub(super) struct RowPermit {
    pub(super) shared: Arc<Shared>,
    pub(super) row: Arc<OpenRow>,
    pub(super) funding: FundingSource,
    pub(super) price: Option<Arc<ModelPrice>>,
    /// What it holds, until it is settled; `None` where nothing applied to it.
    pub(super) hold: Option<Hold>,
    pub(super) is_settled: bool,
    /// A stream is cut behind so many tokens.
    pub(super) output_limit: Option<u64>,
}

impl Permit for RowPermit {
    fn progress(&mut self, so_far: &SoFar) {
        self.shared.rows.progress(&self.row, so_far, self.shared.clock.monotonic());
    }

    fn settle(&mut self, settlement: Settlement) {
        // Once: a second one would be a second charge.
        if std::mem::replace(&mut self.is_settled, true) {
            tracing::error!(row = %self.row.id, "a call was settled twice; the first time counts");
            return;
        }
        let Settlement { status, usage, origin, cost, flags, first_byte, error_code, objects } = settlement;
        let charge = charge(self.funding, cost);
        let output_tokens = usage.output.map_or(0, OutputTokens::total);
        let came = Came { cost: cost.unwrap_or_default(), charge, output_tokens };
        let settled = Settled {
            id: self.row.id.ulid().to_bytes().to_vec(),
            status: status.as_str().to_owned(),
            usage: Some(usage.into()),
            origin: origin.as_str().to_owned(),
            cost: cost.map(bitrouter_proto::account::MicroUsd::micros),
            charge: charge.micros(),
            flags: flags.words().into_iter().map(str::to_owned).collect(),
            first_byte_ms: first_byte.map(millis),
            completed_at: self.shared.clock.wall().millis(),
            error_code: error_code.unwrap_or_default().to_owned(),
            objects: objects.into_iter().map(|key| key.0.to_vec()).collect(),
        };
        self.shared.settle(&self.row, settled, self.hold.take(), &came);
    }

    fn output_limit(&self) -> Option<u64> {
        self.output_limit
    }
}

impl Drop for RowPermit {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let so_far = self.row.so_far();
        let cost = self.price.as_ref().map(|price| price.cost(&so_far.usage));
        self.settle(Settlement {
            status: CallStatus::Interrupted,
            usage: so_far.usage,
            origin: UsageOrigin::Estimated,
            cost: cost.map(|cost| cost.amount),
            flags: Flags { price_substituted: cost.is_some_and(|cost| cost.substituted), ..Flags::default() },
            first_byte: so_far.first_byte,
            error_code: None,
            objects: Vec::new(),
        });
    }
}

pub(super) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
