//! `GET /api/v1/me` and `GET /api/v1/balance`: the person behind the credential, and what is left of the credit.

use bitrouter_proto::account::{MicroUsd, PersonId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{balance_of, dollars};
use crate::{
    api::account,
    http::{Call, error::ApiError},
    store::ledger,
};

/// The person behind a credential.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Me")]
pub(crate) struct Me {
    /// Who.
    id: PersonId,
    /// How the person wants to be called.
    display_name: String,
    /// Null: this node knows none.
    email: Option<String>,
    /// Who, as the `sub` of the person's tokens has it.
    logto_sub: PersonId,
    /// What is left of the credit, in US dollars; null for a credential that may not read it.
    balance_usd: Option<String>,
    /// Always `active`: nobody else has a credential.
    status: &'static str,
}

/// What is left of the credit.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "BalanceInDollars")]
pub(crate) struct Balance {
    /// In US dollars: two digits behind the point at least, six at most.
    balance_usd: String,
    /// Always `USD`.
    currency: &'static str,
}

pub(super) async fn me(call: Call) -> Result<Me, ApiError> {
    let person = account::read(&call.node, call.granted.person()?).await?;
    let balance_usd = balance_of(&call).await?;
    Ok(Me {
        id: person.id,
        display_name: person.display_name,
        email: person.email,
        logto_sub: person.id,
        balance_usd,
        status: "active",
    })
}

pub(super) async fn balance(call: Call) -> Result<Balance, ApiError> {
    Ok(Balance { balance_usd: dollars(credit(&call).await?), currency: "USD" })
}

/// The credit of the person behind the call.
pub(super) async fn credit(call: &Call) -> Result<MicroUsd, ApiError> {
    let credit = ledger::credit_of(&mut call.node.store.read().await?, call.granted.person()?).await?;
    Ok(credit.balance)
}
