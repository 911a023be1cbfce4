//! `node credit`.

use bitrouter_proto::{
    account::{AmountError, MicroUsd},
    client::Granted,
    codes::exit,
};
use clap::Subcommand;
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CreditVerb {
    /// Add to somebody's credit
    Grant {
        /// A person, by name or id, or the id of a namespace, whose owner is meant
        who: String,
        /// How much, in US dollars, like `5` or `0.25`
        #[arg(value_name = "USD", value_parser = amount, allow_negative_numbers = true)]
        amount: MicroUsd,
    },
}

fn amount(text: &str) -> Result<MicroUsd, AmountError> {
    MicroUsd::parse_dollars(text)
}

pub(super) fn run(context: &Context, verb: &CreditVerb) -> Result<Status, Failure> {
    let CreditVerb::Grant { who, amount } = verb;
    let granted: Granted = context.wait(async { Ok(context.connect().await?.grant_credit(who, *amount).await?) })?;
    let Granted { transaction, person, name, balance } = granted;
    context.printer.json(&json!({
        "id": transaction.id, "kind": transaction.kind, "amount_micro_usd": transaction.amount_micro_usd,
        "created_at": transaction.created_at, "person_id": person, "balance_micro_usd": balance,
    }))?;
    let amount = transaction.amount_micro_usd;
    context.printer.stdout(&format!("`{name}` ({person}) was given {amount} and has {balance} now"))?;
    Ok(Status(exit::OK))
}
