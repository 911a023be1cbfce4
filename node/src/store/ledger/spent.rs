//! What somebody has spent in a window, for budgets: a namespace, a key with all below it, a session or client with their keys,
//! a person.
//!
//! Full hours come from the sums of hours by credential, which are kept when rows are pruned; the edges from rows. What was not
//! settled is not spent.

use bitrouter_proto::account::{NamespaceId, policy::Funding};

use super::{
    super::{StoreError, engine::Queryable, fetch_all, fetch_optional},
    usage::{self, HOUR, PartRow, Parts, Window, begin_of_hour, ceiling, halves, pruned_before, whole},
};
use crate::{clock::Moment, policy::PrincipalId};

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// How much, in micro-USD.
    pub(crate) sum: i64,
    /// When the oldest call of it was admitted, as exactly as is known.
    pub(crate) oldest: Option<Moment>,
}

/// The ways to ask for what one kind of spender has spent; each names its credentials `spenders`.
pub(super) struct Statements {
    pub(super) sums: &'static str,
    pub(super) first_hour: &'static str,
    pub(super) oldest_row: &'static str,
}

/// Statements for the credentials of a spender, which is `$8` in the first, `$4` in the second and `$5` in the third. The comparison with a
/// text that is put together keeps the index by namespace and hour from being taken: that by credential has fewer rows.
macro_rules! statements {
    ($of_eight:literal, $of_four:literal, $of_five:literal) => {
        Statements {
            sums: concat!(
                "WITH RECURSIVE spenders (id) AS (",
                $of_eight,
                ") SELECT CAST(0 AS BIGINT), ",
                halves!("u.cost"),
                ", ",
                halves!("u.charge"),
                " FROM spenders s CROSS JOIN usage_hours u
                  WHERE u.credential_id = s.id AND u.hour >= $2 AND u.hour < $3 AND u.namespace_id || '' = $1
                  UNION ALL SELECT CAST(1 AS BIGINT), ",
                halves!("cost"),
                ", ",
                halves!("charge"),
                " FROM requests WHERE namespace_id = $1 AND created_at >= $4 AND created_at < $5
                    AND credential_id IN (SELECT id FROM spenders)
                  UNION ALL SELECT CAST(2 AS BIGINT), ",
                halves!("cost"),
                ", ",
                halves!("charge"),
                " FROM requests WHERE namespace_id = $1 AND created_at >= $6 AND created_at < $7
                    AND credential_id IN (SELECT id FROM spenders)",
            ),
            first_hour: concat!(
                "WITH RECURSIVE spenders (id) AS (",
                $of_four,
                ") SELECT MIN(u.hour) FROM spenders s CROSS JOIN usage_hours u
                   WHERE u.credential_id = s.id AND u.hour >= $2 AND u.namespace_id || '' = $1
                     AND CASE WHEN $3 = TRUE THEN u.charge ELSE u.cost END > 0"
            ),
            oldest_row: concat!(
                "WITH RECURSIVE spenders (id) AS (",
                $of_five,
                ") SELECT MIN(created_at) FROM requests
                   WHERE namespace_id = $1 AND created_at >= $2 AND created_at < $3
                     AND CASE WHEN $4 = TRUE THEN charge ELSE cost END > 0 AND completed_at IS NOT NULL
                     AND credential_id IN (SELECT id FROM spenders)"
            ),
        }
    };
}

// The id as its own column has it: PostgreSQL wants one way of comparing for all of a recursion.
pub(super) static OF_KEY: Statements = statements!(
    "SELECT COALESCE((SELECT id FROM api_keys WHERE id = $8), $8)
     UNION ALL SELECT k.id FROM api_keys k JOIN spenders s ON k.parent_key_id = s.id",
    "SELECT COALESCE((SELECT id FROM api_keys WHERE id = $4), $4)
     UNION ALL SELECT k.id FROM api_keys k JOIN spenders s ON k.parent_key_id = s.id",
    "SELECT COALESCE((SELECT id FROM api_keys WHERE id = $5), $5)
     UNION ALL SELECT k.id FROM api_keys k JOIN spenders s ON k.parent_key_id = s.id"
);
pub(super) static OF_SESSION: Statements = statements!(
    "SELECT CAST($8 AS TEXT) UNION ALL SELECT id FROM api_keys WHERE grant_id = $8",
    "SELECT CAST($4 AS TEXT) UNION ALL SELECT id FROM api_keys WHERE grant_id = $4",
    "SELECT CAST($5 AS TEXT) UNION ALL SELECT id FROM api_keys WHERE grant_id = $5"
);
pub(super) static OF_CLIENT: Statements = statements!(
    "SELECT id FROM grants WHERE namespace_id = $1 AND client_id = $8
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND client_id = $8",
    "SELECT id FROM grants WHERE namespace_id = $1 AND client_id = $4
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND client_id = $4",
    "SELECT id FROM grants WHERE namespace_id = $1 AND client_id = $5
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND client_id = $5"
);
// Calls without a credential are the owner's.
pub(super) static OF_PERSON: Statements = statements!(
    "SELECT id FROM grants WHERE namespace_id = $1 AND person_id = $8
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND person_id = $8
     UNION ALL SELECT 'keyless' FROM namespaces WHERE id = $1 AND owner_id = $8",
    "SELECT id FROM grants WHERE namespace_id = $1 AND person_id = $4
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND person_id = $4
     UNION ALL SELECT 'keyless' FROM namespaces WHERE id = $1 AND owner_id = $4",
    "SELECT id FROM grants WHERE namespace_id = $1 AND person_id = $5
     UNION ALL SELECT id FROM api_keys WHERE namespace_id = $1 AND person_id = $5
     UNION ALL SELECT 'keyless' FROM namespaces WHERE id = $1 AND owner_id = $5"
);

/// Of a namespace as a whole there is nothing to join; what stands for the spender is not looked at.
const FIRST_HOUR: &str = "SELECT MIN(hour) FROM usage_hours WHERE namespace_id = $1 AND hour >= $2
       AND CASE WHEN $3 = TRUE THEN charge ELSE cost END > 0 AND $4 = $1";
const OLDEST_ROW: &str =
    "SELECT MIN(created_at) FROM requests WHERE namespace_id = $1 AND created_at >= $2 AND created_at < $3
       AND CASE WHEN $4 = TRUE THEN charge ELSE cost END > 0 AND completed_at IS NOT NULL AND $5 = $1";

/// What `spender` has spent in `namespace` in `window`, in what `funding` counts.
pub(crate) async fn spent(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    spender: PrincipalId,
    funding: Funding,
    window: Window,
) -> Result<Spent, StoreError> {
    let statements = match spender {
        PrincipalId::Namespace(_) => None,
        PrincipalId::ApiKey(_) => Some(&OF_KEY),
        PrincipalId::OauthToken(_) => Some(&OF_SESSION),
        PrincipalId::OauthClient(_) => Some(&OF_CLIENT),
        PrincipalId::User(_) => Some(&OF_PERSON),
    };
    let sums = match statements {
        None => usage::usage(on, namespace, window).await?,
        Some(statements) => sums(on, statements.sums, namespace, spender, window).await?,
    };
    let sum = if funding == Funding::Credit { sums.charge } else { sums.cost };
    let first_hour = statements.map_or(FIRST_HOUR, |statements| statements.first_hour);
    let oldest_row = statements.map_or(OLDEST_ROW, |statements| statements.oldest_row);
    let by_credit = funding == Funding::Credit;
    let mut oldest = None;
    if sum > 0 {
        let full = ceiling(window.from.millis());
        let edge = (window.from.millis(), full.saturating_mul(HOUR));
        let row = oldest_of(on, oldest_row, namespace, spender, by_credit, edge).await?;
        oldest = row.map(Moment::from_millis);
        if oldest.is_none() {
            let hour: Option<(Option<i64>,)> =
                fetch_optional!(on, first_hour, namespace.to_string(), full, by_credit, spender.to_string())?;
            if let Some(hour) = hour.and_then(|row| row.0) {
                let begin = begin_of_hour(hour);
                let its = (begin.millis(), begin.millis().saturating_add(HOUR));
                let exact = oldest_of(on, oldest_row, namespace, spender, by_credit, its).await?;
                oldest = Some(exact.map_or(begin, Moment::from_millis));
            }
        }
    }
    Ok(Spent { sum, oldest })
}

/// When the oldest row of those in a time was admitted that has cost something.
async fn oldest_of(
    on: &mut impl Queryable,
    statement: &'static str,
    namespace: NamespaceId,
    spender: PrincipalId,
    by_credit: bool,
    (from, to): (i64, i64),
) -> Result<Option<i64>, StoreError> {
    let row: Option<(Option<i64>,)> =
        fetch_optional!(on, statement, namespace.to_string(), from, to, by_credit, spender.to_string())?;
    Ok(row.and_then(|row| row.0))
}

async fn sums(
    on: &mut impl Queryable,
    statement: &'static str,
    namespace: NamespaceId,
    spender: PrincipalId,
    window: Window,
) -> Result<usage::Sums, StoreError> {
    let mut pruned = pruned_before(on).await?;
    loop {
        let parts = Parts::of(window, pruned);
        let [left, right] = parts.edges;
        let rows: Vec<(i64, i64, i64, i64, i64)> = fetch_all!(
            on,
            statement,
            namespace.to_string(),
            parts.hours.0,
            parts.hours.1,
            left.from,
            left.to,
            right.from,
            right.to,
            spender.to_string(),
        )?;
        // Rows may have gone meanwhile.
        let now = pruned_before(on).await?;
        if now == pruned {
            let part = |(part, a, b, c, d)| PartRow { part, sums: [0, 0, 0, whole(a, b), whole(c, d)] };
            return Ok(parts.sum(rows.into_iter().map(part)));
        }
        pruned = now;
    }
}
