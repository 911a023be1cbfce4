//! Policies: budgets, rates, guardrails, presets; what they are bound to; what comes of them together.
//!
//! These are the shapes. What a server takes is stricter: it says which member is wrong.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BindingId, MicroUsd, PolicyId};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every member.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The member as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The member that is written like this.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use words;

words! {
    /// What a policy is.
    PolicyKind {
        /// How much may be spent in a window.
        Budget = "budget",
        /// How many requests and tokens there may be in a window.
        RateLimit = "rate_limit",
        /// What may be called, and what may be in it.
        Guardrail = "guardrail",
        /// One of each, at most.
        Preset = "preset",
    }
}

words! {
    /// What a policy can be bound to.
    PrincipalType {
        /// All that happens in the namespace.
        Namespace = "namespace",
        /// A key, and those minted with it.
        ApiKey = "api_key",
        /// A session, and the keys minted with it.
        OauthToken = "oauth_token",
        /// All sessions of an OAuth client.
        OauthClient = "oauth_client",
        /// All that a person does in the namespace.
        User = "user",
    }
}

words! {
    /// The window of a budget.
    Window {
        /// The last 24 hours.
        Day = "day",
        /// The last 30 days.
        Month = "month",
        /// Ever.
        Total = "total",
    }
}

words! {
    /// What counts against a budget.
    Funding {
        /// What calls cost, whoever pays.
        Any = "any",
        /// What calls take from the credit.
        Credit = "credit",
    }
}

words! {
    /// Whose provider key a call may be made with.
    ByokRule {
        /// Only the namespace owner's own.
        Required = "required",
        /// Never the namespace owner's own.
        Forbidden = "forbidden",
        /// Either.
        Optional = "optional",
    }
}

words! {
    /// What becomes of a text that a pattern finds.
    ContentAction {
        /// The call ends.
        Block = "block",
        /// `[REDACTED]` stands in its place.
        Redact = "redact",
    }
}

/// A policy. Another server's ids may have another form than ours, and its kinds other names; so it is below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Policy"))]
pub struct Policy<Id = PolicyId, Kind = PolicyKind> {
    /// Which.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it says, as its kind has it.
    pub spec: Value,
    /// Since when it does not act; RFC 3339, UTC.
    #[serde(default)]
    pub disabled_at: Option<String>,
}

/// How much may be spent in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetSpec {
    /// The window.
    pub window: Window,
    /// The most, more than nothing.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i64::MAX)))]
    pub limit_micro_usd: MicroUsd,
    /// What counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding: Option<Funding>,
}

/// How many requests and tokens there may be in a sliding window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = super::schema::has_one_maximum))]
pub struct RateLimitSpec {
    /// Seconds, 1 to 2,592,000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 2_592_000)))]
    pub window_secs: i64,
    /// The most requests.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i64::MAX)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<i64>,
    /// The most tokens.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i64::MAX)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
}

/// What may be called, and what may be in it. What is absent says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GuardrailSpec {
    /// Nothing but these models.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 512), inner(length(min = 1, max = 512))))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_allow: Option<Vec<String>>,
    /// None of these models.
    #[cfg_attr(feature = "schema", schemars(length(max = 512), inner(length(min = 1, max = 512))))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_deny: Option<Vec<String>>,
    /// The most tokens that a request may ask for.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i64::MAX)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_request_tokens: Option<i64>,
    /// False where no reply may be streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_streaming: Option<bool>,
    /// Whose provider key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byok: Option<ByokRule>,
    /// What no text may hold.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_patterns: Option<Vec<ContentPattern>>,
}

/// A text that is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContentPattern {
    /// What it is called.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub name: String,
    /// A regular expression (<https://docs.rs/regex/latest/regex/#syntax>).
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub pattern: String,
    /// What becomes of what it finds; `block` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ContentAction>,
    /// Bytes: the longest text that it finds, where the expression has no bound of its own.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65_536)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i64>,
}

/// One of each, at most; and at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = super::schema::has_one_clause))]
pub struct PresetSpec {
    /// What may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<GuardrailSpec>,
    /// How much may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitSpec>,
}

/// A budget: a policy of that kind, flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Budget"))]
pub struct Budget<Id = PolicyId, Spec = BudgetSpec> {
    /// Which policy it is.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub spec: Spec,
    /// Since when it does not act; RFC 3339, UTC.
    #[serde(default)]
    pub disabled_at: Option<String>,
}

/// A preset: a policy of that kind, flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Preset"))]
pub struct Preset<Id = PolicyId, Spec = PresetSpec> {
    /// Which policy it is.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub spec: Spec,
    /// Since when it does not act; RFC 3339, UTC.
    #[serde(default)]
    pub disabled_at: Option<String>,
}

/// What binds a policy to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Binding"))]
pub struct Binding<Id = BindingId, Policy = PolicyId, Type = PrincipalType> {
    /// Which.
    pub id: Id,
    /// The policy.
    pub policy_id: Policy,
    /// What kind of principal it is bound to.
    pub principal_type: Type,
    /// Which one.
    pub principal_id: String,
}

/// Where a rule that is in force comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Origin {
    /// The policy.
    pub policy_id: PolicyId,
    /// What the policy is called.
    pub name: String,
    /// What kind of principal it is bound to.
    pub principal_type: PrincipalType,
    /// Which one.
    pub principal_id: String,
}

/// A budget that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EffectiveBudget {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it says.
    #[serde(flatten)]
    pub spec: BudgetSpec,
    /// What was spent in the window.
    pub spent_micro_usd: MicroUsd,
    /// What running calls may yet spend.
    pub reserved_micro_usd: MicroUsd,
    /// When the oldest spending leaves the window; RFC 3339, UTC.
    pub resets_at: Option<String>,
}

/// A rate limit that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EffectiveRateLimit {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it says.
    #[serde(flatten)]
    pub spec: RateLimitSpec,
}

/// What all guardrails that are in force say together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = super::schema::of_any_length))]
pub struct EffectiveGuardrail {
    /// Where they come from.
    pub policy_ids: Vec<PolicyId>,
    /// What they say.
    #[serde(flatten)]
    pub spec: GuardrailSpec,
    /// True, and there only then, where one policy requires what another forbids: `byok` says `forbidden`, and every call is
    /// refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub byok_conflict: bool,
}

/// What is in force for a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effective {
    /// Each budget; all of them hold.
    pub budgets: Vec<EffectiveBudget>,
    /// Each rate limit; all of them hold.
    pub rate_limits: Vec<EffectiveRateLimit>,
    /// The guardrails, as one.
    #[serde(default)]
    pub guardrail: Option<EffectiveGuardrail>,
}
