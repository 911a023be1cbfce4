//! `/api/v1` (<https://docs.tokenroute.io/docs/api-reference>), with the tokens of a session.

use bitrouter_proto::account::{
    Dollars, MicroUsd,
    everyday::{Credit, MadeKey, Me, OwnKey, Purchase, UsageOfDays},
};
use tonic::Status;

use super::{
    super::asking::{Body, Source},
    Once,
};
use crate::credentials::{RestCall, RestPath};

const ME: &str = "/api/v1/me";
const BALANCE: &str = "/api/v1/balance";
const KEYS: &str = "/api/v1/me/keys";
const TOP_UP: &str = "/api/v1/topup";
const USAGE: &str = "/api/v1/me/usage";

/// A cent.
const CENT: i64 = 10_000;

pub(super) async fn me(source: &Source) -> Result<Me, Status> {
    let me = match source.answered::<Me>(&RestCall::get(RestPath::new(ME)), "account").await {
        Ok(me) if me.balance_usd.is_some() => return Ok(me),
        Ok(me) => me,
        // A credential may show the credit and not the person.
        Err(status) if super::is_answered(&status, "403") => Me { id: source.subject().await, ..Me::default() },
        Err(status) => return Err(status),
    };
    super::with_credit(me, balance(source).await)
}

pub(super) async fn balance(source: &Source) -> Result<Credit, Status> {
    source.answered(&RestCall::get(RestPath::new(BALANCE)), "balance").await
}

pub(super) async fn create_key(source: &Source, name: &str, once: Once) -> Result<MadeKey, Status> {
    let body = Body::default().with("name", name).json();
    source.answered(&RestCall::post(RestPath::new(KEYS)).with_body(body).once(once), "key").await
}

pub(super) async fn keys(source: &Source) -> Result<Vec<OwnKey>, Status> {
    source.answered(&RestCall::get(RestPath::new(KEYS)), "list of keys").await
}

/// What it answers is its own: some say nothing.
pub(super) async fn end_key(source: &Source, id: &str) -> Result<(), Status> {
    source.call(&RestCall::delete(RestPath::new(format!("{KEYS}/{id}")))).await.map(drop)
}

pub(super) async fn top_up(source: &Source, cents: i64, once: Once) -> Result<Purchase, Status> {
    let amount = dollars(cents);
    let body = Body::default().with("amount_usd", amount.to_string()).json();
    let call = RestCall::post(RestPath::new(TOP_UP)).with_body(body).once(once);
    let purchase: Purchase = source.answered(&call, "purchase").await?;
    Ok(Purchase { amount_usd: purchase.amount_usd.or(Some(amount)), ..purchase })
}

pub(super) async fn usage(source: &Source, days: u32) -> Result<UsageOfDays, Status> {
    source.answered(&RestCall::get(RestPath::new(USAGE).with("days", Some(days))), "sum of usage").await
}

/// So many cents.
pub(super) fn dollars(cents: i64) -> Dollars {
    Dollars(MicroUsd::new(cents.saturating_mul(CENT)))
}
