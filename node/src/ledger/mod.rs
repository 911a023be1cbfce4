//! The ledger: one row for each call that costs, from its admission to its settlement, through every crash.
//!
//! The journey of a row: [`Ledger::admit`](Admission::admit) judges the payer's credit from memory and appends one record to
//! the journal → marks note how far open rows have come → the permit's settlement appends another record → a task reads the
//! journal and applies it to the database, in one transaction with the place up to which it did (`store::ledger`).
//!
//! * `record`: what stands in the journal.

pub(crate) mod record;

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::Caller,
    ports::{Admission, AdmissionRequest, Metering, NoRow, Permit},
};
use bitrouter_proto::account::{MicroUsd, PersonId};
use tokio::sync::watch;

/// The ledger of an open node.
#[derive(Debug)]
pub struct Ledger {
    /// The newest `seq` that the database has.
    applied: watch::Sender<i64>,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { applied: watch::Sender::new(0) })
    }

    /// `person` was given that much.
    pub(crate) fn granted(&self, person: PersonId, amount: MicroUsd) {
        let _ = (person, amount);
    }

    /// Follows the newest `seq` of rows: whoever waits for rows waits for it to rise.
    pub fn applied(&self) -> watch::Receiver<i64> {
        self.applied.subscribe()
    }
}

impl Admission for Ledger {
    fn metering(&self, _caller: Caller) -> Metering {
        Metering::Off
    }

    fn admit(&self, _request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        Ok(Box::new(NoRow))
    }
}
