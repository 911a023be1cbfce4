//! What a call can use at most, and what is assumed of it where nobody counted.

use std::sync::Arc;

use bitrouter_proto::account::MicroUsd;

use super::price::ModelPrice;

/// The most that a call can use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Input tokens.
    pub input: u64,
    /// Output tokens; `None` where nothing bounds them.
    pub output: Option<u64>,
    /// What the dearest classes of those cost; `None` without a price or a bound. A call that costs nothing reserves 0.
    pub cost: Option<MicroUsd>,
}

/// How fast a model writes what nobody sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// It can think without showing it.
    pub thinks_unseen: bool,
    /// Tokens a second; 150 where its manifest does not say.
    pub max_output_tps: u32,
}

/// What the charge of one call is reckoned from: fixed when it is admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// What its tokens cost; `None` where the model has no price.
    pub price: Option<Arc<ModelPrice>>,
    /// The most that it can use.
    pub bound: Bound,
    /// Its input, where nobody counts it: uncached tokens.
    pub estimated_input: u64,
    /// How fast its model writes.
    pub pace: Pace,
}
