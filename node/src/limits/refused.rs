//! Why a call is refused by what is counted.

use std::time::Duration;

use bitrouter_proto::account::{MicroUsd, PolicyId};

use crate::clock::Moment;

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// There were too many requests or tokens in a window: 429.
    RateLimited,
    /// It asks for more than a window ever allows: 400.
    ExceedsLimit,
    /// The cap that a guardrail or a rate has put into it would be at or below the tokens that it states for thinking: 402.
    ThinkingBudget,
    /// A budget has too little left: 402.
    BudgetExceeded,
    /// The credit has too little left: 402.
    InsufficientCredit,
    /// What it costs is not known or not bounded: 402.
    PriceUnknown,
    /// A counter that it goes by is not there (any more): what applies has to be looked up anew.
    Stale,
}

impl Why {
    /// Its code, as callers are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::ExceedsLimit => "exceeds_limit",
            Self::ThinkingBudget | Self::BudgetExceeded => "budget_exceeded",
            Self::InsufficientCredit => "insufficient_credit",
            Self::PriceUnknown => "price_unknown",
            Self::Stale => "unavailable",
        }
    }
}

/// What a limit that refuses a call is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Requests in a window.
    Requests,
    /// Tokens, in a window or of a request.
    Tokens,
    /// Micro-USD.
    Money,
}

/// The numbers behind a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// What they measure.
    pub measure: Measure,
    /// The limit; of credit what there is.
    pub limit: i64,
    /// What of it is used, open calls left out where it is money.
    pub used: i64,
    /// What the call needs; `None` where nothing bounds it.
    pub needs: Option<i64>,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// By which policy; none where credit lacks.
    pub policy: Option<PolicyId>,
    /// When the oldest of what is counted leaves the window.
    pub resets_at: Option<Moment>,
    /// How long it is until this same call would pass, at the latest; unknown where only the end of other calls or new credit helps.
    pub retry_after: Option<Duration>,
    /// Money: the most tokens a reply that could be paid now.
    pub max_affordable: Option<u64>,
    /// Money: what open calls hold of the counter, and what is kept of it after a crash.
    pub reserved: MicroUsd,
    /// Open calls hold some of it, and give it back when they end.
    pub is_held: bool,
    /// The numbers, where there are some.
    pub numbers: Option<Numbers>,
}

impl Refused {
    /// A refusal of which no more is known.
    pub(super) fn new(why: Why, policy: Option<PolicyId>) -> Self {
        Self {
            why,
            policy,
            resets_at: None,
            retry_after: None,
            max_affordable: None,
            reserved: MicroUsd::ZERO,
            is_held: false,
            numbers: None,
        }
    }
}
