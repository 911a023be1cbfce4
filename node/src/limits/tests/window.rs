//! The sliding window, against a list of all events.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    super::window::{EXACT, Fits, Past, Sliding},
    at,
};

const LENGTH: i64 = 60_000;

fn window() -> Sliding {
    Sliding::new(Duration::from_mins(1), 128)
}

#[test]
fn an_amount_leaves_when_it_is_a_window_old() {
    let mut window = window();
    window.add(at(0), 10, at(0));
    window.add(at(5), 20, at(5));
    for (now, sum, events) in
        [(5, 30, 2), (LENGTH - 1, 30, 2), (LENGTH, 20, 1), (LENGTH + 4, 20, 1), (LENGTH + 5, 0, 0)]
    {
        window.expire(at(now));
        assert_eq!((window.sum(), window.events()), (sum, events), "{now}");
    }
}

#[test]
fn what_lies_in_the_future_counts_as_now_and_what_has_left_does_not_count() {
    let mut window = window();
    window.add(at(500_000), 10, at(0));
    assert_eq!(window.next_leaves(), Some(at(LENGTH)));
    window.add(at(-LENGTH), 20, at(0));
    assert_eq!(window.sum(), 10);
}

#[test]
fn when_an_amount_fits_is_told_exactly() {
    let mut window = window();
    for (time, amount) in [(0, 10), (1_000, 20), (2_500, 30)] {
        window.add(at(time), amount, at(time));
    }
    let after = |millis| Fits::After(Duration::from_millis(millis));
    for (amount, limit, fits) in [
        (40, 100, Fits::Now),
        (41, 100, after(57_000)),
        (50, 100, after(57_000)),
        (51, 100, after(58_000)),
        (71, 100, after(59_500)),
        (100, 100, after(59_500)),
        (101, 100, Fits::Never),
    ] {
        assert_eq!(window.fits_at(at(3_000), amount, limit), fits, "{amount}");
        if let Fits::After(wait) = fits {
            let mut later = window.clone();
            later.expire(at(3_000).after(wait).before(Duration::from_millis(1)));
            assert!(later.sum() + amount > limit);
            later.expire(at(3_000).after(wait));
            assert!(later.sum() + amount <= limit);
        }
    }
}

#[test]
fn events_are_changed_and_taken_back_by_their_time_also_in_slices() {
    for count in [3, 1_000] {
        let mut window = window();
        for event in 0..count {
            window.add(at(event * 10), 100, at(event * 10));
        }
        window.change(at(20), -93);
        assert_eq!((window.sum(), window.events()), (i128::from(count) * 100 - 93, count.unsigned_abs()));
        window.change(at(20), 93 + 50);
        window.remove(at(20), 150);
        assert_eq!((window.sum(), window.events()), ((i128::from(count) - 1) * 100, count.unsigned_abs() - 1));
        // What has left is not changed any more.
        window.expire(at(LENGTH + 10_000));
        window.change(at(10), 1_000);
        assert_eq!(window.sum(), 0);
    }
}

#[test]
fn two_events_of_one_moment_are_changed_apart() {
    let mut window = window();
    window.add(at(0), 10, at(0));
    window.add(at(0), 100, at(0));
    window.change(at(0), -80);
    assert_eq!(window.sum(), 30);
    window.remove(at(0), 10);
    assert_eq!((window.sum(), window.events()), (20, 1));
}

#[test]
fn slices_bound_the_parts() {
    for slices in [128, 1_440] {
        let mut window = Sliding::new(Duration::from_mins(1), slices);
        for event in 0..50_000 {
            window.add(at(event * 7), 1, at(event * 7));
            assert!(window.leaving().count() <= usize::try_from(slices).unwrap() + 1 + usize::try_from(EXACT).unwrap());
        }
        assert!(window.leaving().count() > usize::try_from(slices).unwrap() * 9 / 10);
    }
}

#[test]
fn history_counts_whole_until_its_newest_has_left() {
    let mut window = window();
    window.put(Past { from: at(-50_000), newest: at(-10_000), events: 5, amount: 70 }, at(0));
    window.add(at(-30_000), 7, at(0));
    assert_eq!(window.oldest_leaves(), Some(at(10_000)));
    window.expire(at(49_999));
    assert_eq!((window.sum(), window.events()), (77, 6));
    window.expire(at(50_000));
    assert_eq!((window.sum(), window.events()), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Add(i64, i64),
    Pass(i64),
    Change(usize, i64),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_000_i64, 0..1_000_i64).prop_map(|(ago, amount)| Step::Add(ago, amount)),
        3 => (0..2_000_i64).prop_map(Step::Pass),
        2 => (any::<prop::sample::Index>(), 0..1_000_i64).prop_map(|(which, to)| Step::Change(which.index(1 << 20), to)),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Remove(which.index(1 << 20))),
    ];
    prop::collection::vec(step, 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Against a list of all events: never less than there is, exact up to 128, at most a slice late beyond.
    #[test]
    fn too_little_is_never_counted(steps in steps(), length in prop::sample::select(vec![1_000_i64, 60_000])) {
        let mut window = Sliding::new(Duration::from_millis(length.unsigned_abs()), 128);
        let slice = (length + 127) / 128;
        let (mut now, mut events, mut most): (i64, Vec<(i64, i64)>, usize) = (0, Vec::new(), 0);
        for step in steps {
            match step {
                Step::Add(ago, amount) => {
                    window.add(at(now - ago), amount, at(now));
                    events.push((now - ago, amount));
                }
                Step::Pass(time) => now += time,
                Step::Change(which, to) if !events.is_empty() => {
                    let place = which % events.len();
                    window.expire(at(now));
                    window.change(at(events[place].0), i128::from(to - events[place].1));
                    events[place].1 = to;
                }
                Step::Remove(which) if !events.is_empty() => {
                    let (time, amount) = events.swap_remove(which % events.len());
                    window.expire(at(now));
                    window.remove(at(time), i128::from(amount));
                }
                Step::Change(..) | Step::Remove(_) => {}
            }
            events.retain(|(time, _)| now - time < length + slice);
            // One that left less than a slice ago may still count.
            let of = |since: i64| {
                let those = events.iter().filter(move |(time, _)| now - time < since);
                (those.clone().count(), those.map(|(_, amount)| i128::from(*amount)).sum::<i128>())
            };
            window.expire(at(now));
            let counted = (usize::try_from(window.events()).unwrap(), window.sum());
            most = most.max(of(length + slice).0);
            prop_assert!(counted.0 >= of(length).0 && counted.1 >= of(length).1);
            prop_assert!(counted.0 <= of(length + slice).0 && counted.1 <= of(length + slice).1);
            if most <= 128 {
                prop_assert_eq!(counted, of(length));
            }
        }
    }
}
