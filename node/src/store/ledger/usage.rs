//! Sums: of each hour, as rows are written, and of any window, as they are asked for.
//!
//! A window goes by when calls were admitted. Its full hours are read from the sums of hours, its two edges from rows: from
//! those within it, or, where they are less, from those that the rest of the hour has. What was pruned has sums of hours
//! alone: such an hour is in the window in which it begins.

use std::collections::BTreeMap;

use bitrouter_proto::account::NamespaceId;

use super::{
    super::{StoreError, Write, engine::Queryable, execute_bound, fetch_all, fetch_optional},
    many::Many,
};
use crate::clock::Moment;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000;

/// What sums of hours are kept by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    /// Hours since 1970.
    pub(super) hour: i64,
    pub(super) credential: String,
    pub(super) provider: String,
    pub(super) model: String,
}

/// The hour of a moment.
pub(super) fn hour_of(at: Moment) -> i64 {
    at.millis().div_euclid(HOUR)
}

/// The beginning of an hour.
pub(super) fn begin_of_hour(hour: i64) -> Moment {
    Moment::from_millis(hour.saturating_mul(HOUR))
}

/// What some calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Calls.
    pub(crate) request_count: i64,
    /// Input tokens of every class.
    pub(crate) prompt_tokens: i64,
    /// Output tokens of every class.
    pub(crate) completion_tokens: i64,
    /// What they cost, in micro-USD, whoever paid.
    pub(crate) cost: i64,
    /// What left the credit, in micro-USD.
    pub(crate) charge: i64,
}

impl Sums {
    /// Both together; what leaves the range stays at its edge.
    pub(super) fn add(&mut self, other: Self) {
        self.request_count = self.request_count.saturating_add(other.request_count);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cost = self.cost.saturating_add(other.cost);
        self.charge = self.charge.saturating_add(other.charge);
    }
}

/// What hours have more, sorted: two that write them lock them in one order.
#[derive(Debug, Default)]
pub(super) struct Hours(BTreeMap<Key, Sums>);

/// A sum that stays at the end of the range; what is added is never negative.
macro_rules! capped {
    ($column:literal) => {
        concat!(
            $column,
            " = CASE WHEN usage_hours.",
            $column,
            " > 9223372036854775807 - excluded.",
            $column,
            " THEN 9223372036854775807 ELSE usage_hours.",
            $column,
            " + excluded.",
            $column,
            " END"
        )
    };
}

static ADD: Many = Many::new(
    "INSERT INTO usage_hours (namespace_id, hour, credential_id, provider_id, model_id, request_count, prompt_tokens,
                              completion_tokens, cost, charge) VALUES ",
    10,
    concat!(
        " ON CONFLICT (namespace_id, hour, credential_id, provider_id, model_id) DO UPDATE SET ",
        capped!("request_count"),
        ", ",
        capped!("prompt_tokens"),
        ", ",
        capped!("completion_tokens"),
        ", ",
        capped!("cost"),
        ", ",
        capped!("charge"),
    ),
);

impl Hours {
    pub(super) fn add(&mut self, key: Key, sums: Sums) {
        self.0.entry(key).or_default().add(sums);
    }

    /// Adds them to those that the database has.
    pub(super) async fn write(self, write: &mut Write) -> Result<(), StoreError> {
        let hours: Vec<(Key, Sums)> = self.0.into_iter().collect();
        for (text, these) in ADD.of(&hours) {
            execute_bound!(write, text, query => these.iter().fold(query, |query, (key, sums)| {
                query
                    .bind(key.namespace.as_str())
                    .bind(key.hour)
                    .bind(key.credential.as_str())
                    .bind(key.provider.as_str())
                    .bind(key.model.as_str())
                    .bind(sums.request_count)
                    .bind(sums.prompt_tokens)
                    .bind(sums.completion_tokens)
                    .bind(sums.cost)
                    .bind(sums.charge)
            }))?;
        }
        Ok(())
    }
}

/// The time from one moment, inclusive, to another, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its beginning.
    pub(crate) from: Moment,
    /// Its end.
    pub(crate) to: Moment,
}

/// What a window is made of: some full hours, and rows that come to it or go from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// From this hour to before that one.
    pub(super) hours: (i64, i64),
    pub(super) edges: [Edge; 2],
}

/// Rows that were admitted in this time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The hour counts among the full ones, and these are its rows that are not in the window.
    is_less: bool,
}

impl Parts {
    /// Rows that were admitted before the hour `pruned` are gone.
    pub(super) fn of(window: Window, pruned: i64) -> Self {
        let (from, to) = (window.from.millis(), window.to.millis());
        let mut hours = (ceiling(from), to.div_euclid(HOUR));
        let none = Edge::default();
        if hours.0 > hours.1 {
            // Within one hour. Where that is gone, it is in the window in which it begins, and so not in this one.
            let edge = if hours.1 < pruned { none } else { Edge { from, to, is_less: false } };
            return Self { hours: (0, 0), edges: [edge, none] };
        }
        let mut edges = [none, none];
        let (first, last) = (hours.0 * HOUR, hours.1 * HOUR);
        if from < first && hours.0 > pruned {
            edges[0] = if first - from > HOUR / 2 {
                hours.0 -= 1;
                Edge { from: first - HOUR, to: from, is_less: true }
            } else {
                Edge { from, to: first, is_less: false }
            };
        }
        if last < to {
            if hours.1 < pruned {
                hours.1 += 1;
            } else if to - last > HOUR / 2 {
                hours.1 += 1;
                edges[1] = Edge { from: to, to: last + HOUR, is_less: true };
            } else {
                edges[1] = Edge { from: last, to, is_less: false };
            }
        }
        Self { hours, edges }
    }

    /// Adds up what the parts have: hours, then the edges.
    pub(super) fn sum(&self, parts: impl IntoIterator<Item = PartRow>) -> Sums {
        let mut sums = [0_i128; 5];
        for part in parts {
            let edge = usize::try_from(part.part).ok().and_then(|part| self.edges.get(part.checked_sub(1)?));
            let sign = if edge.is_some_and(|edge| edge.is_less) { -1 } else { 1 };
            for (sum, its) in sums.iter_mut().zip(part.sums) {
                *sum += sign * its;
            }
        }
        let [request_count, prompt_tokens, completion_tokens, cost, charge] =
            sums.map(|sum| i64::try_from(sum.max(0)).unwrap_or(i64::MAX));
        Sums { request_count, prompt_tokens, completion_tokens, cost, charge }
    }
}

/// The first hour that begins at `at` or behind it.
pub(super) fn ceiling(at: i64) -> i64 {
    at.div_euclid(HOUR) + i64::from(at.rem_euclid(HOUR) != 0)
}

/// One part of a window: which, and its sums.
pub(super) struct PartRow {
    pub(super) part: i64,
    pub(super) sums: [i128; 5],
}

/// A part, the namespace, the count, and each sum in two halves: a sum of many great numbers is more than a column holds.
type SumRow = (i64, String, i64, i64, i64, i64, i64, i64, i64, i64, i64);

/// Both halves together.
pub(super) fn whole(high: i64, low: i64) -> i128 {
    (i128::from(high) << 32) + i128::from(low)
}

fn part_of(row: SumRow) -> (String, PartRow) {
    let sums = [i128::from(row.2), whole(row.3, row.4), whole(row.5, row.6), whole(row.7, row.8), whole(row.9, row.10)];
    (row.1, PartRow { part: row.0, sums })
}

/// The two halves of a column's sum.
macro_rules! halves {
    ($column:literal) => {
        concat!(
            "CAST(COALESCE(SUM(",
            $column,
            " / 4294967296), 0) AS BIGINT), ",
            "CAST(COALESCE(SUM(",
            $column,
            " % 4294967296), 0) AS BIGINT)"
        )
    };
}

/// The sums of rows, by hour or one by one.
macro_rules! sums {
    ($part:literal, $namespace:literal, $count:literal, $from:literal) => {
        concat!(
            "SELECT CAST(",
            $part,
            " AS BIGINT), ",
            $namespace,
            ", CAST(COALESCE(",
            $count,
            ", 0) AS BIGINT), ",
            halves!("prompt_tokens"),
            ", ",
            halves!("completion_tokens"),
            ", ",
            halves!("cost"),
            ", ",
            halves!("charge"),
            " FROM ",
            $from
        )
    };
}

/// One statement, so that all parts are of one moment.
pub(super) const OF_NAMESPACE: &str = concat!(
    sums!("0", "$1", "SUM(request_count)", "usage_hours WHERE namespace_id = $1 AND hour >= $2 AND hour < $3"),
    " UNION ALL ",
    sums!("1", "$1", "COUNT(*)", "requests WHERE namespace_id = $1 AND created_at >= $4 AND created_at < $5"),
    " UNION ALL ",
    sums!("2", "$1", "COUNT(*)", "requests WHERE namespace_id = $1 AND created_at >= $6 AND created_at < $7"),
);

const OF_SUCCESSES: &str = sums!(
    "0",
    "$1",
    "COUNT(*)",
    "requests WHERE namespace_id = $1 AND created_at >= $2 AND created_at < $3 AND status = 'succeeded'"
);

pub(super) const BY_NAMESPACE: &str = concat!(
    sums!(
        "0",
        "n.id",
        "SUM(request_count)",
        "namespaces n JOIN usage_hours u ON u.namespace_id = n.id AND u.hour >= $1 AND u.hour < $2
         GROUP BY n.id"
    ),
    " UNION ALL ",
    sums!(
        "1",
        "n.id",
        "COUNT(*)",
        "namespaces n JOIN requests r ON r.namespace_id = n.id AND r.created_at >= $3 AND r.created_at < $4
         GROUP BY n.id"
    ),
    " UNION ALL ",
    sums!(
        "2",
        "n.id",
        "COUNT(*)",
        "namespaces n JOIN requests r ON r.namespace_id = n.id AND r.created_at >= $5 AND r.created_at < $6
         GROUP BY n.id"
    ),
);

/// What the calls of `namespace` that were admitted in `window` came to.
pub(crate) async fn usage(on: &mut impl Queryable, namespace: NamespaceId, window: Window) -> Result<Sums, StoreError> {
    let mut pruned = pruned_before(on).await?;
    loop {
        let parts = Parts::of(window, pruned);
        let [left, right] = parts.edges;
        let rows: Vec<SumRow> = fetch_all!(
            on,
            OF_NAMESPACE,
            namespace.to_string(),
            parts.hours.0,
            parts.hours.1,
            left.from,
            left.to,
            right.from,
            right.to,
        )?;
        // Rows may have gone meanwhile.
        let now = pruned_before(on).await?;
        if now == pruned {
            return Ok(parts.sum(rows.into_iter().map(|row| part_of(row).1)));
        }
        pruned = now;
    }
}

/// The same of those alone that succeeded, of which no sums are kept: their rows are read, as long as there are any.
pub(crate) async fn usage_of_successes(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    window: Window,
) -> Result<Sums, StoreError> {
    let row: Option<SumRow> =
        fetch_optional!(on, OF_SUCCESSES, namespace.to_string(), window.from.millis(), window.to.millis())?;
    let parts = Parts { hours: (0, 0), edges: [Edge::default(); 2] };
    Ok(parts.sum(row.map(|row| part_of(row).1)))
}

/// The same for each namespace in which there were calls, whether or not it was deleted.
pub(crate) async fn usage_by_namespace(
    on: &mut impl Queryable,
    window: Window,
) -> Result<Vec<(NamespaceId, Sums)>, StoreError> {
    let mut pruned = pruned_before(on).await?;
    let (parts, rows) = loop {
        let parts = Parts::of(window, pruned);
        let [left, right] = parts.edges;
        let rows: Vec<SumRow> =
            fetch_all!(on, BY_NAMESPACE, parts.hours.0, parts.hours.1, left.from, left.to, right.from, right.to,)?;
        let now = pruned_before(on).await?;
        if now == pruned {
            break (parts, rows);
        }
        pruned = now;
    };
    let mut by_namespace: BTreeMap<String, Vec<PartRow>> = BTreeMap::new();
    for (namespace, part) in rows.into_iter().map(part_of) {
        by_namespace.entry(namespace).or_default().push(part);
    }
    let mut found = Vec::new();
    for (namespace, its) in by_namespace {
        let sums = parts.sum(its);
        if sums != Sums::default() {
            found.push((namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?, sums));
        }
    }
    Ok(found)
}

/// Before this hour there are no rows any more.
pub(super) async fn pruned_before(on: &mut impl Queryable) -> Result<i64, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(on, "SELECT pruned_before FROM ledger WHERE id = 1")?;
    Ok(row.map_or(0, |row| row.0))
}

pub(super) use halves;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole hours, and edges with whether they are taken away.
    type Shown = ((i64, i64), Vec<(i64, i64, bool)>);

    fn parts(from: i64, to: i64, pruned: i64) -> Shown {
        let window = Window { from: Moment::from_millis(from), to: Moment::from_millis(to) };
        let Parts { hours, edges } = Parts::of(window, pruned);
        (hours, edges.into_iter().filter(|edge| edge.from < edge.to).map(|e| (e.from, e.to, e.is_less)).collect())
    }

    #[test]
    fn a_window_is_full_hours_and_the_lesser_side_of_each_edge() {
        const M: i64 = HOUR / 60;
        for (from, to, pruned, expected) in [
            (0, 3 * HOUR, 0, ((0, 3), vec![])),
            (50 * M, 3 * HOUR, 0, ((1, 3), vec![(50 * M, HOUR, false)])),
            (10 * M, 3 * HOUR, 0, ((0, 3), vec![(0, 10 * M, true)])),
            (0, 2 * HOUR + 10 * M, 0, ((0, 2), vec![(2 * HOUR, 2 * HOUR + 10 * M, false)])),
            (0, 2 * HOUR + 50 * M, 0, ((0, 3), vec![(2 * HOUR + 50 * M, 3 * HOUR, true)])),
            (10 * M, 20 * M, 0, ((0, 0), vec![(10 * M, 20 * M, false)])),
            (0, 20 * M, 0, ((0, 0), vec![(0, 20 * M, false)])),
            (50 * M, HOUR + 5 * M, 0, ((1, 1), vec![(50 * M, HOUR, false), (HOUR, HOUR + 5 * M, false)])),
            // What was pruned counts whole where it begins.
            (10 * M, 3 * HOUR, 1, ((1, 3), vec![])),
            (0, 2 * HOUR + 50 * M, 3, ((0, 3), vec![])),
            (10 * M, 20 * M, 1, ((0, 0), vec![])),
            (0, 20 * M, 1, ((0, 1), vec![])),
            (HOUR + 10 * M, 3 * HOUR, 1, ((1, 3), vec![(HOUR, HOUR + 10 * M, true)])),
            (-10 * M, HOUR, -9, ((0, 1), vec![(-10 * M, 0, false)])),
        ] {
            assert_eq!(parts(from, to, pruned), expected, "{from} {to} {pruned}");
        }
    }
}
