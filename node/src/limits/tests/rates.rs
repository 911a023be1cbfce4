//! Requests and tokens in a window.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Applicable, Limits, Measure, Past, Why},
    *,
};

const MINUTE: u64 = 60;

fn rated(limits: &Limits, of: &[(u128, Option<i64>, Option<i64>)]) -> Arc<Applicable> {
    let mut applicable = Applicable::default();
    for (number, requests, tokens) in of {
        let key = rate_of(*number, MINUTE);
        applicable.add_rate(key, *requests, *tokens, policy(*number));
        if !limits.has_rate(&key) {
            limits.put_rate(key, [], at(0));
        }
    }
    Arc::new(applicable)
}

fn admit(limits: &Limits, applicable: &Arc<Applicable>, call: &Call, now: Moment) -> Hold {
    limits.adopt(applicable, taken(limits.would(applicable, call, now)), now, now)
}

#[test]
fn a_call_beyond_the_rate_is_told_when_it_would_pass() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(2), None)]);
    for time in [0, 5_000] {
        admit(&limits, &of, &Call::new(), at(time)).settle(&limits, &cost(5), at(time));
    }
    let why = refused(limits.would(&of, &Call::new(), at(7_000)));
    assert_eq!((why.why, why.policy), (Why::RateLimited, Some(policy(1))));
    assert_eq!((why.retry_after, why.resets_at), (Some(Duration::from_secs(53)), Some(at(60_000))));
    refused(limits.would(&of, &Call::new(), at(59_999)));
    taken(limits.would(&of, &Call::new(), at(60_000)));
}

#[test]
fn it_would_pass_once_it_passes_all_of_its_limits() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(2), Some(1_000)), (2, Some(1), None)]);
    let other = rated(&limits, &[(1, Some(2), Some(1_000))]);
    let _open = admit(&limits, &other, &Call::asks(700), at(0));
    let _open = admit(&limits, &of, &Call::asks(200), at(10_000));
    let why = refused(limits.would(&of, &Call::asks(300), at(20_000)));
    assert_eq!((why.policy, why.retry_after), (Some(policy(2)), Some(Duration::from_secs(50))));
    let why = refused(limits.would(&other, &Call::asks(300), at(20_000)));
    assert_eq!((why.policy, why.retry_after), (Some(policy(1)), Some(Duration::from_secs(40))));
    taken(limits.would(&of, &Call::asks(300), at(70_000)));
}

#[test]
fn a_call_that_can_never_pass_is_told_so() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(1), Some(1_000))]);
    let _open = admit(&limits, &of, &Call::asks(10), at(0));
    let why = refused(limits.would(&of, &Call { replies: 2, ..Call::asks(501) }, at(0)));
    assert_eq!((why.why, why.policy, why.retry_after), (Why::ExceedsLimit, Some(policy(1)), None));
    assert_eq!(why.numbers.map(|numbers| (numbers.measure, numbers.needs)), Some((Measure::Tokens, Some(1_002))));
    // At the limit it passes, some time.
    assert_eq!(refused(limits.would(&of, &Call { replies: 2, ..Call::asks(500) }, at(0))).why, Why::RateLimited);
}

#[test]
fn a_refused_call_does_not_count_and_one_that_was_not_sent_gives_all_back() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(1), Some(1_000)), (2, Some(9), None)]);
    let hold = admit(&limits, &of, &Call::asks(1_000), at(0));
    for _ in 0..20 {
        refused(limits.would(&of, &Call::asks(1), at(1)));
    }
    hold.undo(&limits, at(2));
    let hold = admit(&limits, &of, &Call::asks(1_000), at(3));
    hold.settle(&limits, &Came::default(), at(4));
    // One that was sent counts, whatever came of it.
    assert_eq!(refused(limits.would(&of, &Call::asks(1), at(5))).retry_after, Some(Duration::from_millis(59_998)));
}

#[test]
fn output_is_declared_before_and_true_after() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, None, Some(1_000))]);
    let hold = admit(&limits, &of, &Call { replies: 2, ..Call::asks(300) }, at(0));
    assert_eq!(hold.taken().declared, 600);
    refused(limits.would(&of, &Call::asks(401), at(1)));
    hold.settle(&limits, &Came { output_tokens: 100, ..Came::default() }, at(2));
    taken(limits.would(&of, &Call::asks(900), at(3)));
    refused(limits.would(&of, &Call::asks(901), at(3)));
    // More than declared is counted as well.
    let hold = admit(&limits, &of, &Call::asks(100), at(4));
    hold.settle(&limits, &Came { output_tokens: 2_000, ..Came::default() }, at(5));
    assert_eq!(refused(limits.would(&of, &Call::asks(1), at(6))).retry_after, Some(Duration::from_millis(59_998)));
}

#[test]
fn a_call_that_declares_nothing_gets_half_of_the_smallest_limit() {
    let limits = Limits::default();
    let (narrow, wide) = (Some(10_000), Some(900_000));
    for (limit, call, cap, declared) in [
        (narrow, Call::new(), Some(5_000), 5_000),
        (narrow, Call { replies: 3, ..Call::new() }, Some(1_666), 4_998),
        (narrow, Call { model_max: Some(5_000), ..Call::new() }, None, 5_000),
        (narrow, Call { model_max: Some(5_001), ..Call::new() }, Some(5_000), 5_000),
        (narrow, Call { model_max: None, ..Call::new() }, Some(5_000), 5_000),
        (narrow, Call { is_free: true, ..Call::new() }, Some(5_000), 5_000),
        (narrow, Call { has_output: false, ..Call::new() }, None, 0),
        (narrow, Call::asks(9_000), None, 9_000),
        (Some(1), Call::new(), Some(1), 1),
        (wide, Call::new(), None, 100_000),
    ] {
        let of = rated(&limits, &[(1, None, limit), (2, Some(5), wide)]);
        let got = taken(limits.would(&of, &call, at(0)));
        assert_eq!((got.cap, got.declared), (cap, declared), "{call:?}");
    }
}

#[test]
fn a_cap_is_never_at_or_below_the_thinking_budget() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, None, Some(10_000))]);
    let call = |thinking| Call { thinking: Some(thinking), ..Call::new() };
    assert_eq!(taken(limits.would(&of, &call(4_999), at(0))).cap, Some(5_000));
    let why = refused(limits.would(&of, &call(5_000), at(0)));
    assert_eq!((why.why, why.policy), (Why::ThinkingBudget, Some(policy(1))));
    assert_eq!(why.numbers.map(|numbers| (numbers.limit, numbers.needs)), Some((5_000, Some(5_001))));
    // One that states a cap of its own has its own answer.
    taken(limits.would(&of, &Call { thinking: Some(5_000), ..Call::asks(6_000) }, at(0)));
    // That the window has no room is told first.
    let _open = admit(&limits, &of, &Call::asks(5_001), at(0));
    assert_eq!(refused(limits.would(&of, &call(5_000), at(0))).why, Why::RateLimited);
    let mut of = Applicable::default();
    of.add_max_request_tokens(9_000, policy(8));
    of.add_max_request_tokens(5_000, policy(7));
    assert_eq!(taken(limits.would(&of, &call(4_999), at(0))).cap, Some(5_000));
    let why = refused(limits.would(&of, &call(5_000), at(0)));
    assert_eq!((why.why, why.policy), (Why::ThinkingBudget, Some(policy(7))));
    assert_eq!(refused(limits.would(&of, &Call { is_free: true, ..call(5_000) }, at(0))).why, Why::ThinkingBudget);
    // Nothing is spliced in where the model writes no more anyway.
    taken(limits.would(&of, &Call { model_max: Some(5_000), ..call(5_000) }, at(0)));
}

#[test]
fn never_too_many_pass_in_slices() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(500), None)]);
    let mut passed: Vec<i64> = Vec::new();
    for time in (0..400_000).step_by(37) {
        if let Verdict::Taken(taken) = limits.would(&of, &Call::new(), at(time)) {
            limits.adopt(&of, taken, at(time), at(time)).settle(&limits, &Came::default(), at(time));
            passed.push(time);
        }
        let within = passed.len() - passed.partition_point(|then| *then <= time - 60_000);
        assert!(within <= 500, "{within} within the window before {time}");
    }
    assert!(passed.len() > 2_500, "{}", passed.len());
}

#[test]
fn a_window_survives_a_restart() {
    let limits = Limits::default();
    let of = rated(&limits, &[]);
    assert!(of.is_empty());
    limits.put_rate(
        rate_of(1, MINUTE),
        [Past { from: at(-20_000), newest: at(-10_000), events: 3, amount: 700 }],
        at(0),
    );
    let of = rated(&limits, &[(1, Some(3), Some(1_000))]);
    let why = refused(limits.would(&of, &Call::asks(100), at(0)));
    assert_eq!((why.retry_after, why.resets_at), (Some(Duration::from_secs(50)), Some(at(40_000))));
}

#[test]
fn a_counter_that_is_gone_asks_to_look_anew() {
    let limits = Limits::default();
    let of = rated(&limits, &[(1, Some(3), None)]);
    limits.retain(|_| true, |_| false, at(0));
    assert_eq!(refused(limits.would(&of, &Call::new(), at(0))).why, Why::Stale);
}
