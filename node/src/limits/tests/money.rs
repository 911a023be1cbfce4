//! What is reserved, capped, or refused for want of money: a line for each sentence of the rules.

use std::time::Duration;

use super::{
    super::{Kept, Why},
    *,
};

fn is_refused(why: Why) -> impl Fn(&Verdict) -> bool {
    move |verdict| matches!(verdict, Verdict::Refused(refused) if refused.why == why)
}

#[test]
fn a_call_without_a_cap_gets_the_models_maximum_or_half_of_what_its_input_leaves() {
    let model = |most| Call { model_max: most, ..Call::new() };
    for (left, call, cap, reserved) in [
        (1_000_000, Call::new(), None, 100_000),
        (200_000, Call::new(), None, 100_000),
        (199_998, Call::new(), Some(99_999), 99_999),
        (110_000, Call { input: Some(10_000), ..Call::new() }, Some(50_000), 60_000),
        (30_000, Call { price: 2, ..Call::new() }, Some(7_500), 15_000),
        (30_000, Call { replies: 3, ..Call::new() }, Some(5_000), 15_000),
        // Half has to be worth it.
        (8_192, Call::new(), Some(4_096), 4_096),
        (8_192, model(Some(5_000)), Some(4_096), 4_096),
        (8_192, model(Some(4_000)), None, 4_000),
        // Else the maximum, where it fits whole.
        (8_191, model(Some(8_191)), None, 8_191),
        (4_000, model(Some(3_000)), None, 3_000),
        // Else what is affordable.
        (8_191, Call::new(), Some(8_191), 8_191),
        (4_000, Call::new(), Some(4_000), 4_000),
        (64, Call::new(), Some(64), 64),
        (100_000, model(None), Some(50_000), 50_000),
        (8_000, model(None), Some(8_000), 8_000),
    ] {
        let limits = Limits::default();
        let got = taken(limits.would(&budgets(&limits, &[(1, left)]), &call, at(0)));
        assert_eq!((got.cap, got.reserved), (cap, usd(reserved)), "{left} {call:?}");
    }
}

#[test]
fn what_does_not_fit_is_sent_the_affordable_cap_where_nothing_is_open() {
    let whole = |call: Call| Call { is_stream: false, ..call };
    let thinks = |call: Call, budget| Call { thinking: Some(budget), ..call };
    for (left, call, cap) in [
        (500, Call::asks(500), Ok(None)),
        (499, Call::asks(500), Ok(Some(499))),
        (499, Call { replies: 2, ..Call::asks(500) }, Ok(Some(249))),
        (64, Call::asks(1_000), Ok(Some(64))),
        (63, Call::asks(1_000), Err(63)),
        (256, whole(Call::asks(1_000)), Ok(Some(256))),
        (255, whole(Call::asks(1_000)), Err(255)),
        (64 + 7, Call { input: Some(7), ..Call::asks(1_000) }, Ok(Some(64))),
        (6, Call { input: Some(7), ..Call::asks(1_000) }, Err(0)),
        // What was asked for may be less, but is not cut down then.
        (50, Call::asks(50), Ok(None)),
        (49, Call::asks(50), Err(49)),
        (100, whole(Call::asks(100)), Ok(None)),
        // A cap is above the thinking budget, or there is none.
        (5_001, thinks(Call::asks(10_000), 5_000), Ok(Some(5_001))),
        (5_000, thinks(Call::asks(10_000), 5_000), Err(5_000)),
        (20_000, thinks(Call::new(), 10_000), Ok(Some(20_000))),
        (20_002, thinks(Call::new(), 10_000), Ok(Some(10_001))),
        // What leaves the range does not fit.
        (1_000 << 40, Call { price: 1 << 40, ..Call::asks(u64::MAX) }, Ok(Some(1_000))),
        (10 << 40, Call { price: 1 << 40, ..Call::asks(u64::MAX) }, Err(10)),
        // Without output there is no cap.
        (7, Call { has_output: false, input: Some(7), ..Call::new() }, Ok(None)),
    ] {
        let limits = Limits::default();
        match (limits.would(&budgets(&limits, &[(1, left)]), &call, at(0)), cap) {
            (Verdict::Taken(got), Ok(cap)) => assert_eq!(got.cap, cap, "{left} {call:?}"),
            (Verdict::Refused(why), Err(affordable)) => {
                assert_eq!((why.why, why.policy), (Why::BudgetExceeded, Some(policy(1))));
                assert_eq!(why.max_affordable, Some(affordable), "{left} {call:?}");
            }
            (other, _) => panic!("{left} {call:?}: {other:?}"),
        }
    }
    let limits = Limits::default();
    let embeds = Call { has_output: false, input: Some(8), ..Call::new() };
    let why = refused(limits.would(&budgets(&limits, &[(1, 7)]), &embeds, at(0)));
    assert_eq!((why.why, why.max_affordable), (Why::BudgetExceeded, None));
}

#[test]
fn what_does_not_fit_waits_for_open_calls_unless_much_is_affordable() {
    let waits = |verdict: &Verdict| *verdict == Verdict::Waits;
    let caps = |cap: u64| move |verdict: &Verdict| matches!(verdict, Verdict::Taken(taken) if taken.cap == Some(cap));
    let check = |limit, held, call: Call, what: &dyn Fn(&Verdict) -> bool| {
        let limits = Limits::default();
        let of = budgets(&limits, &[(1, limit)]);
        let _hold = open(&limits, &of, held, at(0));
        let verdict = limits.would(&of, &call, at(0));
        assert!(what(&verdict), "{limit} {held} {call:?}: {verdict:?}");
    };
    check(15_000, 10_000, Call::asks(50_000), &caps(5_000));
    check(14_095, 10_000, Call::asks(50_000), &waits);
    check(10_500, 10_000, Call::asks(1_000), &caps(500));
    check(10_499, 10_000, Call::asks(1_000), &waits);
    check(10_499, 10_000, Call::asks(999), &waits);
    check(10_500, 10_000, Call::asks(999), &caps(500));
    // Half of little is too little.
    check(10_060, 10_000, Call::asks(100), &waits);
    check(10_255, 10_000, Call { is_stream: false, ..Call::asks(300) }, &waits);
    // Too little above the thinking budget as well.
    check(15_000, 10_000, Call { thinking: Some(6_000), ..Call::asks(50_000) }, &waits);
    check(10_100, 10_000, Call::new(), &waits);
    check(10_100, 10_000, Call { model_max: None, ..Call::new() }, &waits);
    check(10_005, 10_000, Call { has_output: false, input: Some(6), ..Call::new() }, &waits);
    // The end of what is open would not be enough.
    check(60, 30, Call::asks(1_000), &is_refused(Why::BudgetExceeded));
    check(100, 30, Call { input: Some(90), ..Call::asks(1_000) }, &is_refused(Why::BudgetExceeded));
    check(100, 30, Call { has_output: false, input: Some(101), ..Call::new() }, &is_refused(Why::BudgetExceeded));
}

#[test]
fn only_open_calls_of_the_counter_that_lacks_are_waited_for() {
    let limits = Limits::default();
    let of = budgets(&limits, &[(1, 100), (2, 10_000)]);
    let _hold = open(&limits, &budgets(&limits, &[(2, 10_000)]), 9_000, at(0));
    assert_eq!(taken(limits.would(&of, &Call::asks(500), at(0))).cap, Some(100));
    // What is kept after a crash is not open.
    limits.put_budget(day(3), [], [Kept { until: at(5_000), amount: usd(900) }], at(0));
    let of = budgets(&limits, &[(3, 1_000)]);
    assert_eq!(taken(limits.would(&of, &Call::asks(500), at(0))).cap, Some(100));
    let why = refused(limits.would(&of, &Call { input: Some(80), ..Call::asks(500) }, at(0)));
    assert_eq!((why.reserved, why.retry_after), (usd(900), Some(Duration::from_secs(5))));
    taken(limits.would(&of, &Call::asks(1_000), at(5_000)));
}

#[test]
fn free_calls_reserve_nothing_and_are_neither_capped_nor_refused() {
    let limits = Limits::default();
    let of = budgets(&limits, &[(1, 1)]);
    limits.put_budget(day(1), [spent(at(0), 1_000)], [], at(0));
    let of = Arc::new(of.paid_by(Some(person(9))));
    for call in [Call::new(), Call { input: None, model_max: None, ..Call::new() }, Call::asks(1 << 40)] {
        let got = taken(limits.would(&of, &Call { is_free: true, ..call }, at(0)));
        assert_eq!((got.cap, got.reserved), (None, usd(0)));
    }
}

#[test]
fn a_call_without_a_price_or_bound_is_refused_where_money_is_counted() {
    let limits = Limits::default();
    let unpriced = Call { input: None, ..Call::new() };
    let why = refused(limits.would(&budgets(&limits, &[(1, 1_000_000)]), &unpriced, at(0)));
    assert_eq!((why.why, why.policy), (Why::PriceUnknown, Some(policy(1))));
    let why = refused(limits.would(&Applicable::default().paid_by(Some(person(1))), &unpriced, at(0)));
    assert_eq!((why.why, why.policy), (Why::PriceUnknown, None));
    taken(limits.would(&Applicable::default(), &unpriced, at(0)));
}

#[test]
fn a_credit_budget_counts_only_what_credit_pays() {
    let limits = Limits::default();
    let (any, by_credit) = (day(1), budget_of(1, Window::Day, Funding::Credit));
    limits.put_budget(any, [], [], at(0));
    limits.put_budget(by_credit, [], [], at(0));
    limits.granted(person(1), usd(5_000), at(0));
    let mut of = Applicable::default();
    of.add_budget(any, usd(10_000), policy(1));
    of.add_budget(by_credit, usd(100), policy(2));
    let own = Arc::new(of.paid_by(None));
    let got = taken(limits.would(&own, &Call::asks(1_000), at(0)));
    limits.adopt(&own, got, at(0), at(0)).settle(&limits, &Came { cost: usd(900), ..Came::default() }, at(0));
    let paid = Arc::new(of.paid_by(Some(person(1))));
    let got = taken(limits.would(&paid, &Call::asks(1_000), at(0)));
    assert_eq!((got.cap, got.reserved), (Some(100), usd(100)));
    limits.adopt(&paid, got, at(0), at(0)).settle(&limits, &cost(70), at(0));
    let spent = |key| limits.show(&key, at(0)).unwrap().spent.micros();
    assert_eq!((spent(any), spent(by_credit), limits.balance(person(1))), (970, 70, usd(4_930)));
}

#[test]
fn credit_that_lacks_is_told_apart_from_budgets() {
    let limits = Limits::default();
    let of = Arc::new(budgets(&limits, &[(1, 1_000)]).paid_by(Some(person(1))));
    let why = refused(limits.would(&of, &Call::asks(500), at(0)));
    assert_eq!(
        (why.why, why.policy, why.max_affordable, why.retry_after),
        (Why::InsufficientCredit, None, Some(0), None)
    );
    limits.granted(person(1), usd(300), at(0));
    assert_eq!(taken(limits.would(&of, &Call::asks(500), at(0))).cap, Some(300));
    limits.granted(person(1), usd(-310), at(0));
    assert_eq!(refused(limits.would(&of, &Call::asks(500), at(0))).why, Why::InsufficientCredit);
    limits.granted(person(1), usd(10_000), at(0));
    assert_eq!(taken(limits.would(&of, &Call::asks(5_000), at(0))).cap, Some(1_000));
}

#[test]
fn a_refusal_tells_when_the_least_fits_and_when_the_window_resets() {
    let limits = Limits::default();
    let (hour, day_long) = (3_600_000, 24 * 3_600_000);
    let of = budgets(&limits, &[(1, 1_000)]);
    limits.put_budget(day(1), [spent(at(0), 50), spent(at(hour), 940)], [], at(hour));
    let why = refused(limits.would(&of, &Call::asks(500), at(2 * hour)));
    assert_eq!((why.resets_at, why.max_affordable), (Some(at(day_long)), Some(10)));
    assert_eq!(why.retry_after, Some(Duration::from_hours(23)));
    let numbers = why.numbers.unwrap();
    assert_eq!((numbers.limit, numbers.used, numbers.needs), (1_000, 990, Some(500)));
    // Without the first 50 it has 60, and that is too little for a stream.
    assert_eq!(refused(limits.would(&of, &Call::asks(500), at(day_long - 1))).max_affordable, Some(10));
    let retry = |why: Box<Refused>| why.retry_after;
    assert_eq!(
        retry(refused(limits.would(&of, &Call { input: Some(5), ..Call::asks(500) }, at(2 * hour)))),
        Some(Duration::from_hours(23))
    );
    // What never fits is not promised.
    assert_eq!(retry(refused(limits.would(&of, &Call { input: Some(2_000), ..Call::asks(500) }, at(2 * hour)))), None);
}

#[test]
fn a_total_budget_never_resets() {
    let limits = Limits::default();
    let key = budget_of(1, Window::Total, Funding::Any);
    limits.put_budget(key, [spent(at(-1_000_000_000), 900)], [Kept { until: at(86_400_000), amount: usd(50) }], at(0));
    let mut of = Applicable::default();
    of.add_budget(key, usd(1_000), policy(1));
    let why = refused(limits.would(&of, &Call::asks(100), at(0)));
    assert_eq!((why.resets_at, why.retry_after, why.reserved), (None, Some(Duration::from_hours(24)), usd(50)));
    assert_eq!(limits.show(&key, at(0)).unwrap().reserved, usd(50));
    assert_eq!(limits.show(&key, at(86_400_000)).unwrap().reserved, usd(0));
    taken(limits.would(&of, &Call::asks(100), at(86_400_000)));
}

#[test]
fn max_request_tokens_is_spliced_in_where_a_call_has_no_cap() {
    let limits = Limits::default();
    let of = |most, left| {
        let mut of = Applicable::clone(&budgets(&limits, &[(1, left)]));
        of.add_max_request_tokens(most, policy(7));
        of
    };
    let cap = |of: &Applicable, call: &Call| {
        let got = taken(limits.would(of, call, at(0)));
        (got.cap, got.reserved.micros())
    };
    assert_eq!(cap(&of(2_000, 1_000_000), &Call::new()), (Some(2_000), 2_000));
    assert_eq!(cap(&of(2_000, 1_500), &Call::new()), (Some(1_500), 1_500));
    assert_eq!(cap(&of(2_000, 1_000_000), &Call::asks(1_999)), (None, 1_999));
    assert_eq!(cap(&of(200_000, 1_000_000), &Call::new()), (None, 100_000));
    assert_eq!(cap(&of(2_000, 1_000_000), &Call { is_free: true, ..Call::new() }), (Some(2_000), 0));
    assert_eq!(cap(&of(2_000, 1_000_000), &Call { model_max: None, ..Call::new() }), (Some(2_000), 2_000));
    assert_eq!(cap(&of(2_000, 10), &Call { has_output: false, input: Some(4), ..Call::new() }), (None, 4));
}

#[test]
fn the_smallest_limit_on_a_counter_decides() {
    let mut of = Applicable::default();
    of.add_budget(day(1), usd(500), policy(3));
    of.add_budget(day(1), usd(400), policy(2));
    of.add_budget(day(1), usd(400), policy(1));
    of.add_rate(rate_of(1, 60), Some(5), None, policy(1));
    of.add_rate(rate_of(1, 60), Some(4), Some(10), policy(2));
    of.add_rate(rate_of(1, 60), None, Some(9), policy(3));
    assert_eq!((of.budgets().len(), of.rates().len()), (1, 1));
    assert_eq!((of.budgets()[0].limit, of.budgets()[0].policy), (usd(400), policy(1)));
    assert_eq!((of.rates()[0].max_requests, of.rates()[0].max_tokens), (Some((4, policy(2))), Some((9, policy(3)))));
}
