//! Purchases of credit at Stripe, and what refunds and disputes take back of them.

use bitrouter_proto::account::{MicroUsd, PersonId};
use ulid::Ulid;

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::clock::Moment;

/// A purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckoutRow {
    /// Ours; Stripe knows the call that makes the session by it.
    pub(crate) id: Ulid,
    /// Stripe's id of the session, once it is known.
    pub(crate) session_id: Option<String>,
    /// Where it is paid, once that is known.
    pub(crate) url: Option<String>,
    /// Who buys.
    pub(crate) person: PersonId,
    /// What is credited once it is paid.
    pub(crate) amount: MicroUsd,
    /// False where no money moves.
    pub(crate) livemode: Option<bool>,
    /// The payment that refunds and disputes name.
    pub(crate) payment_intent: Option<String>,
    /// When it was begun.
    pub(crate) created_at: Moment,
    /// When it was paid.
    pub(crate) credited_at: Option<Moment>,
    /// What was taken back.
    pub(crate) taken: MicroUsd,
}

type Row = (String, Option<String>, Option<String>, String, i64, Option<bool>, Option<String>, i64, Option<i64>, i64);

fn read(row: Row) -> Result<CheckoutRow, StoreError> {
    let (id, session_id, url, person, amount, livemode, payment_intent, created_at, credited_at, taken) = row;
    Ok(CheckoutRow {
        id: id.parse().map_err(|_| StoreError::Unreadable("checkout"))?,
        session_id,
        url,
        person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
        amount: MicroUsd::new(amount),
        livemode,
        payment_intent,
        created_at: Moment::from_millis(created_at),
        credited_at: credited_at.map(Moment::from_millis),
        taken: MicroUsd::new(taken),
    })
}

macro_rules! checkouts {
    ($rest:literal) => {
        concat!(
            "SELECT id, session_id, url, person_id, amount, livemode, payment_intent, created_at, credited_at, taken
             FROM checkouts WHERE ",
            $rest
        )
    };
}

impl CheckoutRow {
    /// The purchase `id`.
    pub(crate) async fn find(on: &mut impl Queryable, id: Ulid) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(on, checkouts!("id = $1"), id.to_string())?;
        row.map(read).transpose()
    }

    /// The purchase of a session.
    pub(crate) async fn of_session(on: &mut impl Queryable, session: &str) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(on, checkouts!("session_id = $1"), session)?;
        row.map(read).transpose()
    }

    /// The purchase that a payment is of.
    pub(crate) async fn of_payment(on: &mut impl Queryable, payment: &str) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(on, checkouts!("payment_intent = $1 ORDER BY id LIMIT 1"), payment)?;
        row.map(read).transpose()
    }

    /// Writes one that is new.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO checkouts (id, session_id, url, person_id, amount, livemode, payment_intent, created_at,
                                    credited_at, taken)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.id.to_string(),
            self.session_id.as_deref(),
            self.url.as_deref(),
            self.person.to_string(),
            self.amount.micros(),
            self.livemode,
            self.payment_intent.as_deref(),
            self.created_at.millis(),
            self.credited_at.map(Moment::millis),
            self.taken.micros(),
        )?;
        Ok(())
    }

    /// Writes what events have said of it.
    pub(crate) async fn update(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE checkouts SET session_id = $2, livemode = $3, payment_intent = $4, credited_at = $5, taken = $6
             WHERE id = $1",
            self.id.to_string(),
            self.session_id.as_deref(),
            self.livemode,
            self.payment_intent.as_deref(),
            self.credited_at.map(Moment::millis),
            self.taken.micros(),
        )?;
        Ok(())
    }

    /// Stripe has made its session. Its events may have said so before.
    pub(crate) async fn is_made(
        write: &mut Write,
        id: Ulid,
        session: &str,
        url: &str,
        livemode: Option<bool>,
    ) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE checkouts SET session_id = $2, url = $3, livemode = COALESCE(livemode, $4) WHERE id = $1",
            id.to_string(),
            session,
            url,
            livemode,
        )?;
        Ok(())
    }

    /// This is its payment, unless events have said so before.
    pub(crate) async fn is_paid_by(write: &mut Write, id: Ulid, payment: &str) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE checkouts SET payment_intent = $2 WHERE id = $1 AND payment_intent IS NULL",
            id.to_string(),
            payment,
        )?;
        Ok(())
    }

    /// Forgets one of which Stripe has made no session.
    pub(crate) async fn forget(write: &mut Write, id: Ulid) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM checkouts WHERE id = $1 AND session_id IS NULL", id.to_string())?;
        Ok(())
    }

    /// Forgets those that nobody has paid since `before`, and what took money back of payments that are none of ours. One that
    /// is paid all the same is known by its signature.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM checkouts WHERE credited_at IS NULL AND created_at < $1",
            before.before(UNPAID).millis(),
        )?;
        execute!(
            write,
            "DELETE FROM checkout_reversals WHERE created_at < $1
             AND NOT EXISTS (SELECT 1 FROM checkouts c WHERE c.payment_intent = checkout_reversals.payment_intent)",
            before.before(UNPAID).millis(),
        )?;
        Ok(())
    }
}

/// How much longer than other rows these are kept: payments and their events may take weeks.
const UNPAID: std::time::Duration = std::time::Duration::from_hours(23 * 24);

/// A refund or a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReversalRow {
    /// Stripe's id of it.
    pub(crate) id: String,
    /// Of which payment; it may be known before the payment is.
    pub(crate) payment_intent: String,
    /// `refund` or `dispute`.
    pub(crate) kind: String,
    /// How much of it.
    pub(crate) amount: MicroUsd,
    /// When it was heard of.
    pub(crate) created_at: Moment,
    /// When it was heard that the money came back: for good.
    pub(crate) over_at: Option<Moment>,
}

impl ReversalRow {
    /// The reversal `id`.
    pub(crate) async fn find(on: &mut impl Queryable, id: &str) -> Result<Option<Self>, StoreError> {
        let row: Option<(String, String, i64, i64, Option<i64>)> = fetch_optional!(
            on,
            "SELECT payment_intent, kind, amount, created_at, over_at FROM checkout_reversals WHERE id = $1",
            id,
        )?;
        Ok(row.map(|(payment_intent, kind, amount, created_at, over_at)| Self {
            id: id.to_owned(),
            payment_intent,
            kind,
            amount: MicroUsd::new(amount),
            created_at: Moment::from_millis(created_at),
            over_at: over_at.map(Moment::from_millis),
        }))
    }

    /// What holds against a payment, in the order in which it was heard of.
    pub(crate) async fn holding(on: &mut impl Queryable, payment: &str) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(String, String, i64, i64)> = fetch_all!(
            on,
            "SELECT id, kind, amount, created_at FROM checkout_reversals
             WHERE payment_intent = $1 AND over_at IS NULL ORDER BY created_at, id",
            payment,
        )?;
        let read = |(id, kind, amount, created_at): (String, String, i64, i64)| Self {
            id,
            payment_intent: payment.to_owned(),
            kind,
            amount: MicroUsd::new(amount),
            created_at: Moment::from_millis(created_at),
            over_at: None,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Writes one that is new.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO checkout_reversals (id, payment_intent, kind, amount, created_at, over_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &self.id,
            &self.payment_intent,
            &self.kind,
            self.amount.micros(),
            self.created_at.millis(),
            self.over_at.map(Moment::millis),
        )?;
        Ok(())
    }

    /// The money of one came back.
    pub(crate) async fn is_over(write: &mut Write, id: &str, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE checkout_reversals SET over_at = $2 WHERE id = $1 AND over_at IS NULL",
            id,
            now.millis(),
        )?;
        Ok(())
    }
}
