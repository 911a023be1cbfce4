//! What a caller is told whom policies or credit refuse.

use std::time::Duration;

use bitrouter_gateway::InferenceError;
use bitrouter_proto::{
    account::{PersonId, PolicyId},
    codes::InferenceCode,
};
use http::{HeaderName, HeaderValue, header};

use super::Enforcement;
use crate::{
    limits::{Measure, Refused, Why},
    policy::decide::Refusal,
};

/// Names the policy.
fn of_policy(error: InferenceError, policy: Option<PolicyId>) -> InferenceError {
    policy.into_iter().fold(error, |error, policy| error.with("policy_id", policy.to_string()))
}

/// The refusal of a guardrail.
pub(super) fn of_guardrail(refusal: Refusal, policy: PolicyId) -> InferenceError {
    let (code, message, param) = match refusal {
        Refusal::ModelDenied => {
            (InferenceCode::ModelDenied, format!("the policy `{policy}` does not let this model be called"), "model")
        }
        Refusal::StreamingDenied => (
            InferenceCode::StreamingDenied,
            format!("the policy `{policy}` allows no streams; send the call without `stream`"),
            "stream",
        ),
        Refusal::MaxRequestTokens => (
            InferenceCode::MaxRequestTokens,
            format!("the call asks for more tokens than the policy `{policy}` lets a request ask for; ask for fewer"),
            "",
        ),
        Refusal::ByokRequired => (
            InferenceCode::ByokRequired,
            format!(
                "the policy `{policy}` wants a provider key of the namespace's owner, and there is none for this provider; the owner stores one with \
                 `bitrouter cloud byok set`"
            ),
            "model",
        ),
        Refusal::ByokForbidden => (
            InferenceCode::ByokForbidden,
            format!("the policy `{policy}` does not let the provider key of the namespace's owner pay"),
            "model",
        ),
        Refusal::ByokConflict => (
            InferenceCode::ByokConflict,
            format!("one policy requires the provider keys of the namespace's owner, and `{policy}` forbids them"),
            "model",
        ),
    };
    let error = InferenceError::new(code, message);
    // How the cap is called is the caller's dialect's.
    of_policy(if param.is_empty() { error } else { error.with_param(param) }, Some(policy))
}

impl Enforcement {
    /// The refusal of a counter. `payer`: whose credit pays; `price_unknown`: why nobody can say what the call may cost.
    pub(super) fn explain(
        &self,
        refused: &Refused,
        payer: Option<PersonId>,
        price_unknown: Option<&InferenceError>,
    ) -> InferenceError {
        let error = match refused.why {
            Why::RateLimited => InferenceError::new(InferenceCode::RateLimited, rate_limited(refused)),
            Why::ExceedsLimit => InferenceError::new(InferenceCode::ExceedsLimit, exceeds(refused)),
            Why::ThinkingBudget => InferenceError::new(InferenceCode::BudgetExceeded, thinks_too_long(refused)),
            Why::BudgetExceeded => InferenceError::new(InferenceCode::BudgetExceeded, over_budget(refused)),
            Why::InsufficientCredit => {
                InferenceError::new(InferenceCode::InsufficientCredit, no_credit(refused, payer))
            }
            Why::PriceUnknown => match price_unknown {
                Some(error) => error.clone(),
                None => InferenceError::new(
                    InferenceCode::PriceUnknown,
                    "what this call may cost is not known: the model has no price here, or nothing bounds its output or input, \
                     and a budget or credit applies; choose a priced model, or state prices and limits for it in a manifest",
                )
                .with_param("model"),
            },
            Why::Stale => {
                return InferenceError::new(
                    InferenceCode::Unavailable,
                    "what the policies of this call have counted is not known at the moment; try again",
                )
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
        };
        let is_money = matches!(refused.why, Why::BudgetExceeded | Why::InsufficientCredit);
        let mut error = of_policy(error, refused.policy);
        if let Some(most) = refused.max_affordable {
            error = error.with("max_affordable_tokens", most);
        }
        if is_money {
            error = error.with("reserved_micro_usd", refused.reserved.micros());
        }
        if let Some(at) = refused.resets_at {
            error = error.with("resets_at", self.by_wall(at).to_string());
        }
        match refused.retry_after {
            Some(wait) => with_retry_after(error, wait, refused.why == Why::RateLimited),
            // What open calls hold comes back when they end.
            None if is_money && refused.is_held => with_retry_after(error, OPEN_CALLS, false),
            None => error,
        }
    }
}

/// When to ask again where open calls hold what is missing.
const OPEN_CALLS: Duration = Duration::from_secs(10);

/// Seconds, rounded up; for rates also milliseconds, as the SDKs of OpenAI and Anthropic read them.
fn with_retry_after(error: InferenceError, wait: Duration, is_exact: bool) -> InferenceError {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    let error = error.with_header(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
    if is_exact {
        error.with_header(HeaderName::from_static("retry-after-ms"), HeaderValue::from(millis))
    } else {
        error
    }
}

fn is_of_tokens(refused: &Refused) -> bool {
    refused.numbers.is_some_and(|numbers| numbers.measure == Measure::Tokens)
}

fn name_of(policy: Option<PolicyId>) -> String {
    policy.map_or_else(|| "a policy".to_owned(), |policy| format!("the policy `{policy}`"))
}

fn rate_limited(refused: &Refused) -> String {
    let what = if is_of_tokens(refused) { "tokens" } else { "requests" };
    match refused.numbers {
        Some(numbers) => format!(
            "{} allows {} {what} in its window, and {} were counted; wait for as long as `Retry-After` says",
            name_of(refused.policy),
            numbers.limit,
            numbers.used
        ),
        None => format!("{} allows no more {what} for now", name_of(refused.policy)),
    }
}

fn exceeds(refused: &Refused) -> String {
    let limit = refused.numbers.map_or(0, |numbers| numbers.limit);
    if is_of_tokens(refused) {
        format!(
            "the call may write more tokens than the {limit} that {} ever allows in its window; ask for fewer",
            name_of(refused.policy)
        )
    } else {
        format!("the call is more than {} ever allows in its window, {limit} requests", name_of(refused.policy))
    }
}

fn thinks_too_long(refused: &Refused) -> String {
    let (most, least) = refused.numbers.map_or((0, None), |numbers| (numbers.limit, numbers.needs));
    format!(
        "each reply to this call may have {most} tokens by {}, and the call states {} for thinking alone; state fewer, or a higher cap \
         of its own where the policy allows one",
        name_of(refused.policy),
        least.map_or(0, |least| least - 1)
    )
}

fn over_budget(refused: &Refused) -> String {
    let name = name_of(refused.policy);
    let Some(numbers) = refused.numbers else { return format!("the budget of {name} leaves too little for this call") };
    let reserved = refused.reserved.micros();
    let spent = numbers.used;
    let held =
        if reserved > 0 { format!(", and {reserved} are reserved for calls that run or ran") } else { String::new() };
    let needs = numbers.needs.map_or_else(
        || "nothing bounds what this call may cost".to_owned(),
        |needs| format!("this call may cost {needs}"),
    );
    format!("the budget of {name} is {} micro-USD: {spent} are spent{held}; {needs}", numbers.limit)
}

fn no_credit(refused: &Refused, payer: Option<PersonId>) -> String {
    let reserved = refused.reserved.micros();
    let balance = refused.numbers.map_or(0, |numbers| numbers.limit);
    let left = if balance > 0 {
        format!("the credit of {balance} micro-USD, of which {reserved} are reserved, is not enough for this call")
    } else {
        "there is no credit left for this call".to_owned()
    };
    let whom = payer.map_or_else(|| "WHO".to_owned(), |payer| payer.to_string());
    format!(
        "{left}; run `bitrouter node credit grant {whom} 5` on the node to add some, or set `credit = \"off\"` under `[node]` to \
         use the node's keys without it; calls on a key that the namespace's owner has stored (`bitrouter cloud byok set`) need none"
    )
}
