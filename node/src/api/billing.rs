//! `/v1/billing`: the credit of the person behind the credential, and what it is made of.

use bitrouter_proto::account::{
    MicroUsd, TransactionId,
    ledger::{Balance, Page, Transaction},
};

use crate::{
    http::{Call, error::ApiError, granted::Actor, query::Query},
    store::ledger::{self, TransactionsOf},
};

/// The parameters of a list of transactions.
pub(super) const PAGE: &[&str] = &["limit", "offset", "cursor"];

/// What the person has, and what open calls may take of it.
pub(super) async fn balance(call: Call) -> Result<Balance, ApiError> {
    let credit = ledger::credit_of(&mut call.node.store.read().await?, call.granted.person()?).await?;
    Ok(Balance {
        balance_micro_usd: credit.balance,
        pending_debits_micro_usd: credit.pending,
        available_micro_usd: credit.balance.minus(credit.pending).max(MicroUsd::ZERO),
        currency: "usd".to_owned(),
    })
}

/// A page of transactions, the newest first. A credential is baked to one namespace: what others took is one sum a day.
pub(super) async fn transactions(call: Call) -> Result<Page<Transaction>, ApiError> {
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let (limit, offset, cursor) = (query.limit()?, query.offset()?, query.id::<TransactionId>("cursor")?);
    let only = match call.granted.actor {
        Actor::Token(principal) => Some(principal.namespace),
        Actor::Person(_) | Actor::Socket(_) | Actor::Operator(_) | Actor::Anyone => None,
    };
    let of = TransactionsOf { person: call.granted.person()?, only };
    let mut read = call.node.store.read().await?;
    let rows = ledger::transactions(&mut read, of, cursor, limit + 1, offset).await?;
    Ok(super::page(rows, limit, offset, |row| row.id.to_string()))
}
