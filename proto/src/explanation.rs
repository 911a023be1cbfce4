//! What would become of a call, as `bitrouter explain --json` shows it.

use serde::{Deserialize, Serialize};

use crate::account::MicroUsd;

/// The verdict on a call that would be made.
pub const ALLOW: &str = "allow";

/// What would become of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The model, as it was asked for.
    pub model: String,
    /// Where the call can go, in the order in which that would be tried.
    pub route: Vec<RouteCandidate>,
    /// What is in force for it.
    pub policies: Vec<PolicyInForce>,
    /// [`ALLOW`], or the code of the error that its caller would get.
    pub verdict: String,
    /// What it can cost at most; `None` where nobody knows, or where it leads nowhere.
    pub worst_case_micro_usd: Option<MicroUsd>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The policy that would refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<String>,
}

/// Where a call can go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCandidate {
    /// The provider.
    pub provider: String,
    /// The model, as the registry calls it.
    pub model: String,
    /// Where its key comes from: `pushed`, `env_file`, `environment`, `account`; `None` where no key is held.
    pub key_source: Option<String>,
}

/// A policy that acts on a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// Which.
    pub policy_id: String,
    /// What it is called.
    pub name: String,
    /// What it is: `budget`, `rate_limit`, `guardrail`, `preset`.
    pub kind: String,
    /// What kind of principal it is bound to.
    pub principal_type: String,
    /// Which one.
    pub principal_id: String,
    /// It would refuse the call.
    pub refuses: bool,
    /// It would refuse the call as a stream, which is not what was asked about.
    pub refuses_streams: bool,
    /// It judges what the call and its reply say, which nobody knows before, and may refuse or redact it.
    pub judges_content: bool,
}
