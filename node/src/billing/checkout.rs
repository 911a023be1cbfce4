//! Making a session of checkout, once for each `Idempotency-Key`.
//!
//! The purchase is noted before Stripe is asked, and its id is what Stripe knows the call by: whatever is lost, the same call
//! made again comes to the same session. The database is not held while Stripe thinks.

use std::time::Duration;

use bitrouter_proto::account::{MicroUsd, ledger::CheckoutSession};

use super::{
    metadata::Purchase,
    running::Turn,
    stripe::{CENT, Stripe, StripeError},
};
use crate::{
    clock::Moment,
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::{Claim, ClaimError, Made},
    },
    outbound::OutboundError,
    secret::random_ulid,
    settings::StripeSettings,
    store::{CheckoutRow, IdempotencyRow},
};

/// How long a call waits for another one with the same key.
const WAIT: Duration = Duration::from_secs(5);

/// A session, and when its purchase was begun.
#[derive(Debug)]
pub(crate) struct Purchased {
    /// Where it is paid.
    pub(crate) session: CheckoutSession,
    /// Not after the session was made.
    pub(crate) since: Moment,
}

/// Whose turn it is to make a session.
enum Claimed {
    /// It was made.
    Made(Purchased),
    /// This call's; `is_first` where nobody has tried before.
    Mine { row: CheckoutRow, turn: Turn, is_first: bool },
    /// Another call's, which is running.
    Running,
}

/// Makes the session that `call` asks for, or finds the one that it has made before.
pub(super) async fn create(call: &Call, settings: &StripeSettings, cents: i64) -> Result<Made<Purchased>, ApiError> {
    let mut ends = call.node.billing.ends();
    let claimed = async {
        loop {
            match claim(call, cents).await? {
                Claimed::Running => {
                    // The sender lives as long as the node.
                    let _ = ends.changed().await;
                }
                claimed => return Ok::<_, ApiError>(claimed),
            }
        }
    };
    let claimed = tokio::time::timeout(WAIT, claimed).await;
    match claimed.unwrap_or_else(|_| Err(running()))? {
        Claimed::Made(session) => Ok(Made::Again(session)),
        Claimed::Mine { row, turn, is_first } => {
            let since = row.created_at;
            let purchased = Purchased { session: make(call, settings, row, turn).await?, since };
            Ok(if is_first { Made::New(purchased) } else { Made::Again(purchased) })
        }
        Claimed::Running => Err(running()),
    }
}

fn running() -> ApiError {
    ClaimError::Running.into()
}

async fn claim(call: &Call, cents: i64) -> Result<Claimed, ApiError> {
    let node = &call.node;
    let mut write = node.store.write().await?;
    match Claim::of(call, &mut write).await? {
        Claim::Used(used) => {
            let row = match used.resource() {
                Some(id) => CheckoutRow::find(&mut write, id).await?,
                None => None,
            };
            let Some(row) = row else {
                return Err(ApiError::new(Code::Conflict, "this `Idempotency-Key` was used, and what it made is gone"));
            };
            if let (Some(id), Some(url)) = (row.session_id.clone(), row.url.clone()) {
                return Ok(Claimed::Made(Purchased { session: CheckoutSession { id, url }, since: row.created_at }));
            }
            Ok(match node.billing.begin(row.id) {
                Some(turn) => Claimed::Mine { row, turn, is_first: false },
                None => Claimed::Running,
            })
        }
        Claim::Free(free) => {
            let now = node.clock.wall();
            let row = CheckoutRow {
                id: random_ulid(now),
                session_id: None,
                url: None,
                person: call.granted.person()?,
                amount: MicroUsd::new(cents.saturating_mul(CENT)),
                livemode: None,
                payment_intent: None,
                created_at: now,
                credited_at: None,
                taken: MicroUsd::ZERO,
            };
            row.insert(&mut write).await?;
            if let Some(free) = free {
                free.keep(&mut write, &row.id.to_string(), None::<&CheckoutSession>).await?;
            }
            let Some(turn) = node.billing.begin(row.id) else { return Ok(Claimed::Running) };
            write.commit().await?;
            Ok(Claimed::Mine { row, turn, is_first: true })
        }
    }
}

/// Asks Stripe. Nobody else does so for this purchase until `turn` ends.
async fn make(
    call: &Call,
    settings: &StripeSettings,
    row: CheckoutRow,
    turn: Turn,
) -> Result<CheckoutSession, ApiError> {
    let node = &call.node;
    let stripe = Stripe { settings, outbound: &*node.outbound };
    let purchase = Purchase { checkout: row.id, person: row.person, amount: row.amount };
    let console = node.console_url();
    let asked = stripe.create_session(&purchase, node.id(), &node.key, &console);
    let asked = node.ending.run_until_cancelled(asked).await;
    let asked =
        asked.unwrap_or_else(|| Err(StripeError::Outbound(OutboundError::Lost("the node is stopping".to_owned()))));
    let session = match asked {
        Ok(session) => session,
        Err(error) => {
            if error.is_final() {
                let mut write = node.store.write().await?;
                IdempotencyRow::forget(&mut write, &row.id.to_string()).await?;
                CheckoutRow::forget(&mut write, row.id).await?;
                write.commit().await?;
            }
            return Err(error.into());
        }
    };
    let mut write = node.store.write().await?;
    CheckoutRow::is_made(&mut write, row.id, &session.id, &session.url, session.livemode).await?;
    if let Some(payment_intent) = &session.payment_intent {
        CheckoutRow::is_paid_by(&mut write, row.id, payment_intent).await?;
    }
    write.commit().await?;
    drop(turn);
    Ok(CheckoutSession { id: session.id, url: session.url })
}
