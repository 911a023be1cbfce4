//! When what is counted, and how many seconds nothing was seen.

use proptest::prelude::*;

use super::*;
use crate::protocol::{Dialect, ReplyFormat, Verb};

const TEXT: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"abcdef\"}}]}\n\n";
const THOUGHT: &[u8] = b"data: {\"choices\":[{\"delta\":{\"reasoning\":\"abc\"}}]}\n\n";
const PING: &[u8] = b": ping\n\n";
const UNSEEN: Pace = Pace { thinks_unseen: true, max_output_tps: 100 };

fn meter(sent: Instant, most_held: usize) -> OutputMeter {
    let (dialect, verb) = (Dialect::ChatCompletions, Verb::Generate);
    let format = ReplyFormat {
        dialect,
        verb,
        stream: true,
        hides_usage: false,
        asks_usage: false,
        names_model: false,
        costs: true,
    };
    let mut meter = OutputMeter::new(sent);
    meter.begin(format.events_counter().unwrap(), most_held);
    meter
}

/// What is counted of pieces that pass at these milliseconds, until the last of `times`.
fn counted(pieces: &[(&[u8], u64)], end: u64, most_held: usize, pace: Pace) -> (u64, u64) {
    let sent = clock::monotonic_now();
    let at = |millis| sent + Duration::from_millis(millis);
    let mut meter = meter(sent, most_held);
    for (piece, millis) in pieces {
        meter.pass(piece);
        assert!(meter.at(at(*millis)) && !meter.at(at(*millis)));
    }
    let OwnCount { visible, reasoning } = meter.tokens(at(end), pace);
    assert_eq!(meter.tokens(at(end), pace), OwnCount { visible, reasoning }, "asked twice");
    (visible, reasoning)
}

#[test]
fn p16_seconds_count_in_which_nothing_was_seen_but_the_first_of_each_stretch() {
    for (pieces, end, seconds) in [
        (&[][..], 900, 0),
        (&[], 1_900, 0),
        (&[], 2_000, 1),
        (&[], 20_500, 19),
        (&[(TEXT, 5_000)], 5_500, 4),
        (&[(TEXT, 5_000)], 20_000, 4 + 14),
        // A sign of life shows nothing.
        (&[(TEXT, 0), (PING, 10_000)], 20_000, 19),
        (&[(TEXT, 0), (PING, 10_000), (TEXT, 10_100)], 10_200, 9),
        (&[(TEXT, 0), (TEXT, 100), (TEXT, 10_000)], 10_000, 8),
        // Thinking that is shown is seen.
        (&[(THOUGHT, 1_000), (THOUGHT, 2_000), (THOUGHT, 3_000)], 3_100, 0),
    ] {
        let seen = counted(pieces, end, 1 << 14, Pace { thinks_unseen: false, ..UNSEEN });
        let (visible, reasoning) = counted(pieces, end, 1 << 14, UNSEEN);
        assert_eq!((visible, reasoning), (seen.0, seen.1 + 100 * seconds), "{pieces:?} {end}");
    }
}

#[test]
fn p16_text_and_thinking_are_told_apart() {
    let pieces = [(THOUGHT, 1), (PING, 2), (TEXT, 3), (TEXT, 900), (THOUGHT, 1_000)];
    for most_held in [0, 70, 1 << 14] {
        assert_eq!(counted(&pieces, 1_000, most_held, Pace::default()), (4, 2));
    }
}

#[test]
fn what_passes_unseen_by_the_clock_is_looked_at_in_the_end() {
    let mut meter = meter(clock::monotonic_now(), 1 << 14);
    let looks = (0..100).filter(|_| meter.pass(TEXT).inspect(|now| assert!(meter.at(*now))).is_some()).count();
    assert!((3..=100 / usize::from(MOST_UNTIMED)).contains(&looks), "{looks}");
    assert!(meter.held.len() <= 1 << 14);
    assert_eq!(meter.tokens(clock::monotonic_now(), Pace::default()).visible, 200);
}

proptest! {
    #[test]
    fn p16_when_it_is_counted_makes_no_difference_to_what(
        pieces in prop::collection::vec((prop::sample::select(vec![TEXT, THOUGHT, PING]), 0u64..400), 0..40),
        most_held in 0usize..300,
    ) {
        let mut at = 0;
        let timed: Vec<(&[u8], u64)> = pieces.iter().map(|(piece, pause)| {
            at += pause;
            (*piece, at)
        }).collect();
        let count = |wanted: &[u8]| pieces.iter().filter(|(piece, _)| *piece == wanted).count() as u64;
        let found = counted(&timed, at, most_held, Pace::default());
        prop_assert_eq!(found, (2 * count(TEXT), count(THOUGHT)));
    }
}
