//! What an open call holds, however it ends.

use super::{super::Why, *};

fn shown(limits: &Limits, number: u128, now: Moment) -> (i64, i64) {
    let shown = limits.show(&day(number), now).unwrap();
    (shown.spent.micros(), shown.reserved.micros())
}

#[test]
fn what_is_held_is_settled_at_the_time_of_admission() {
    let limits = Limits::default();
    let of = budgets(&limits, &[(1, 1_000), (2, 2_000)]);
    let hold = open(&limits, &of, 600, at(0));
    assert_eq!((shown(&limits, 1, at(1)), shown(&limits, 2, at(1))), ((0, 600), (0, 600)));
    hold.settle(&limits, &cost(70), at(50_000));
    assert_eq!((shown(&limits, 1, at(50_000)), shown(&limits, 2, at(50_000))), ((70, 0), (70, 0)));
    assert_eq!(limits.show(&day(1), at(50_000)).unwrap().resets_at, Some(at(86_400_000)));
    assert_eq!(shown(&limits, 1, at(86_400_000)), (0, 0));
}

#[test]
fn what_came_to_more_than_was_reserved_is_settled_truly() {
    let limits = Limits::default();
    let of = budgets(&limits, &[(1, 1_000)]);
    open(&limits, &of, 600, at(0)).settle(&limits, &cost(1_700), at(0));
    assert_eq!(shown(&limits, 1, at(0)), (1_700, 0));
    assert_eq!(refused(limits.would(&of, &Call::asks(1), at(0))).max_affordable, Some(0));
}

#[test]
fn what_was_not_sent_gives_all_back() {
    let limits = Limits::default();
    let of = Arc::new(budgets(&limits, &[(1, 1_000)]).paid_by(Some(person(1))));
    limits.granted(person(1), usd(1_000), at(0));
    let hold = open(&limits, &of, 600, at(0));
    assert_eq!(limits.reserved(person(1)), usd(600));
    hold.undo(&limits, at(1));
    assert_eq!(
        (shown(&limits, 1, at(1)), limits.reserved(person(1)), limits.balance(person(1))),
        ((0, 0), usd(0), usd(1_000))
    );
}

#[test]
fn a_fallback_takes_anew_and_keeps_its_place_in_the_rates() {
    let limits = Limits::default();
    let key = rate_of(1, 60);
    limits.put_rate(key, [], at(0));
    let mut of = Applicable::clone(&budgets(&limits, &[(1, 1_000)]));
    of.add_rate(key, Some(1), None, policy(2));
    let of = Arc::new(of);
    let hold = limits.adopt(&of, taken(limits.would(&of, &Call::asks(900), at(0))), at(0), at(0));
    let hold = hold.again(&limits, &Call { price: 2, ..Call::asks(900) }, at(5_000)).unwrap();
    assert_eq!((hold.taken().cap, hold.taken().reserved, hold.admitted_at()), (Some(500), usd(1_000), at(0)));
    assert_eq!(shown(&limits, 1, at(5_000)), (0, 1_000));
    let why = hold.again(&limits, &Call { input: Some(2_000), ..Call::asks(900) }, at(6_000)).unwrap_err();
    assert_eq!(why.why, Why::BudgetExceeded);
    assert_eq!(shown(&limits, 1, at(6_000)), (0, 0));
    // Its request still counts.
    assert_eq!(refused(limits.would(&of, &Call::asks(9), at(59_999))).why, Why::RateLimited);
    taken(limits.would(&of, &Call::asks(9), at(60_000)));
}

#[test]
fn a_counter_that_comes_into_being_counts_what_is_open() {
    let limits = Limits::default();
    let by_credit = budget_of(1, Window::Day, Funding::Credit);
    limits.put_budget(day(1), [spent(at(-5), 30)], [], at(10));
    limits.put_budget(by_credit, [], [], at(10));
    limits.put_rate(rate_of(1, 60), [], at(10));
    let mut all = Applicable::default();
    all.add_budget(day(1), usd(1_000), policy(1));
    all.add_budget(by_credit, usd(1_000), policy(1));
    all.add_rate(rate_of(1, 60), Some(1), None, policy(1));
    let admitted = Taken { reserved: usd(500), declared: 400, ..Taken::default() };
    let nothing = Applicable::default();
    let missing = all.paid_by(None).beside(&[&nothing]);
    let hold = limits.adopt(&Arc::new(missing), admitted, at(0), at(10));
    assert!(all.paid_by(None).beside(&[hold.applicable()]).is_empty(), "it is counted once");
    assert_eq!(shown(&limits, 1, at(11)), (30, 500));
    assert_eq!(limits.show(&by_credit, at(11)).unwrap().reserved, usd(0));
    let mut of = Applicable::default();
    of.add_rate(rate_of(1, 60), Some(1), None, policy(1));
    assert_eq!(refused(limits.would(&of, &Call::new(), at(11))).resets_at, Some(at(60_000)));
    hold.settle(&limits, &Came { cost: usd(80), charge: usd(0), output_tokens: 50 }, at(20));
    assert_eq!(shown(&limits, 1, at(21)), (110, 0));
    assert_eq!(limits.show(&by_credit, at(21)).unwrap().spent, usd(0));
    let mut of = Applicable::default();
    of.add_rate(rate_of(1, 60), None, Some(100), policy(1));
    taken(limits.would(&of, &Call::asks(50), at(22)));
    refused(limits.would(&of, &Call::asks(51), at(22)));
}

#[test]
fn what_is_forgotten_while_it_is_held_begins_anew_without_losing_what_is_held() {
    let limits = Limits::default();
    let of = budgets(&limits, &[(1, 1_000), (2, 1_000)]);
    let hold = open(&limits, &of, 600, at(0));
    open(&limits, &of, 100, at(0)).settle(&limits, &cost(100), at(0));
    limits.retain(|_| false, |_| false, at(1));
    assert!(!limits.has_budget(&day(1)) && limits.show(&day(1), at(1)).is_none());
    assert_eq!(refused(limits.would(&of, &Call::asks(1), at(1))).why, Why::Stale);
    limits.put_budget(day(1), [spent(at(0), 100), spent(at(0), 7)], [], at(2));
    assert_eq!(shown(&limits, 1, at(2)), (107, 600));
    hold.settle(&limits, &cost(60), at(3));
    assert_eq!(shown(&limits, 1, at(3)), (167, 0));
    // Nobody holds the other one any more.
    limits.retain(|key| *key == day(1), |_| true, at(4));
    limits.put_budget(day(2), [], [], at(4));
    assert_eq!(shown(&limits, 2, at(4)), (0, 0));
}
