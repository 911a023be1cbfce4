//! Many calls at once, on threads; and that many bindings cost no more than a few.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use bitrouter_proto::{clock::monotonic_now, tasks::Tasks};

use super::{super::Why, *};

/// Of a thousand calls on a budget that has little left, on some threads: never more than the limit, and nothing is lost.
async fn crowd() {
    let limits = Arc::new(Limits::default());
    let of = Arc::new(budgets(&limits, &[(1, 100_000), (2, 120_000)]).paid_by(Some(person(1))));
    limits.granted(person(1), usd(1_000_000), at(0));
    let (open, most, paid, let_in) = (AtomicI64::new(0), AtomicI64::new(0), AtomicI64::new(0), AtomicU64::new(0));
    let counts = Arc::new((open, most, paid, let_in));
    let tasks = Tasks::new();
    for number in 0..1_000_u64 {
        let (limits, of, counts) = (Arc::clone(&limits), Arc::clone(&of), Arc::clone(&counts));
        tasks.spawn("call", async move {
            let (open, most, paid, let_in) = &*counts;
            let call = Call { is_stream: number % 2 == 0, ..Call::asks(500 + number % 700) };
            let taking = limits.take(&of, &call, || at(0));
            // Some leave at once, wherever they are.
            if number % 7 == 0 {
                match tokio::time::timeout(Duration::ZERO, taking).await {
                    Ok(Ok(hold)) => hold.undo(&limits, at(0)),
                    Ok(Err(why)) => assert_ne!(why.why, Why::Stale),
                    Err(_) => {}
                }
                return;
            }
            let Ok(hold) = taking.await else { return };
            let reserved = hold.taken().reserved.micros();
            most.fetch_max(open.fetch_add(reserved, Ordering::SeqCst) + reserved, Ordering::SeqCst);
            tokio::task::yield_now().await;
            open.fetch_sub(reserved, Ordering::SeqCst);
            paid.fetch_add(reserved / 3, Ordering::SeqCst);
            let_in.fetch_add(1, Ordering::SeqCst);
            hold.settle(&limits, &cost(reserved / 3), at(0));
        });
    }
    tasks.wait().await;
    let (_, most, paid, let_in) = &*counts;
    let (shown, paid) = (limits.show(&day(1), at(0)).unwrap(), paid.load(Ordering::SeqCst));
    assert_eq!((shown.spent, shown.reserved, limits.waiting()), (usd(paid), usd(0), 0));
    assert!(most.load(Ordering::SeqCst) <= 100_000 && paid <= 100_000);
    assert_eq!((limits.balance(person(1)), limits.reserved(person(1))), (usd(1_000_000 - paid), usd(0)));
    assert!(let_in.load(Ordering::SeqCst) > 100 && limits.is_quiet());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_on_two_threads_stay_within_the_limit() {
    crowd().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_thousand_calls_on_eight_threads_stay_within_the_limit() {
    crowd().await;
}

#[test]
fn a_thousand_bindings_are_a_few_counters() {
    let mut of = Applicable::default();
    for number in 0..1_000_u128 {
        let window = Window::ALL[usize::try_from(number % 3).unwrap()];
        of.add_budget(budget_of(number % 12, window, Funding::Any), usd(1_000), policy(number));
        of.add_rate(rate_of(number % 12, 60), Some(5), Some(7), policy(number));
    }
    assert_eq!((of.budgets().len(), of.rates().len()), (12, 12));
}

/// How long a call holds the lock: printed, to be looked at by hand.
#[test]
fn what_a_call_costs_is_told() {
    for principals in [1, 12] {
        let limits = Limits::default();
        let numbers: Vec<(u128, i64)> = (0..principals).map(|number| (number, i64::MAX / 2)).collect();
        let of = budgets(&limits, &numbers);
        let rounds = 20_000;
        let began = monotonic_now();
        for round in 0..rounds {
            let now = at(round);
            let got = taken(limits.would(&of, &Call::asks(500), now));
            limits.adopt(&of, got, now, now).settle(&limits, &cost(300), now);
        }
        let each = (monotonic_now() - began) / u32::try_from(rounds).unwrap();
        println!("{principals} budgets: {each:?} a call, decided, taken and settled");
        assert_eq!(limits.show(&day(0), at(rounds)).unwrap().spent, usd(300 * rounds));
    }
}
