//! What a run used that had a key of its own.

use serde::{Deserialize, Serialize};

use super::MicroUsd;

/// What the calls of a lease's key came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Calls that were admitted.
    pub requests: i64,
    /// Input tokens of every class.
    pub input_tokens: i64,
    /// Output tokens of every class.
    pub output_tokens: i64,
    /// What they cost, whoever pays.
    pub cost_micro_usd: MicroUsd,
    /// The same of each model, the dearest first.
    pub models: Vec<RunModel>,
    /// What was refused, by code, the most frequent first.
    pub refused: Vec<RunRefusals>,
}

/// What the calls of one model came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunModel {
    /// `provider/model`.
    pub model: String,
    /// Calls that were admitted.
    pub requests: i64,
    /// Input tokens of every class.
    pub input_tokens: i64,
    /// Output tokens of every class.
    pub output_tokens: i64,
    /// What they cost, whoever pays.
    pub cost_micro_usd: MicroUsd,
}

/// How often calls were refused with one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRefusals {
    /// As the caller was told.
    pub code: String,
    /// How often.
    pub count: u64,
}
