//! Credit: what each person has, and what open calls may take of it.

use std::collections::BTreeMap;

use bitrouter_proto::account::{MicroUsd, PersonId, TransactionId};

use super::{
    super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional},
    transactions::{self, Entry},
};
use crate::clock::Moment;

/// A person's credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credit {
    /// The sum of all transactions.
    pub(crate) balance: MicroUsd,
    /// What calls that are still running may take of it.
    pub(crate) pending: MicroUsd,
}

/// Everybody's balance.
pub(crate) async fn balances(on: &mut impl Queryable) -> Result<Vec<(PersonId, MicroUsd)>, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(on, "SELECT person_id, balance FROM balances ORDER BY person_id")?;
    let read = |(person, balance): (String, i64)| {
        Ok((person.parse().map_err(|_| StoreError::Unreadable("person"))?, MicroUsd::new(balance)))
    };
    rows.into_iter().map(read).collect()
}

/// The credit of `person`.
pub(crate) async fn credit_of(on: &mut impl Queryable, person: PersonId) -> Result<Credit, StoreError> {
    // In halves: many great reservations are more than a column holds.
    let row: Option<(Option<i64>, i64, i64)> = fetch_optional!(
        on,
        "SELECT (SELECT balance FROM balances WHERE person_id = $1),
                CAST(COALESCE(SUM(reserved / 4294967296), 0) AS BIGINT),
                CAST(COALESCE(SUM(reserved % 4294967296), 0) AS BIGINT)
         FROM requests WHERE payer_id = $1 AND completed_at IS NULL AND funding_source = 'cloud_credit'",
        person.to_string(),
    )?;
    let (balance, high, low) = row.unwrap_or_default();
    let pending = (i128::from(high) << 32) + i128::from(low);
    Ok(Credit {
        balance: MicroUsd::new(balance.unwrap_or(0)),
        pending: MicroUsd::new(i64::try_from(pending).unwrap_or(i64::MAX)),
    })
}

/// What `person` has; nothing where nobody ever granted anything.
pub(super) async fn balance(on: &mut impl Queryable, person: PersonId) -> Result<MicroUsd, StoreError> {
    let row: Option<(i64,)> =
        fetch_optional!(on, "SELECT balance FROM balances WHERE person_id = $1", person.to_string())?;
    Ok(MicroUsd::new(row.map_or(0, |row| row.0)))
}

async fn set_balance(write: &mut Write, person: PersonId, balance: MicroUsd) -> Result<(), StoreError> {
    execute!(
        write,
        "INSERT INTO balances (person_id, balance) VALUES ($1, $2)
         ON CONFLICT (person_id) DO UPDATE SET balance = excluded.balance",
        person.to_string(),
        balance.micros(),
    )?;
    Ok(())
}

/// Takes what calls were charged from those who pay; how much from whom.
pub(super) async fn take(
    write: &mut Write,
    debits: &[Entry],
    now: Moment,
) -> Result<Vec<(PersonId, MicroUsd)>, StoreError> {
    if debits.is_empty() {
        return Ok(Vec::new());
    }
    transactions::insert(write, debits, now).await?;
    let mut of_each: BTreeMap<PersonId, MicroUsd> = BTreeMap::new();
    for debit in debits {
        let sum = of_each.entry(debit.person).or_default();
        *sum = sum.minus(debit.amount);
    }
    for (person, taken) in &of_each {
        let left = balance(write, *person).await?.minus(*taken);
        set_balance(write, *person, left).await?;
    }
    Ok(of_each.into_iter().collect())
}

/// Adds a grant of `amount`, as [`add_entry`] does.
pub(crate) async fn add_grant(
    write: &mut Write,
    person: PersonId,
    amount: MicroUsd,
    now: Moment,
) -> Result<Option<(TransactionId, Moment, MicroUsd)>, StoreError> {
    add_entry(write, person, "grant", amount, now).await
}

/// Adds `amount`, which is negative where it is taken, to the credit of `person`: the transaction, when it is said to have been, and what the person has now.
/// `None` where that would be more than can be held: nothing was changed.
pub(crate) async fn add_entry(
    write: &mut Write,
    person: PersonId,
    kind: &'static str,
    amount: MicroUsd,
    now: Moment,
) -> Result<Option<(TransactionId, Moment, MicroUsd)>, StoreError> {
    let Some(sum) = balance(write, person).await?.micros().checked_add(amount.micros()) else { return Ok(None) };
    let balance = MicroUsd::new(sum);
    let entry = Entry { person, kind, amount, request: None, namespace: None };
    let written = transactions::insert(write, &[entry], now).await?;
    set_balance(write, person, balance).await?;
    Ok(written.first().map(|(id, at)| (*id, *at, balance)))
}
