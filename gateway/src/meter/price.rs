//! What the tokens of one model cost at one moment: whole micro-USD per million tokens, summed exactly and rounded up once.
//!
//! A price is what a row of the ledger keeps: [`ModelPrice::document`] holds all of it, and [`ModelPrice::version`] is made
//! of that text, so that a row can be reckoned again whatever the manifests say by then.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use crate::protocol::usage::TokenUsage;

/// What tokens cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    version: Arc<str>,
    document: Arc<str>,
}

/// What some tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The amount.
    pub amount: MicroUsd,
    /// True where a class without a price was reckoned at the dearest one of its side.
    pub substituted: bool,
}

impl ModelPrice {
    /// `prc_` and 16 hexadecimal digits: the same for the same prices.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The prices as JSON, from which [`ModelPrice::read`] makes the same again.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The price in a document of [`ModelPrice::document`]; `None` where it is none.
    pub fn read(document: &str) -> Option<Self> {
        let _ = document;
        None
    }

    /// What `usage` costs.
    pub fn cost(&self, usage: &TokenUsage) -> Cost {
        let _ = usage;
        Cost { amount: MicroUsd::ZERO, substituted: false }
    }
}
