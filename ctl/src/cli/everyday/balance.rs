//! `balance`: what is left of the credit.

use std::ops::ControlFlow;

use bitrouter_proto::{account::everyday::Credit, client::Told, codes::exit};
use clap::Args;

use super::whom::Whom;
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct BalanceArgs {
    #[command(flatten)]
    whom: Whom,
}

pub(super) fn run(context: &Context, args: &BalanceArgs) -> Result<Status, Failure> {
    let asked = args.whom.ask(context, "balance", async |client, asked| client.show_balance(asked).await)?;
    let Told { read, json } = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    context.printer.document(&json)?;
    context.printer.stdout(&text(&read))?;
    Ok(Status(exit::OK))
}

fn text(credit: &Credit) -> String {
    let currency = credit.currency.as_deref().filter(|currency| !currency.eq_ignore_ascii_case("usd"));
    let amount = match currency {
        None => credit.balance_usd.0.to_string(),
        Some(currency) => format!("{} {currency}", credit.balance_usd),
    };
    block_text(&[("balance", amount)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_one_line() {
        let credit = |json| text(&serde_json::from_str(json).unwrap());
        assert_eq!(credit(r#"{"balance_usd":"5.00","currency":"USD"}"#), "balance: $5.00");
        assert_eq!(credit(r#"{"balance_usd":"-0.000001"}"#), "balance: -$0.000001");
        assert_eq!(credit(r#"{"balance_usd":"5","currency":"EUR"}"#), "balance: 5.00 EUR");
    }
}
