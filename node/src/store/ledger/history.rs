//! What a principal did in a window, in slices of time: what counters begin with, at a start and where a policy is bound.
//!
//! Slices come from rows; of rows that were pruned the sums of their hours are left. What was not settled is in neither.

use std::collections::HashSet;

use bitrouter_proto::account::{MicroUsd, NamespaceId, RequestRowId};

use super::{
    super::{StoreError, engine::Queryable, fetch_all, fetch_optional},
    usage::{HOUR, begin_of_hour, ceiling, halves, hour_of, pruned_before, whole},
};
use crate::{clock::Moment, ledger::RECOVERED, policy::PrincipalId};

/// The calls of a slice of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// When the first of them was admitted.
    pub(crate) oldest: Moment,
    /// When the last one was.
    pub(crate) newest: Moment,
    /// How many there were.
    pub(crate) requests: i64,
    /// Their output tokens.
    pub(crate) output_tokens: i64,
    /// What they cost, whoever paid.
    pub(crate) cost: MicroUsd,
    /// What of it left the credit.
    pub(crate) charge: MicroUsd,
}

/// What a crash left reserved of a call beside what it was settled at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// When it was admitted.
    pub(crate) at: Moment,
    /// How much of its reservation is left beside its cost.
    pub(crate) beside_cost: MicroUsd,
    /// The same beside what left the credit; nothing for a call that no credit paid.
    pub(crate) beside_charge: MicroUsd,
}

/// The statements for the credentials of one kind of spender, which is `$2`.
pub(super) struct Statements {
    pub(super) rows: &'static str,
    pub(super) hours: &'static str,
    kept: &'static str,
}

macro_rules! statements {
    (@ $with:literal, $spenders:literal, $end:literal, $is_spender:literal, $hours_from:literal) => {
        Statements {
            rows: concat!(
                $with,
                $spenders,
                $end,
                "SELECT MIN(created_at), MAX(created_at), COUNT(*), ",
                halves!("completion_tokens"),
                ", ",
                halves!("cost"),
                ", ",
                halves!("charge"),
                " FROM requests WHERE namespace_id = $1 AND created_at >= $3 AND created_at < $4 AND completed_at IS NOT NULL AND ",
                $is_spender,
                " GROUP BY created_at / CAST($5 AS BIGINT) ORDER BY 1",
            ),
            hours: concat!(
                $with,
                $spenders,
                $end,
                "SELECT u.hour, CAST(COALESCE(SUM(u.request_count), 0) AS BIGINT), ",
                halves!("u.completion_tokens"),
                ", ",
                halves!("u.cost"),
                ", ",
                halves!("u.charge"),
                $hours_from,
                " GROUP BY u.hour ORDER BY u.hour",
            ),
            kept: concat!(
                $with,
                $spenders,
                $end,
                "SELECT created_at, reserved, COALESCE(cost, 0), COALESCE(charge, 0), funding_source
                 FROM requests WHERE namespace_id = $1 AND created_at >= $3 AND completed_at IS NOT NULL
                   AND status = 'interrupted' AND reserved > 0 AND flags LIKE $4 AND ",
                $is_spender,
            ),
        }
    };
    ($spenders:literal) => {
        // The comparison with a text that is put together keeps the index by namespace and hour from being taken: that by credential
        // has fewer rows.
        statements!(@ "WITH RECURSIVE spenders (id) AS (", $spenders, ") ", "credential_id IN (SELECT id FROM spenders)",
            " FROM spenders s CROSS JOIN usage_hours u
              WHERE u.credential_id = s.id AND u.hour >= $3 AND u.hour < $4 AND u.namespace_id || '' = $1")
    };
    () => {
        statements!(@ "", "", "", "$2 = $1",
            " FROM usage_hours u WHERE u.namespace_id = $1 AND u.hour >= $3 AND u.hour < $4 AND $2 = $1")
    };
}

// Of a namespace as a whole there is nothing to join.
pub(super) static OF_NAMESPACE: Statements = statements!();
// The id as its own column has it: PostgreSQL wants one way of comparing for all of a recursion.
pub(super) static OF_KEY: Statements = statements!(
    "SELECT COALESCE((SELECT id FROM api_keys WHERE id = $2), $2)
     UNION ALL SELECT k.id FROM api_keys k JOIN spenders s ON k.parent_key_id = s.id"
);
pub(super) static OF_SESSION: Statements =
    statements!("SELECT CAST($2 AS TEXT) UNION ALL SELECT id FROM api_keys WHERE grant_id = $2");
pub(super) static OF_CLIENT: Statements = statements!(
    "SELECT id FROM grants WHERE namespace_id = $1 AND client_id = $2
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND client_id = $2"
);
// Calls without a credential are the owner's.
pub(super) static OF_PERSON: Statements = statements!(
    "SELECT id FROM grants WHERE namespace_id = $1 AND person_id = $2
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND person_id = $2
     UNION ALL SELECT 'keyless' FROM namespaces WHERE id = $1 AND owner_id = $2"
);

fn statements_of(spender: PrincipalId) -> &'static Statements {
    match spender {
        PrincipalId::Namespace(_) => &OF_NAMESPACE,
        PrincipalId::ApiKey(_) => &OF_KEY,
        PrincipalId::OauthToken(_) => &OF_SESSION,
        PrincipalId::OauthClient(_) => &OF_CLIENT,
        PrincipalId::User(_) => &OF_PERSON,
    }
}

type RowColumns = (i64, i64, i64, i64, i64, i64, i64, i64, i64);
type HourColumns = (i64, i64, i64, i64, i64, i64, i64, i64);

/// What `spender` did in `namespace` from `from` until `now`, the oldest slice first; rows within `slice` milliseconds come
/// together. Where slices may be as long as that, sums of hours are read instead of rows. What lies ahead of the clock is among
/// it.
pub(crate) async fn history(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    spender: PrincipalId,
    from: Moment,
    now: Moment,
    slice: i64,
) -> Result<Vec<Slice>, StoreError> {
    let asked =
        Asked { statements: statements_of(spender), namespace: namespace.to_string(), spender: spender.to_string() };
    let pruned = pruned_before(on).await?;
    let first = ceiling(from.millis());
    let behind = if slice >= COARSE { hour_of(now).max(pruned) } else { pruned };
    if first >= behind {
        return asked.rows(on, (from.millis(), i64::MAX), slice).await;
    }
    let edge = (from.millis().max(pruned.saturating_mul(HOUR)), first.saturating_mul(HOUR));
    let mut found = if edge.0 < edge.1 { asked.rows(on, edge, slice).await? } else { Vec::new() };
    found.extend(asked.hours(on, (first, behind)).await?);
    found.extend(asked.rows(on, (behind.saturating_mul(HOUR), i64::MAX), slice).await?);
    Ok(found)
}

/// Slices of so many milliseconds may be whole hours.
const COARSE: i64 = HOUR / 2;

/// Whose history is asked for.
struct Asked {
    statements: &'static Statements,
    namespace: String,
    spender: String,
}

impl Asked {
    async fn rows(
        &self,
        on: &mut impl Queryable,
        (from, to): (i64, i64),
        slice: i64,
    ) -> Result<Vec<Slice>, StoreError> {
        let rows: Vec<RowColumns> =
            fetch_all!(on, self.statements.rows, &self.namespace, &self.spender, from, to, slice.max(1))?;
        let slices = rows.into_iter().map(
            |(oldest, newest, requests, tokens_high, tokens_low, cost_high, cost_low, charge_high, charge_low)| Slice {
                oldest: Moment::from_millis(oldest),
                newest: Moment::from_millis(newest),
                requests,
                output_tokens: amount(tokens_high, tokens_low).micros(),
                cost: amount(cost_high, cost_low),
                charge: amount(charge_high, charge_low),
            },
        );
        Ok(slices.collect())
    }

    async fn hours(&self, on: &mut impl Queryable, (from, to): (i64, i64)) -> Result<Vec<Slice>, StoreError> {
        let rows: Vec<HourColumns> = fetch_all!(on, self.statements.hours, &self.namespace, &self.spender, from, to)?;
        let slices = rows.into_iter().map(
            |(hour, requests, tokens_high, tokens_low, cost_high, cost_low, charge_high, charge_low)| {
                let oldest = begin_of_hour(hour);
                Slice {
                    oldest,
                    newest: Moment::from_millis(oldest.millis().saturating_add(HOUR - 1)),
                    requests,
                    output_tokens: amount(tokens_high, tokens_low).micros(),
                    cost: amount(cost_high, cost_low),
                    charge: amount(charge_high, charge_low),
                }
            },
        );
        Ok(slices.collect())
    }
}

/// What crashes left reserved of calls of `spender` that were admitted from `from` on.
pub(crate) async fn kept(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    spender: PrincipalId,
    from: Moment,
) -> Result<Vec<Kept>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64, String)> = fetch_all!(
        on,
        statements_of(spender).kept,
        namespace.to_string(),
        spender.to_string(),
        from.millis(),
        format!("%{RECOVERED}%"),
    )?;
    let kept = rows.into_iter().map(|(at, reserved, cost, charge, funding)| {
        let beside = |used: i64| MicroUsd::new(reserved.saturating_sub(used).max(0));
        let is_credit = funding == bitrouter_proto::account::FundingSource::CloudCredit.as_str();
        let beside_charge = if is_credit { beside(charge) } else { MicroUsd::ZERO };
        Kept { at: Moment::from_millis(at), beside_cost: beside(cost), beside_charge }
    });
    Ok(kept.collect())
}

/// Which of these calls the database holds as settled.
pub(crate) async fn settled_among(
    on: &mut impl Queryable,
    ids: impl IntoIterator<Item = RequestRowId>,
) -> Result<HashSet<RequestRowId>, StoreError> {
    let mut settled = HashSet::new();
    for id in ids {
        let row: Option<(i64,)> = fetch_optional!(
            on,
            "SELECT COUNT(*) FROM requests WHERE id = $1 AND completed_at IS NOT NULL",
            id.to_string()
        )?;
        settled.extend(row.filter(|row| row.0 > 0).map(|_| id));
    }
    Ok(settled)
}

fn amount(high: i64, low: i64) -> MicroUsd {
    MicroUsd::new(i64::try_from(whole(high, low).max(0)).unwrap_or(i64::MAX))
}
