//! Credit that is bought: sessions of Stripe's hosted checkout, and what its events say of them.
//!
//! The journey of a purchase: [`checkout`] notes it, then has [`stripe`] make a session whose [`metadata`] say, signed, of which
//! node and person it is → the person pays there → Stripe reports that by an event, whose [`signature`] is checked → [`event`]
//! reads it → [`apply`] credits once. Refunds and disputes come the same way and take back what they are of.
//!
//! * `apply`: what an event changes. `running`: purchases that are being made, each once.

mod apply;
mod checkout;
mod event;
mod metadata;
mod running;
mod signature;
mod stripe;
#[cfg(test)]
mod tests;

pub(crate) use self::{checkout::Purchased, running::Running, stripe::CENT};

use bitrouter_proto::account::{Scope, ledger::CheckoutSession};
use http::{Method, StatusCode};
use serde::Serialize;

use self::event::Event;
use crate::{
    api::{answer, answer_made, rest},
    http::{
        Access, Call, Endpoint, body,
        error::{ApiError, Code},
        idempotency::Made,
        members::Members,
    },
};

/// The endpoints of buying.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    rest(Method::POST, "/v1/billing/checkout/sessions", Access::Scope(Scope::BillingWrite), |call| {
        answer_made(create(call))
    }),
    rest(Method::POST, "/v1/billing/stripe/webhook", Access::Open, |call| answer(receive(call))).for_events(),
];

/// The least and the most that is sold at once, in cents.
pub(crate) const AMOUNTS: std::ops::RangeInclusive<i64> = 50..=100_000_000;

/// What Stripe is told of an event that arrived.
#[derive(Debug, Serialize)]
struct Received {
    received: bool,
}

/// Has Stripe make a page on which the caller buys credit.
async fn create(call: Call) -> Result<Made<CheckoutSession>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let cents = members.integer("amount_cents")?;
    members.end()?;
    if !AMOUNTS.contains(&cents) {
        let message = format!("`amount_cents` must be from {} to {}", AMOUNTS.start(), AMOUNTS.end());
        return Err(ApiError::new(Code::BadRequest, message).about("amount_cents"));
    }
    Ok(begin(&call, cents).await?.map(|purchased| purchased.session))
}

/// Begins the purchase that `call` asks for.
///
/// # Errors
/// 409 where this node sells nothing; what Stripe says.
pub(crate) async fn begin(call: &Call, cents: i64) -> Result<Made<Purchased>, ApiError> {
    let Some(stripe) = call.node.settings.load().stripe.clone() else {
        let person = call.granted.person()?;
        let dollars = format!("{}.{:02}", cents / 100, cents % 100);
        let message = format!(
            "this node sells nothing: whoever runs it adds credit with `bitrouter node credit grant {person} {dollars}`"
        );
        return Err(ApiError::new(Code::Conflict, message));
    };
    checkout::create(call, &stripe, cents).await
}

/// Takes an event of Stripe's. Whatever is not known is no error: Stripe would send it again, for days.
async fn receive(call: Call) -> Result<Received, ApiError> {
    if !call.head.headers.contains_key(signature::HEADER) {
        return Err(ApiError::new(Code::BadRequest, "`Stripe-Signature` is missing").about("Stripe-Signature"));
    }
    let Some(stripe) = call.node.settings.load().stripe.clone() else {
        return Err(ApiError::new(Code::NotFound, "this node sells nothing: `[node.stripe]` is not set"));
    };
    let media_type = body::media_type(&call.head.headers);
    if media_type.as_deref() != Some("application/json") {
        let error = ApiError::new(Code::BadRequest, "the body must be `Content-Type: application/json`");
        return Err(error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let now = call.node.clock.wall();
    signature::check(&call.head.headers, &call.body, &stripe.webhook_secret, now)
        .map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let event = Event::read(&call.body).ok_or_else(|| ApiError::new(Code::BadRequest, "the body is no event"))?;
    apply::apply(&call.node, &stripe, event).await?;
    Ok(Received { received: true })
}
