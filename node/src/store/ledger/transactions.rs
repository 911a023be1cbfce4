//! What credits are made of: one grant, purchase, refund or debit a row.

use bitrouter_proto::account::{MicroUsd, NamespaceId, PersonId, RequestRowId, TransactionId, ledger::Transaction};
use ulid::Ulid;

use super::{
    super::{StoreError, Write, engine::Queryable, execute, execute_bound, fetch_all, fetch_optional},
    many::Many,
};
use crate::{clock::Moment, secret::random_bytes};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// How far the time of the newest transaction may lie ahead and still be held to, in milliseconds.
const HELD: i64 = 300_000;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) person: PersonId,
    pub(super) kind: &'static str,
    /// Negative where it is taken.
    pub(super) amount: MicroUsd,
    pub(super) request: Option<RequestRowId>,
    pub(super) namespace: Option<NamespaceId>,
}

static INSERT: Many = Many::new(
    "INSERT INTO transactions (id, person_id, kind, amount, request_id, namespace_id, created_at) VALUES ",
    7,
    "",
);

/// Writes `entries`, each behind all that are there; their ids, and when they are said to have been.
pub(super) async fn insert(
    write: &mut Write,
    entries: &[Entry],
    now: Moment,
) -> Result<Vec<(TransactionId, Moment)>, StoreError> {
    let newest: Option<(String, i64)> =
        fetch_optional!(write, "SELECT id, created_at FROM transactions ORDER BY id DESC LIMIT 1")?;
    let (last, newest_at) = match newest {
        Some((id, at)) => (id.parse().map_or(Ulid::nil(), TransactionId::ulid), at),
        None => (Ulid::nil(), i64::MIN),
    };
    // A clock that was set back by a little waits here for itself; by more, ids alone hold the order.
    let is_held = newest_at > now.millis() && newest_at - now.millis() <= HELD;
    let at = if is_held { Moment::from_millis(newest_at) } else { now };
    let mut id = last;
    let written: Vec<(TransactionId, Moment)> = entries
        .iter()
        .map(|_| {
            id = next(id, at);
            (TransactionId::new(id), at)
        })
        .collect();
    let rows: Vec<_> = entries.iter().zip(&written).collect();
    for (text, these) in INSERT.of(&rows) {
        execute_bound!(write, text, query => these.iter().fold(query, |query, (entry, (id, at))| {
            query
                .bind(id.to_string())
                .bind(entry.person.to_string())
                .bind(entry.kind)
                .bind(entry.amount.micros())
                .bind(entry.request.map(|id| id.to_string()))
                .bind(entry.namespace.map(|id| id.to_string()))
                .bind(at.millis())
        }))?;
    }
    add_days(write, entries, at).await?;
    Ok(written)
}

/// An id behind `last`: one of `at`, unless that would be before it.
fn next(last: Ulid, at: Moment) -> Ulid {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    if millis > last.timestamp_ms() {
        return Ulid::from_parts(millis, u128::from_be_bytes(random_bytes()));
    }
    last.increment().unwrap_or_else(|_| Ulid::from_parts(last.timestamp_ms() + 1, 0))
}

/// What was taken is also kept by namespace and day.
async fn add_days(write: &mut Write, entries: &[Entry], at: Moment) -> Result<(), StoreError> {
    let mut of_each = std::collections::BTreeMap::new();
    for entry in entries {
        if let Some(namespace) = entry.namespace {
            let sum: &mut MicroUsd = of_each.entry((entry.person, namespace)).or_default();
            *sum = sum.plus(entry.amount);
        }
    }
    for ((person, namespace), amount) in of_each {
        add_day(write, &person.to_string(), &namespace.to_string(), day_of(at), amount).await?;
    }
    Ok(())
}

/// The day of a moment.
pub(super) fn day_of(at: Moment) -> i64 {
    at.millis().div_euclid(DAY)
}

/// `amount`, never above zero, more of a day.
async fn add_day(
    write: &mut Write,
    person: &str,
    namespace: &str,
    day: i64,
    amount: MicroUsd,
) -> Result<(), StoreError> {
    execute!(
        write,
        "INSERT INTO debit_days (person_id, namespace_id, day, amount) VALUES ($1, $2, $3, $4)
         ON CONFLICT (person_id, namespace_id, day) DO UPDATE SET amount =
           CASE WHEN debit_days.amount < -9223372036854775807 - excluded.amount THEN -9223372036854775807
                ELSE debit_days.amount + excluded.amount END",
        person,
        namespace,
        day,
        amount.micros(),
    )?;
    Ok(())
}

/// `amount`, never above zero, more in the one transaction that stands for the debits of a namespace on a day whose rows are
/// gone.
pub(super) async fn fold(
    write: &mut Write,
    person: &str,
    namespace: &str,
    day: i64,
    amount: MicroUsd,
) -> Result<(), StoreError> {
    execute!(
        write,
        "INSERT INTO transactions (id, person_id, kind, amount, namespace_id, created_at)
         VALUES ($1, $2, 'debit', $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET amount =
           CASE WHEN transactions.amount < -9223372036854775807 - excluded.amount THEN -9223372036854775807
                ELSE transactions.amount + excluded.amount END",
        folded_id(person, namespace, day).to_string(),
        person,
        amount.micros(),
        namespace,
        begin_of(day).millis(),
    )?;
    Ok(())
}

/// The transaction that stands for the debits of a namespace on a day whose rows are gone.
fn folded_id(person: &str, namespace: &str, day: i64) -> TransactionId {
    let text = format!("{person} {namespace} {day}");
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let random = hash.as_ref().iter().take(10).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    TransactionId::new(Ulid::from_parts(u64::try_from(day.saturating_mul(DAY)).unwrap_or(0), random))
}

/// The beginning of a day.
fn begin_of(day: i64) -> Moment {
    Moment::from_millis(day.saturating_mul(DAY))
}

/// Whose transactions somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionsOf {
    /// Whose credit it is.
    pub(crate) person: PersonId,
    /// The debits of other namespaces than this are shown as one sum a day.
    pub(crate) only: Option<NamespaceId>,
}

type Row = (String, String, i64, Option<String>, Option<String>, i64);

/// Behind every id of a transaction.
const LAST: &str = "txn_~";

pub(super) const OF_ALL: &str = "SELECT id, kind, amount, request_id, namespace_id, created_at FROM transactions
  WHERE person_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3 OFFSET $4";

pub(super) const OF_ONE: &str = "SELECT id, kind, amount, request_id, namespace_id, created_at FROM transactions
  WHERE person_id = $1 AND namespace_id = $2 AND id < $3
  UNION ALL SELECT id, kind, amount, request_id, namespace_id, created_at FROM transactions
  WHERE person_id = $1 AND namespace_id IS NULL AND id < $3
  ORDER BY id DESC LIMIT $4 OFFSET $5";

/// The transactions before `before`, the newest first; `most` of them, without the first `offset`.
pub(crate) async fn transactions(
    on: &mut impl Queryable,
    of: TransactionsOf,
    before: Option<TransactionId>,
    most: i64,
    offset: i64,
) -> Result<Vec<Transaction>, StoreError> {
    let before = before.map_or(LAST.to_owned(), |id| id.to_string());
    let person = of.person.to_string();
    let rows: Vec<Row> = match of.only {
        None => fetch_all!(on, OF_ALL, person, before, most, offset)?,
        Some(namespace) => return of_one(on, &person, &namespace.to_string(), &before, most, offset).await,
    };
    rows.into_iter().map(read).collect()
}

/// Those of one namespace and those of none, among them a sum a day of the others.
async fn of_one(
    on: &mut impl Queryable,
    person: &str,
    namespace: &str,
    before: &str,
    most: i64,
    offset: i64,
) -> Result<Vec<Transaction>, StoreError> {
    let days = days_of_others(on, person, namespace, before).await?;
    let count = i64::try_from(days.len()).unwrap_or(i64::MAX);
    // However many days lie before the first one that is shown, these rows hold it.
    let skipped = offset.saturating_sub(count).max(0);
    let rows: Vec<Row> = fetch_all!(on, OF_ONE, person, namespace, before, most.saturating_add(count), skipped,)?;
    let Some(first) = rows.first().map(|row| row.0.clone()).or((skipped == 0).then(|| LAST.to_owned())) else {
        // There are fewer rows than were skipped, and the days do not make up for them.
        return Ok(Vec::new());
    };
    let newer = if skipped == 0 { 0 } else { days.iter().filter(|day| day.0 > first).count() };
    let mut merged: Vec<Row> = days.into_iter().skip(newer).chain(rows).collect();
    merged.sort_by(|one, other| other.0.cmp(&one.0));
    let left = usize::try_from(offset - skipped).unwrap_or(usize::MAX).saturating_sub(newer);
    merged.into_iter().skip(left).take(usize::try_from(most).unwrap_or(0)).map(read).collect()
}

/// What the namespaces of `person` but this one took, a day a row, the newest first. There is one for each day at most.
async fn days_of_others(
    on: &mut impl Queryable,
    person: &str,
    namespace: &str,
    before: &str,
) -> Result<Vec<Row>, StoreError> {
    let days: Vec<(i64, i64, i64)> = fetch_all!(
        on,
        "SELECT day, CAST(SUM(amount / 4294967296) AS BIGINT), CAST(SUM(amount % 4294967296) AS BIGINT)
         FROM debit_days WHERE person_id = $1 AND namespace_id <> $2 GROUP BY day ORDER BY day DESC",
        person,
        namespace,
    )?;
    let row = |(day, high, low): (i64, i64, i64)| {
        let sum = (i128::from(high) << 32) + i128::from(low);
        let amount = i64::try_from(sum).unwrap_or(i64::MIN);
        (folded_id(person, "others", day).to_string(), "debit".to_owned(), amount, None, None, begin_of(day).millis())
    };
    Ok(days.into_iter().map(row).filter(|row| row.0.as_str() < before).collect())
}

fn read((id, kind, amount, request, namespace, created_at): Row) -> Result<Transaction, StoreError> {
    Ok(Transaction {
        id: id.parse().map_err(|_| StoreError::Unreadable("transaction"))?,
        kind,
        amount_micro_usd: MicroUsd::new(amount),
        request_id: request.map(|id| id.parse()).transpose().map_err(|_| StoreError::Unreadable("row"))?,
        namespace_id: namespace.map(|id| id.parse()).transpose().map_err(|_| StoreError::Unreadable("namespace"))?,
        created_at: Moment::from_millis(created_at).to_string(),
    })
}
