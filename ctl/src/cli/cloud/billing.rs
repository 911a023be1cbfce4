//! `cloud billing`: what is left of the credit, what changed it, and how to add to it.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::{
        MicroUsd,
        ledger::{Balance, ToldTransaction},
    },
    client::{Asked, CheckedOut, Client, IdempotencyKey},
    codes::exit,
};
use clap::Subcommand;

use super::{pages::PageFlags, target::Target};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, NOTHING, Shown, block_text, table_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BillingVerb {
    /// Show what is left of the credit
    Balance {
        #[command(flatten)]
        target: Target,
    },
    /// List what was added to the credit and taken from it, the newest first
    Transactions {
        #[command(flatten)]
        page: PageFlags,
        #[command(flatten)]
        target: Target,
    },
    /// Begin to add to the credit: answers the page on which it is paid
    Checkout {
        /// How much, in US cents: 2000 is $20
        #[arg(long, value_name = "CENTS", value_parser = cents, allow_negative_numbers = true)]
        amount_cents: i64,
        #[command(flatten)]
        target: Target,
    },
}

fn cents(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no whole number of US cents; $20 is 2000"))
}

const TRANSACTIONS: &str = "cloud billing transactions";

/// The columns of transactions.
const COLUMNS: [Column; 6] = [
    Column::new("ID", 30),
    Column::new("KIND", 8),
    Column::number("AMOUNT", 10),
    Column::new("CREATED", 10),
    Column::new("REQUEST", 30).rank(1),
    Column::new("NAMESPACE", 29).only_wide(),
];

pub(super) fn run(context: &Context, verb: &BillingVerb) -> Result<Status, Failure> {
    match verb {
        BillingVerb::Balance { target } => {
            let call = async |client: &Client, asked: &Asked| client.balance(asked).await;
            target.show(context, "cloud billing balance", call, balance_text)
        }
        BillingVerb::Transactions { page, target } => transactions(context, page, target),
        BillingVerb::Checkout { amount_cents, target } => {
            let once = IdempotencyKey::new();
            let call = async |client: &Client, asked: &Asked| client.create_checkout(asked, *amount_cents, &once).await;
            target.show(context, "cloud billing checkout", call, checkout_text)
        }
    }
}

fn checkout_text(checkout: &CheckedOut) -> String {
    let url =
        checkout.url.clone().unwrap_or_else(|| "(not shown: it is neither https nor http to this machine)".to_owned());
    block_text(&[("session id", checkout.id.clone()), ("checkout url", url)])
}

fn balance_text(balance: &Balance) -> String {
    let is_usd = balance.currency.is_empty() || balance.currency.eq_ignore_ascii_case("usd");
    let shown = |amount: MicroUsd| {
        if is_usd { amount.to_string() } else { format!("{} millionths of {}", amount.micros(), balance.currency) }
    };
    block_text(&[
        ("balance", shown(balance.balance_micro_usd)),
        ("pending", shown(balance.pending_debits_micro_usd)),
        ("available", shown(balance.available_micro_usd)),
    ])
}

fn transactions(context: &Context, page: &PageFlags, target: &Target) -> Result<Status, Failure> {
    let rows = page.rows();
    let asked = target.ask(context, TRANSACTIONS, async |client, asked| client.list_transactions(asked, rows).await)?;
    let told = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let printer = context.printer;
    printer.document(&told.json)?;
    let shown = printer.table(page.wide);
    let rows: Vec<_> = told.read.data.iter().map(|row| cells(row, shown)).collect();
    printer.rows(&table_text(&COLUMNS, &rows, shown), "no transactions")?;
    page.note_more(printer, TRANSACTIONS, &target.local.words(), &told.read);
    Ok(Status(exit::OK))
}

fn cells(row: &ToldTransaction, shown: Shown) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
    let kind = if row.kind.is_empty() { NOTHING } else { &row.kind };
    vec![
        row.id.clone(),
        kind.to_owned(),
        row.amount_micro_usd.to_string(),
        when(&row.created_at, matches!(shown, Shown::Terminal { .. })),
        text(&row.request_id),
        text(&row.namespace_id),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_a_block() {
        let balance = Balance {
            balance_micro_usd: MicroUsd::new(-100_000),
            pending_debits_micro_usd: MicroUsd::new(1),
            available_micro_usd: MicroUsd::ZERO,
            currency: "USD".to_owned(),
        };
        assert_eq!(balance_text(&balance), "balance:   -$0.10\npending:   $0.000001\navailable: $0.00");
        let other = Balance { currency: "eur".to_owned(), ..balance };
        assert!(balance_text(&other).starts_with("balance:   -100000 millionths of eur\n"));
    }

    #[test]
    fn a_checkout_is_a_block() {
        let url = Some("https://checkout.stripe.com/c/pay/cs_1".to_owned());
        let checkout = CheckedOut { id: "cs_1".to_owned(), url };
        let expected = "session id:   cs_1\ncheckout url: https://checkout.stripe.com/c/pay/cs_1";
        assert_eq!(checkout_text(&checkout), expected);
        let strange = CheckedOut { url: None, ..checkout };
        assert!(checkout_text(&strange).contains("checkout url: (not shown"));
    }

    #[test]
    fn amounts_are_whole_cents() {
        assert_eq!((cents("2000"), cents("-5")), (Ok(2000), Ok(-5)));
        assert!(cents("20.00").unwrap_err().contains("no whole number"));
    }

    #[test]
    fn transactions_are_a_table() {
        let debit: ToldTransaction = serde_json::from_str(
            r#"{"id":"txn_1","kind":"debit","amount_micro_usd":-41,"request_id":"req_1","namespace_id":"ns_1",
            "created_at":"2026-05-01T00:00:00.000Z"}"#,
        )
        .unwrap();
        let grant = ToldTransaction {
            id: "txn_2".to_owned(),
            kind: "grant".to_owned(),
            amount_micro_usd: MicroUsd::new(5_000_000),
            request_id: None,
            ..debit.clone()
        };
        let shown = Shown::Piped { wide: false };
        let text = table_text(&COLUMNS, &[cells(&grant, shown), cells(&debit, shown)], shown);
        let expected = "txn_2\tgrant\t$5.00\t2026-05-01T00:00:00.000Z\t—\n\
                        txn_1\tdebit\t-$0.000041\t2026-05-01T00:00:00.000Z\treq_1";
        assert_eq!(text, expected);
    }
}
