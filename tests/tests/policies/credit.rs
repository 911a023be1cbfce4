//! P11: credit is reserved like a budget, and never overdrawn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use bitrouter_tests::{Reply, wait};
use serde_json::json;

use crate::bound::{Bound, COUNTED, chat, cost, document};

const REQUIRED: &str = "[node]\ncredit = \"required\"\n";

fn balance(bound: &Bound, name: &str) -> i64 {
    let answer = bound.http().get("/v1/billing/balance").bearer(&bound.token).send().ok().json();
    answer[name].as_i64().unwrap_or_else(|| panic!("no `{name}` in {answer}"))
}

#[test]
fn p11_a_hundred_calls_at_once_never_overdraw_the_credit() {
    let bound = Bound::with(REQUIRED);
    let granted = 100_000;
    bound.world.cli(["node", "credit", "grant", &bound.namespace, "0.1"]).expect_code(0);
    let billed = Arc::new(AtomicI64::new(0));
    let sum = Arc::clone(&billed);
    // Each call costs its whole cap, and less than its whole input.
    bound.provider.always(move |request| {
        let cap = request.json()["max_tokens"].as_u64().expect("a cap");
        sum.fetch_add(cost(30, i64::try_from(cap).expect("a cap")), Ordering::Relaxed);
        document(request, 30, cap)
    });
    let http = bound.http();
    let answers: Vec<u16> = thread::scope(|scope| {
        let call = move || chat(http, "acme:m", &json!({"max_tokens": 100})).send().status;
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller")).collect()
    });
    let (sent, refused) =
        (answers.iter().filter(|status| **status == 200), answers.iter().filter(|status| **status == 402));
    let (sent, refused) = (sent.count(), refused.count());
    assert_eq!(sent + refused, 100, "{answers:?}");
    assert!(sent >= 12 && refused > 0, "{sent} were sent, {refused} refused");
    let billed = billed.load(Ordering::Relaxed);
    assert!(billed <= granted, "{billed}");
    wait::holds("nothing to be pending", || balance(&bound, "pending_debits_micro_usd") == 0);
    wait::holds("the balance", || balance(&bound, "balance_micro_usd") == granted - billed);
}

#[test]
fn p11_credit_caps_waits_and_names_both_ways_out() {
    let bound = Bound::with(REQUIRED);
    let error = bound.chat("acme:m", &json!({"max_tokens": 10})).send().refused(402, "insufficient_credit");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("node credit grant") && message.contains("credit = \"off\""), "{message}");
    assert_eq!(error["max_affordable_tokens"], 0, "{error}");
    bound.chat("acme:unpriced", &json!({"max_tokens": 10})).send().refused(402, "price_unknown");
    bound.chat("acme:free", &json!({})).send().ok();
    bound.world.cli(["node", "credit", "grant", &bound.namespace, "0.04"]).expect_code(0);
    let answer = bound.chat("acme:m", &json!({})).send().ok();
    let cap: i64 = answer.header("x-bitrouter-capped").expect("a cap").parse().expect("a number");
    assert!((760..=800).contains(&cap), "{cap}");
    assert_eq!(bound.settled(2)[0]["final_charge_micro_usd"], COUNTED);
    // What credit pays counts in a budget that counts only that.
    let policy =
        bound.policy("budget", &json!({"window": "day", "limit_micro_usd": COUNTED + 1_000, "funding": "credit"}));
    bound.bind(&policy, "namespace", &bound.namespace);
    assert_eq!(bound.spent(), (COUNTED, 0));
    let error = bound.chat("acme:m", &json!({"max_tokens": 500})).send().refused(402, "budget_exceeded");
    assert_eq!(error["policy_id"], policy, "{error}");
    // With credit off it counts nothing.
    bound.world.config("");
    bound.daemon.reload();
    bound.provider.next(Reply::json(200, r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9}}"#));
    bound.chat("acme:m", &json!({"max_tokens": 500})).send().ok();
    bound.settled(3);
    assert_eq!(bound.spent(), (COUNTED, 0));
}
