//! What `bitrouter top` shows: which programs call which models, as domain types whose JSON is exactly that of `top --json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::MicroUsd;

/// The calls that are shown ended within this time, or run.
pub const WINDOW: Duration = Duration::from_mins(1);

/// Who calls what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// So many seconds are looked back; less than a minute right after the start, and where more calls came than are remembered.
    pub window_s: u64,
    /// By program and model, the busiest first.
    pub data: Vec<ProgramActivity>,
}

/// The calls of one program to one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramActivity {
    /// Its process. `None`, as what follows: it is another user's, came over a network, or was gone before anybody looked.
    pub pid: Option<u32>,
    /// The file that it was executed from.
    pub executable: Option<String>,
    /// Where it works.
    pub directory: Option<String>,
    /// The branch that the directory is on; of a detached head the beginning of its commit.
    pub git_branch: Option<String>,
    /// `provider/model`; as it was asked for, where no provider was reached.
    pub model: String,
    /// Calls that ended in the window, and those that run.
    pub requests: u64,
    /// Tokens that went in.
    pub tokens_in: u64,
    /// Tokens that came out.
    pub tokens_out: u64,
    /// Tokens that came out, by the seconds in which any of the calls ran.
    pub tokens_per_second: f64,
    /// What the calls that ended cost; `None` where nobody can say.
    pub cost_micro_usd: Option<MicroUsd>,
}
