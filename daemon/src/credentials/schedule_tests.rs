//! Tables and properties of the schedule.

use proptest::prelude::*;

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(wall: u64, boot: u64) -> Moment {
    Moment { wall: SystemTime::UNIX_EPOCH + s(wall), boot: s(boot) }
}

#[test]
fn p02_a_token_is_renewed_60_to_90_seconds_before_its_end_and_a_short_one_at_half() {
    for (lifetime, chance, due_after) in [
        (3600, 0.0, 3540),
        (3600, 1.0, 3510),
        (3600, 0.5, 3525),
        (180, 0.0, 120),
        (180, 1.0, 90),
        (178, 1.0, 89),
        (10, 0.3, 5),
        (2, 0.0, 1),
        (1, 0.0, 1),
        (0, 0.0, 1),
    ] {
        let life = Life::received(s(lifetime), at(1_000_000, 500), chance);
        let after = |seconds| at(1_000_000 + seconds, 500 + seconds);
        assert!(life.is_due(after(due_after)), "{lifetime} {chance}");
        if due_after > 0 {
            assert!(!life.is_due(after(due_after - 1)), "{lifetime} {chance}");
            assert!(!life.is_over(after(lifetime.max(1) - 1)));
        }
        assert!(life.is_over(after(lifetime.max(1))));
    }
}

#[test]
fn p02_a_clock_that_was_set_and_a_suspend_miss_no_renewal() {
    const DAY: u64 = 86_400;
    let issued = at(10 * DAY, 1_000);
    let life = Life::received(s(3600), issued, 0.0);
    for (what, now, due, over) in [
        ("a moment later", at(10 * DAY + 1, 1_001), false, false),
        ("set forward by a day: renewed, and used until then", at(11 * DAY, 1_001), true, false),
        ("set back by a day: nothing yet", at(9 * DAY, 1_001), false, false),
        ("set back by a day, near the real end", at(9 * DAY + 3545, 4_545), true, false),
        ("set back by a day, after the real end", at(9 * DAY + 3600, 4_600), true, true),
        ("asleep for two hours", at(10 * DAY + 7200, 8_200), true, true),
    ] {
        assert_eq!((life.is_due(now), life.is_over(now)), (due, over), "{what}");
    }
}

#[test]
fn what_was_issued_in_the_future_is_new() {
    let expires = at(20_000, 0).wall;
    for (what, issued, now, left) in [
        ("in order", Some(16_400), at(17_000, 5), 3_000),
        ("the clock was set back by hours", Some(16_400), at(1_000, 5), 3_600),
        ("long over", Some(16_400), at(99_000, 5), 0),
        ("nobody knows since when", None, at(19_000, 5), 1_000),
        ("issued after its end: nonsense", Some(30_000), at(19_000, 5), 1_000),
    ] {
        let life = Life::read(issued.map(|issued| at(issued, 0).wall), expires, now, 0.0);
        assert_eq!(life.over_at_boot, s(5 + left), "{what}");
        assert!(life.left(now) <= s(left), "{what}");
        assert_eq!(life.is_over(now), left == 0, "{what}");
    }
    let unknown = Life::read(None, at(1_050, 0).wall, at(1_000, 5), 0.0);
    assert!(unknown.is_due(at(1_000, 5)), "of an unknown age and nearly over: taken for a long one");
}

#[test]
fn a_look_is_never_later_than_the_tick_and_never_at_once_for_ever() {
    for (lifetime, age, look) in [(3600, 0, 15_000), (3600, 3_535, 5_000), (5, 0, 1_250), (5, 2, 500), (20, 5, 5_000)] {
        let life = Life::received(s(lifetime), at(1_000, 0), 0.0);
        assert_eq!(life.next_look(at(1_000 + age, age)), Duration::from_millis(look), "{lifetime} {age}");
    }
    assert!(Life::received(s(0), at(1, 1), 0.0).next_look(at(9, 9)) >= Duration::from_millis(200));
}

#[test]
fn pauses_double_within_a_quarter_of_what_is_left_and_obey_the_server() {
    let now = at(1_000, 100);
    let mut pause = Pause::default();
    assert!(!pause.is_failing() && pause.left(now).is_zero());
    let mut pauses = Vec::new();
    for _ in 0..8 {
        pause.failed(now, Duration::ZERO, None, 1.0);
        pauses.push(pause.left(now).as_millis());
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    assert_eq!(pause.barred(now), s(1), "whoever cannot go on waits a second");
    pause.failed(now, s(8), None, 1.0);
    assert_eq!(pause.left(now), s(2), "a quarter");
    pause.failed(now, Duration::from_millis(10), None, 0.0);
    assert_eq!(pause.left(now), SHORTEST_PAUSE);
    pause.failed(now, s(8), Some(s(120)), 0.0);
    assert_eq!((pause.left(now), pause.barred(now)), (s(120), s(120)));
    pause.failed(now, s(8), Some(Duration::MAX), 0.0);
    assert_eq!(pause.left(now), LONGEST_ASKED);
}

#[test]
fn a_step_is_more_than_five_minutes_against_the_time_since_boot() {
    let before = at(100_000, 1_000);
    for (now, stepped) in [
        (at(100_010, 1_010), false),
        (at(107_200, 8_200), false),
        (at(100_300, 1_000), false),
        (at(100_301, 1_000), true),
        (at(99_700, 1_000), false),
        (at(99_699, 1_000), true),
        (at(13_600, 1_000), true),
    ] {
        assert_eq!(now.stepped_since(before), stepped, "{now:?}");
    }
}

proptest! {
    /// Whatever the clocks say, no wait is endless or negative, and what is over is due.
    #[test]
    fn whatever_the_clocks_say(
        issued in proptest::option::of(0u64..1 << 40), expires in 0u64..1 << 40,
        read_wall in 0u64..1 << 40, wall in 0u64..1 << 40, boot in 0u64..1 << 30, later in 0u64..1 << 30, chance in 0f64..=1.0,
    ) {
        let life = Life::read(issued.map(|at_| at(at_, 0).wall), at(expires, 0).wall, at(read_wall, boot), chance);
        let now = at(wall, boot + later);
        prop_assert!(life.next_look(now) <= TICK && life.next_look(now) >= SHORTEST_TICK);
        prop_assert!(!life.is_over(now) || life.is_due(now));
        let mut pause = Pause::default();
        for _ in 0..20 {
            pause.failed(now, life.left(now), None, chance);
            prop_assert!(pause.left(now) <= LONGEST_PAUSE && pause.left(now) >= SHORTEST_PAUSE);
            prop_assert!(pause.barred(now) <= pause.left(now));
        }
    }

    /// A token that came just now is renewed before its end, however its life is cut into looks.
    #[test]
    fn p02_looking_on_time_renews_before_the_end(lifetime in 1u64..100_000, chance in 0f64..=1.0, set_by in -200_000i64..200_000) {
        let start = at(1_000_000, 1_000);
        let life = Life::received(s(lifetime), start, chance);
        let wall = start.wall.checked_add_signed_for_test(set_by);
        let (mut passed, mut looks) = (Duration::ZERO, 0);
        loop {
            let now = Moment { wall: wall + passed, boot: start.boot + passed };
            if life.is_due(now) {
                prop_assert!(passed < s(lifetime.max(2)), "due only after {passed:?}");
                break;
            }
            passed += life.next_look(now);
            looks += 1;
            prop_assert!(looks < 10_000);
        }
    }
}

trait AddSigned {
    fn checked_add_signed_for_test(self, seconds: i64) -> SystemTime;
}

impl AddSigned for SystemTime {
    fn checked_add_signed_for_test(self, seconds: i64) -> SystemTime {
        let span = s(seconds.unsigned_abs());
        if seconds < 0 { self - span } else { self + span }
    }
}
