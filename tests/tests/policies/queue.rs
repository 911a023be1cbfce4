//! P11: a call that does not fit waits for those that are open, in order of arrival, and not for long.

use std::{
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bitrouter_proto::clock::monotonic_now;
use bitrouter_tests::{Gate, Reply, http::Opened, wait};
use serde_json::json;

use crate::bound::{Bound, COUNTED, cost, document};

/// So many wait for one counter.
const PLACES: usize = 64;

/// A stream that holds nearly all of a budget until the gate opens.
fn hold(bound: &Bound, gate: &Gate, tokens: i64) -> Opened {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}});
    bound.provider.next(Reply::stream().token("one").gate(gate).event(usage.to_string()).event("[DONE]").end());
    let mut open = bound.chat("acme:long", &json!({"max_tokens": tokens, "stream": true})).open();
    open.until_contains("\"one\"");
    open
}

/// A call that has to wait for that: its cap is more than what is left, and less than what there is.
fn waiting(bound: &Bound) -> TcpStream {
    bound.chat("acme:m", &json!({"max_tokens": 1_000})).fire()
}

/// True where an answer has begun to come.
fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let came = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).expect("a socket");
    came
}

#[test]
fn p11_a_call_waits_for_an_open_one_and_is_let_in_when_that_ends() {
    let bound = Bound::new();
    bound.budget(cost(1_000, 2_000));
    let gate = Gate::new();
    let open = hold(&bound, &gate, 1_900);
    let waits = waiting(&bound);
    wait::stays("a call to wait", Duration::from_millis(700), || !is_answered(&waits) && bound.provider.count() == 1);
    gate.open();
    open.finish().ok();
    let answer = Opened::read(waits).finish().ok();
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    assert_eq!(bound.released(), cost(10, 1) + COUNTED);
}

#[test]
fn p11_a_call_that_fits_passes_those_that_wait() {
    let bound = Bound::new();
    bound.budget(cost(2_000, 4_000));
    let gate = Gate::new();
    let open = hold(&bound, &gate, 3_700);
    let waits = bound.chat("acme:m", &json!({"max_tokens": 3_000})).fire();
    wait::stays("a call to wait", Duration::from_millis(300), || !is_answered(&waits) && bound.provider.count() == 1);
    let start = monotonic_now();
    let answer = bound.chat("acme:m", &json!({"max_tokens": 50})).send().ok();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(answer.header("x-bitrouter-capped"), None);
    assert!(!is_answered(&waits));
    gate.open();
    open.finish().ok();
    Opened::read(waits).finish().ok();
    assert_eq!(bound.released(), cost(10, 1) + 2 * COUNTED);
}

#[test]
fn p11_a_budget_that_is_bound_while_a_stream_runs_holds_what_that_can_cost() {
    let bound = Bound::new();
    let gate = Gate::new();
    let open = hold(&bound, &gate, 1_900);
    bound.budget(cost(1_000, 2_000));
    let (spent, reserved) = bound.spent();
    assert!(spent == 0 && (cost(0, 1_900)..cost(1_000, 1_900)).contains(&reserved), "{spent} {reserved}");
    let waits = waiting(&bound);
    wait::stays("a call to wait", Duration::from_millis(700), || !is_answered(&waits) && bound.provider.count() == 1);
    gate.open();
    open.finish().ok();
    Opened::read(waits).finish().ok();
    assert_eq!(bound.released(), cost(10, 1) + COUNTED);
}

#[test]
fn p11_nobody_waits_for_longer_than_ten_seconds() {
    let bound = Bound::new();
    let policy = bound.budget(cost(600, 2_000));
    let gate = Gate::new();
    let open = hold(&bound, &gate, 1_900);
    let start = monotonic_now();
    let answer = bound.chat("acme:m", &json!({"max_tokens": 1_000})).send();
    let took = start.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
    // Fewer than a whole reply is worth: nothing else is offered.
    let error = answer.refused(402, "budget_exceeded");
    assert_eq!(error["policy_id"], policy, "{error}");
    assert!(error["reserved_micro_usd"].as_i64().is_some_and(|held| held >= cost(0, 1_900)), "{error}");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(bound.provider.count(), 1);
    gate.open();
    open.finish().ok();
}

#[test]
fn p11_the_sixty_fifth_is_refused_at_once_and_whoever_leaves_makes_room() {
    let bound = Bound::new();
    bound.budget(cost(1_000, 4_000));
    bound.provider.always(|request| document(request, 10, 2));
    let gate = Gate::new();
    let open = hold(&bound, &gate, 3_900);
    let mut waiters: Vec<TcpStream> = (0..=PLACES).map(|_| waiting(&bound)).collect();
    let answered = wait::until("one to be refused", || {
        let answered: Vec<usize> = (0..waiters.len()).filter(|at| is_answered(&waiters[*at])).collect();
        (!answered.is_empty()).then_some(answered)
    });
    assert_eq!(answered.len(), 1, "{answered:?}");
    let refused = Opened::read(waiters.remove(answered[0])).finish();
    let error = refused.refused(402, "budget_exceeded");
    assert!(error["reserved_micro_usd"].as_i64().is_some_and(|held| held > 0), "{error}");
    assert!(refused.header("retry-after").is_some());
    // One leaves: another one has its place.
    drop(waiters.pop());
    let late = wait::until("a free place", || {
        let late = waiting(&bound);
        let refused = AtomicUsize::new(0);
        let is_refused = || {
            if is_answered(&late) {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            refused.load(Ordering::Relaxed) > 0
        };
        let deadline = wait::Deadline::after(Duration::from_millis(300));
        while !deadline.is_over() && !is_refused() {
            std::thread::yield_now();
        }
        (!is_refused()).then_some(late)
    });
    assert_eq!(bound.provider.count(), 1, "nobody was let in");
    waiters.push(late);
    gate.open();
    open.finish().ok();
    for waiter in waiters {
        let answer = Opened::read(waiter).finish();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(bound.released(), cost(10, 1) + i64::try_from(PLACES).expect("a count") * cost(10, 2));
}

#[test]
fn p11_a_crash_leaves_nothing_to_wait_for() {
    let mut bound = Bound::new();
    bound.budget(cost(1_000, 2_000));
    let gate = Gate::new();
    drop(hold(&bound, &gate, 10));
    let _open = hold(&bound, &gate, 1_900);
    bound.killed_and_started();
    let start = monotonic_now();
    let answer = bound.chat("acme:m", &json!({"max_tokens": 1_000})).send();
    let error = answer.refused(402, "budget_exceeded");
    assert!(start.elapsed() < Duration::from_secs(6), "what a crash left is no open call");
    assert!(error["reserved_micro_usd"].as_i64().is_some_and(|held| held > 0), "{error}");
}

#[test]
fn p11_whoever_waits_is_told_when_the_daemon_stops() {
    let bound = Bound::new();
    bound.budget(cost(1_000, 2_000));
    let gate = Gate::new();
    let _open = hold(&bound, &gate, 1_900);
    let waits = waiting(&bound);
    wait::stays("a call to wait", Duration::from_millis(300), || !is_answered(&waits));
    bound.world.cli(["stop", "--timeout", "1"]).expect_code(0);
    Opened::read(waits).finish().refused(503, "unavailable");
    assert_eq!(bound.provider.count(), 1);
}
