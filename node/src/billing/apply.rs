//! What an event changes. Events come in any order and any number of times: what is true in the end depends on neither.
//!
//! What a session gave is its amount once it is paid, less what refunds and disputes that hold have taken, which is never more.
//! Each change of that is a transaction of its own.

use bitrouter_proto::account::{MicroUsd, PersonId};

use super::{
    event::{Event, Reversal, Reversed, Session, What, refund},
    metadata::Purchase,
    stripe::{CENT, Stripe, livemode_of},
};
use crate::{
    Node,
    http::error::{ApiError, Code},
    secret::random_ulid,
    settings::StripeSettings,
    store::{CheckoutRow, PersonRow, ReversalRow, StoreError, Write, ledger},
};

/// Does what `event` says.
///
/// # Errors
/// 500 where it was not written: Stripe sends it again.
pub(super) async fn apply(node: &Node, settings: &StripeSettings, event: Event) -> Result<(), ApiError> {
    let told = [livemode_of(&settings.secret_key), event.livemode, event.of_object];
    let livemode = told.iter().copied().flatten().next();
    if told.iter().flatten().any(|one| Some(*one) != livemode) {
        tracing::warn!("an event of Stripe's other mode changes nothing");
        return Ok(());
    }
    let applying = Applying { node, livemode };
    let done = match event.what {
        What::Session(session) => applying.session(&session).await,
        What::Reversals(reversals) => applying.reversals(&reversals).await,
        What::RefundsOf(payment_intent) => applying.refunds_of(settings, &payment_intent).await,
        What::Nothing => Ok(()),
    };
    done.map_err(|error| {
        tracing::error!(%error, "an event of Stripe's was not written; Stripe sends it again");
        ApiError::new(Code::Internal, "it was not written; send it again")
    })
}

/// Why an event was not written.
#[derive(Debug, thiserror::Error)]
enum NotApplied {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Stripe(#[from] super::stripe::StripeError),
    #[error("{0} would have more credit than can be held")]
    TooMuch(PersonId),
}

struct Applying<'a> {
    node: &'a Node,
    livemode: Option<bool>,
}

/// What memory must know once a transaction is durable.
type Changes = Vec<(PersonId, MicroUsd)>;

impl Applying<'_> {
    async fn session(&self, session: &Session) -> Result<(), NotApplied> {
        let mut write = self.node.store.write().await?;
        let Some(mut row) = self.checkout_of(&mut write, session).await? else { return Ok(()) };
        if !self.is_of_mode(&row) {
            return Ok(());
        }
        row.payment_intent = session.payment_intent.clone().or(row.payment_intent);
        row.livemode = row.livemode.or(self.livemode);
        let mut changes = Changes::new();
        if session.is_paid && row.credited_at.is_none() {
            self.look_at(&mut write, &row, session).await?;
            self.enter(&mut write, &row, "checkout", row.amount, &mut changes).await?;
            row.credited_at = Some(self.node.clock.wall());
        }
        self.settle(&mut write, &mut row, None, &mut changes).await?;
        row.update(&mut write).await?;
        self.commit(write, changes).await
    }

    /// Says what only whoever runs the node can put right. What is credited is what was sold.
    async fn look_at(&self, write: &mut Write, row: &CheckoutRow, session: &Session) -> Result<(), StoreError> {
        let (cents, currency) = &session.total;
        let sold = row.amount.micros() / CENT;
        if cents.is_some_and(|cents| cents != sold) || !matches!(currency.as_str(), "" | "usd") {
            let (id, paid) = (&session.id, cents.unwrap_or_default());
            tracing::warn!(session = %id, paid, %currency, sold, "Stripe was paid another amount than was sold, which is credited");
        }
        if PersonRow::by_id(write, row.person).await?.is_none() {
            let (id, person) = (&session.id, row.person);
            tracing::error!(session = %id, %person, "somebody who was removed has paid: give the money back at Stripe");
        }
        Ok(())
    }

    /// The row of a session that this node has made; a paid one that the database does not know gets its row here.
    async fn checkout_of(&self, write: &mut Write, session: &Session) -> Result<Option<CheckoutRow>, NotApplied> {
        if let Some(row) = CheckoutRow::of_session(write, &session.id).await? {
            return Ok(Some(row));
        }
        let Some(purchase) = Purchase::read(&session.metadata, self.node.id(), &self.node.key) else { return Ok(None) };
        let session_id = Some(session.id.clone());
        let known = CheckoutRow::find(write, purchase.checkout).await?;
        if let Some(row) = known.clone().filter(|row| row.session_id.is_none()) {
            return Ok(Some(CheckoutRow { session_id, ..row }));
        }
        if !session.is_paid {
            return Ok(None);
        }
        let row = CheckoutRow {
            id: if known.is_some() { random_ulid(self.node.clock.wall()) } else { purchase.checkout },
            session_id,
            url: None,
            person: purchase.person,
            amount: purchase.amount,
            livemode: self.livemode,
            payment_intent: None,
            created_at: self.node.clock.wall(),
            credited_at: None,
            taken: MicroUsd::ZERO,
        };
        row.insert(write).await?;
        Ok(Some(row))
    }

    fn is_of_mode(&self, row: &CheckoutRow) -> bool {
        let is_same = row.livemode.is_none() || self.livemode.is_none() || row.livemode == self.livemode;
        if !is_same {
            tracing::warn!(checkout = %row.id, "an event of Stripe's other mode is of a session of ours, and changes nothing");
        }
        is_same
    }

    async fn refunds_of(&self, settings: &StripeSettings, payment_intent: &str) -> Result<(), NotApplied> {
        let known = CheckoutRow::of_payment(&mut self.node.store.read().await?, payment_intent).await?;
        if known.is_none() {
            return Ok(());
        }
        let stripe = Stripe { settings, outbound: &*self.node.outbound };
        let refunds = stripe.refunds_of(payment_intent).await?;
        let read: Vec<Reversal> = refunds.iter().filter_map(|one| refund(one, Some(payment_intent))).collect();
        self.reversals(&read).await
    }

    async fn reversals(&self, reversals: &[Reversal]) -> Result<(), NotApplied> {
        let mut write = self.node.store.write().await?;
        let mut changes = Changes::new();
        for reversal in reversals {
            let row = CheckoutRow::of_payment(&mut write, &reversal.payment_intent).await?;
            // One that comes before its session is kept: the session finds it.
            if row.as_ref().is_none_or(|row| self.is_of_mode(row))
                && self.note(&mut write, reversal).await?
                && let Some(mut row) = row
            {
                self.settle(&mut write, &mut row, Some(reversal), &mut changes).await?;
                row.update(&mut write).await?;
            }
        }
        self.commit(write, changes).await
    }

    /// Notes what is said of a reversal; true where that is new.
    async fn note(&self, write: &mut Write, reversal: &Reversal) -> Result<bool, StoreError> {
        let now = self.node.clock.wall();
        match ReversalRow::find(write, &reversal.id).await? {
            None => {
                let row = ReversalRow {
                    id: reversal.id.clone(),
                    payment_intent: reversal.payment_intent.clone(),
                    kind: reversal.kind.word(false).to_owned(),
                    amount: reversal.amount,
                    created_at: now,
                    over_at: reversal.is_over.then_some(now),
                };
                row.insert(write).await.map(|()| true)
            }
            Some(row) if reversal.is_over && row.over_at.is_none() => {
                ReversalRow::is_over(write, &reversal.id, now).await.map(|()| true)
            }
            Some(_) => Ok(false),
        }
    }

    /// Has a credited session give back what holds against it; `by` is what changed that, where one did.
    async fn settle(
        &self,
        write: &mut Write,
        row: &mut CheckoutRow,
        by: Option<&Reversal>,
        changes: &mut Changes,
    ) -> Result<(), NotApplied> {
        let (Some(payment_intent), Some(_)) = (&row.payment_intent, row.credited_at) else { return Ok(()) };
        let mut held: i128 = 0;
        let holding = ReversalRow::holding(write, payment_intent).await?;
        for reversal in &holding {
            held += i128::from(reversal.amount.micros());
            let target = MicroUsd::new(i64::try_from(held).unwrap_or(i64::MAX)).min(row.amount);
            let word = Reversed::parse(&reversal.kind).ok_or(StoreError::Unreadable("kind of reversal"))?.word(false);
            if target > row.taken {
                self.enter(write, row, word, row.taken.minus(target), changes).await?;
                row.taken = target;
            }
        }
        let target = MicroUsd::new(i64::try_from(held).unwrap_or(i64::MAX)).min(row.amount);
        if let Some(by) = by.filter(|_| target < row.taken) {
            self.enter(write, row, by.kind.word(true), row.taken.minus(target), changes).await?;
            row.taken = target;
        }
        Ok(())
    }

    async fn enter(
        &self,
        write: &mut Write,
        row: &CheckoutRow,
        word: &'static str,
        amount: MicroUsd,
        changes: &mut Changes,
    ) -> Result<(), NotApplied> {
        let entered = ledger::add_entry(write, row.person, word, amount, self.node.clock.wall()).await?;
        entered.ok_or(NotApplied::TooMuch(row.person))?;
        changes.push((row.person, amount));
        Ok(())
    }

    async fn commit(&self, write: Write, changes: Changes) -> Result<(), NotApplied> {
        write.commit().await?;
        for (person, amount) in changes {
            self.node.ledger.granted(person, amount);
        }
        Ok(())
    }
}
