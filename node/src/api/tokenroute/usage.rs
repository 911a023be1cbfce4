//! `GET /api/v1/me/usage?days=`: what the calls of the credential's namespace came to that succeeded.

use std::time::Duration;

use bitrouter_proto::account::MicroUsd;
use schemars::JsonSchema;
use serde::Serialize;

use super::dollars;
use crate::{
    api::ledger::newest,
    clock::Moment,
    http::{
        Call,
        error::{ApiError, Code},
        query::Query,
    },
    store::ledger::{self, Window},
};

/// The parameters.
pub(super) const DAYS: &[&str] = &["days"];
/// How many days where nobody says.
const USUAL: i64 = 30;
/// The most.
const MOST: i64 = 365;
const DAY: Duration = Duration::from_hours(24);

/// What calls that succeeded came to.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "UsageOfDays")]
pub(crate) struct UsageOfDays {
    /// How many days, until now.
    range_days: i64,
    /// Calls.
    total_requests: i64,
    /// Input tokens of every class.
    total_tokens_in: i64,
    /// Output tokens of every class.
    total_tokens_out: i64,
    /// What they cost, whoever paid, in US dollars.
    total_cost_usd: String,
}

pub(super) async fn show(call: Call) -> Result<UsageOfDays, ApiError> {
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let days = query.number("days")?.unwrap_or(USUAL);
    let span = u32::try_from(days).ok().filter(|_| (1..=MOST).contains(&days));
    let wrong = || ApiError::new(Code::BadRequest, format!("`days` must be from 1 to {MOST}")).about("days");
    let span = DAY.saturating_mul(span.ok_or_else(wrong)?);
    let mut read = call.node.store.read().await?;
    let to = Moment::from_millis(newest(&call.node, &mut read).await?.millis().saturating_add(1));
    let window = Window { from: to.before(span).within_what_is_written(), to };
    let sums = ledger::usage_of_successes(&mut read, call.granted.namespace()?, window).await?;
    Ok(UsageOfDays {
        range_days: days,
        total_requests: sums.request_count,
        total_tokens_in: sums.prompt_tokens,
        total_tokens_out: sums.completion_tokens,
        total_cost_usd: dollars(MicroUsd::new(sums.cost)),
    })
}
