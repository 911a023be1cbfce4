//! Who pays, and what an empty credit does.

use bitrouter_tests::{Reply, ledger::number, wait};
use serde_json::json;

use crate::acme::{Acme, MAX_OUTPUT, PRICES};

const REQUIRED: &str = "[node]\ncredit = \"required\"\n";

fn counted() -> Reply {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    Reply::json(200, json!({"choices": [], "usage": usage}).to_string())
}

#[test]
fn an_empty_credit_is_refused_and_a_granted_one_is_spent_to_the_cent() {
    let acme = Acme::with(REQUIRED);
    let error = acme.http().chat("acme:m", "x").send().refused(402, "insufficient_credit");
    let said = error.to_string();
    assert!(said.contains("node credit grant") && said.contains("credit = "), "{said}");
    assert_eq!(acme.provider.count(), 0);
    assert!(acme.books.rows().is_empty(), "a refused call leaves no row");
    acme.world.cli(["node", "credit", "grant", &acme.books.session.namespace, "0.5"]).expect_code(0);
    let balance = acme.books.balance();
    assert_eq!(number(&balance, "balance_micro_usd"), 500_000, "{balance}");
    acme.provider.next(counted());
    acme.http().chat("acme:m", "x").send().ok();
    let row = &acme.books.settled(1)[0];
    let cost = 100 * PRICES[0] + 10 * PRICES[4];
    assert_eq!((number(row, "final_charge_micro_usd"), number(row, "cost_micro_usd")), (cost, cost), "{row}");
    assert_eq!(row["funding_source"], "cloud_credit", "{row}");
    let balance = acme.books.balance();
    assert_eq!(number(&balance, "balance_micro_usd"), 500_000 - cost, "{balance}");
    assert_eq!((number(&balance, "pending_debits_micro_usd"), &balance["currency"]), (0, &json!("usd")), "{balance}");
    let transactions = acme.books.transactions();
    let sum: i64 = transactions.iter().map(|row| number(row, "amount_micro_usd")).sum();
    assert_eq!((transactions.len(), sum), (2, 500_000 - cost), "{transactions:?}");
    assert_eq!(transactions[0]["request_id"], row["id"], "{transactions:?}");
}

#[test]
fn what_may_still_be_taken_is_pending_while_a_call_runs() {
    let acme = Acme::with(REQUIRED);
    acme.world.cli(["node", "credit", "grant", &acme.books.session.namespace, "5"]).expect_code(0);
    let gate = bitrouter_tests::Gate::new();
    acme.provider.next(Reply::stream().token("one").gate(&gate).done());
    let mut open = acme.http().chat_stream("acme:m", "hello").open();
    open.until_contains("\"one\"");
    let pending = wait::until("what is pending", || {
        Some(number(&acme.books.balance(), "pending_debits_micro_usd")).filter(|pending| *pending > 0)
    });
    // The longest output, and some input.
    assert!((MAX_OUTPUT * PRICES[4]..MAX_OUTPUT * PRICES[4] + 10_000).contains(&pending), "{pending}");
    let row = &acme.books.rows()[0];
    assert_eq!(number(row, "reserved_micro_usd"), pending, "{row}");
    let balance = acme.books.balance();
    assert_eq!(number(&balance, "available_micro_usd"), 5_000_000 - pending, "{balance}");
    gate.open();
    open.finish().ok();
    acme.books.settled(1);
    assert_eq!(number(&acme.books.balance(), "pending_debits_micro_usd"), 0);
}

#[test]
fn credit_is_lost_in_no_crash() {
    let mut acme = Acme::with(REQUIRED);
    acme.world.cli(["node", "credit", "grant", &acme.books.session.namespace, "5"]).expect_code(0);
    acme.provider.next(counted());
    acme.http().chat("acme:m", "x").send().ok();
    // The reply is here: so is its row, whatever happens now.
    acme.daemon.kill();
    acme.start_again();
    let cost = 100 * PRICES[0] + 10 * PRICES[4];
    assert_eq!(number(&acme.books.balance(), "balance_micro_usd"), 5_000_000 - cost);
    assert_eq!(acme.books.settled(1).len(), 1);
}

#[test]
fn a_node_that_is_off_serves_nobody_whose_calls_need_credit() {
    let mut acme = Acme::with(REQUIRED);
    assert!(acme.world.path("data/bitrouter/node.bound").exists());
    acme.daemon.kill();
    // Whatever the settings say now, the node was bound when it was last on.
    acme.world.config("");
    acme.world.write("data/bitrouter/node.db", vec![b'x'; 4096]);
    // All of a young database is in its log, which would make it whole again.
    std::fs::remove_file(acme.world.path("data/bitrouter/node.db-wal")).expect("the log of the database");
    acme.daemon = acme.serve().start();
    let error = acme.http().chat("acme:m", "x").send().refused(503, "unavailable");
    assert!(error.to_string().contains("node.db"), "{error}");
    assert!(acme.daemon.warning("unmetered").is_none());
    assert_eq!(acme.provider.count(), 0);
}

#[test]
fn the_mark_comes_and_goes_with_the_settings() {
    let acme = Acme::new();
    let mark = acme.world.path("data/bitrouter/node.bound");
    assert!(!mark.exists());
    acme.world.config(REQUIRED);
    acme.daemon.reload();
    wait::holds("the mark", || mark.exists());
    acme.http().chat("acme:m", "x").send().refused(402, "insufficient_credit");
    acme.world.config("");
    acme.daemon.reload();
    wait::holds("no mark", || !mark.exists());
    acme.provider.next(counted());
    acme.http().chat("acme:m", "x").send().ok();
}

bitrouter_test_postgres::once_more_on_postgres!(
    an_empty_credit_is_refused_and_a_granted_one_is_spent_to_the_cent,
    credit_is_lost_in_no_crash,
);
