//! Calls and what they came to: `usage`, `requests`, `settlement`.

use bitrouter_proto::account::ledger::{NamespaceUsage, NodeUsage, Page, RequestRow, Settlement, Usage};
use bitrouter_proto::account::{MicroUsd, NamespaceId, RequestRowId};

use crate::{
    Node,
    clock::Moment,
    http::{
        Call,
        error::{ApiError, Code},
        query::Query,
    },
    store::ledger::{self, Sums, Window},
};

/// How far back a window reaches where nobody says.
const MONTH: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// The parameters of a window.
pub(super) const WINDOW: &[&str] = &["from", "to"];
/// Those of a list of calls.
pub(super) const PAGE: &[&str] = &["limit", "offset", "cursor", "after"];

/// What the calls of a namespace came to in a window.
pub(super) async fn usage(call: Call) -> Result<Usage, ApiError> {
    let namespace = call.granted.namespace()?;
    let mut read = call.node.store.read().await?;
    let window = window(&call, &mut read).await?;
    let sums = ledger::usage(&mut read, namespace, window).await?;
    let NamespaceUsage { spend_micro_usd, charged_micro_usd, prompt_tokens, completion_tokens, request_count, .. } =
        shown(namespace, sums);
    let (from, to) = (window.from.to_string(), window.to.to_string());
    Ok(Usage { from, to, spend_micro_usd, charged_micro_usd, prompt_tokens, completion_tokens, request_count })
}

/// The same of each namespace of the node, for its owner.
pub(super) async fn node_usage(call: Call) -> Result<NodeUsage, ApiError> {
    if call.granted.actor.person().is_some_and(|person| person != call.node.owner()) {
        return Err(ApiError::new(Code::Forbidden, "this is for the node's owner"));
    }
    let mut read = call.node.store.read().await?;
    let window = window(&call, &mut read).await?;
    let sums = ledger::usage_by_namespace(&mut read, window).await?;
    let data = sums.into_iter().map(|(namespace, sums)| shown(namespace, sums)).collect();
    Ok(NodeUsage { from: window.from.to_string(), to: window.to.to_string(), data })
}

fn shown(namespace_id: NamespaceId, sums: Sums) -> NamespaceUsage {
    NamespaceUsage {
        namespace_id,
        spend_micro_usd: MicroUsd::new(sums.cost),
        charged_micro_usd: MicroUsd::new(sums.charge),
        prompt_tokens: sums.prompt_tokens,
        completion_tokens: sums.completion_tokens,
        request_count: sums.request_count,
    }
}

/// The window of a query. Where it does not say its end, every call that was admitted until now is in it.
async fn window(call: &Call, read: &mut crate::store::Read) -> Result<Window, ApiError> {
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let (from, to) = (query.time("from")?, query.time("to")?);
    let to = match to {
        Some(to) => to,
        None => Moment::from_millis(newest(&call.node, read).await?.millis().saturating_add(1)),
    };
    let from = from.unwrap_or_else(|| to.before(MONTH).within_what_is_written());
    if from >= to {
        return Err(ApiError::new(Code::BadRequest, format!("`from` must be before `to`, which is {to}")).about("from"));
    }
    Ok(Window { from, to })
}

/// Now, or when a call was admitted last: where the clock was set back, what lies ahead counts as admitted now.
pub(super) async fn newest(node: &Node, read: &mut crate::store::Read) -> Result<Moment, ApiError> {
    Ok(ledger::last_admitted(read).await?.max(node.clock.wall()))
}

/// A page of calls, the newest first; or, with `after`, those that have changed since.
pub(super) async fn list(call: Call) -> Result<Page<RequestRow>, ApiError> {
    let namespace = call.granted.namespace()?;
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let (limit, offset, cursor) = (query.limit()?, query.offset()?, query.id::<RequestRowId>("cursor")?);
    let after = query.number("after")?;
    let mut read = call.node.store.read().await?;
    if let Some(seq) = after {
        query.without("offset", "after")?;
        query.without("cursor", "after")?;
        let data = ledger::requests_after(&mut read, namespace, seq, limit).await?;
        return Ok(Page { data, limit: limit.unsigned_abs(), offset: 0, next_cursor: None });
    }
    let rows = ledger::requests_page(&mut read, namespace, cursor, limit + 1, offset).await?;
    Ok(super::page(rows, limit, offset, |row| row.id.to_string()))
}

/// One call in full.
pub(super) async fn show(call: Call) -> Result<RequestRow, ApiError> {
    row(&call).await
}

/// How a call was settled.
pub(super) async fn settlement(call: Call) -> Result<Settlement, ApiError> {
    let row = row(&call).await?;
    let state = match (row.final_charge_micro_usd, row.cost_micro_usd) {
        (None, _) => "pending",
        (Some(charge), _) if charge > MicroUsd::ZERO => "computed",
        (Some(_), Some(_)) => "not_charged",
        (Some(_), None) => "unknown",
    };
    Ok(Settlement {
        request_id: row.request_id,
        state: state.to_owned(),
        model_id: row.model_id,
        provider_id: row.provider_id,
        usage: row.usage.unwrap_or_default(),
        final_charge_micro_usd: row.final_charge_micro_usd,
    })
}

/// The row that the path names.
async fn row(call: &Call) -> Result<RequestRow, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such request");
    let id = call.granted.row.ok_or_else(absent)?;
    ledger::request(&mut call.node.store.read().await?, id).await?.ok_or_else(absent)
}
