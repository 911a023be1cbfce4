//! P10: a caller that leaves a stream, in every dialect and behind any event, cancels the call of the provider; what was
//! counted by then is told.

use std::time::Duration;

use bitrouter_proto::clock;
use bitrouter_tests::{
    Reply,
    dialects::{Newline, Turn},
};

use super::{
    counted::counted,
    surface::{Scene, Surface, until_length},
};

/// Five times the promised 100 ms: a slow machine is no bug.
const BOUND: Duration = Duration::from_millis(500);

/// How long counts are waited for behind the last content.
const COUNTS: Duration = Duration::from_secs(5);

#[test]
fn p10_a_caller_that_leaves_cancels_the_call_and_is_told_what_it_cost() {
    let scene = Scene::new("");
    let mut number = 0;
    for surface in Surface::ALL {
        let frames = surface.frames(&Turn::sample(), Newline::Lf);
        for after in [1, 2, frames.len() / 2, frames.len() - 2] {
            let before = frames[..after].concat();
            let mut open = scene.call(surface, true, surface.head().piece(&before).stall()).open();
            let begun = until_length(&mut open, before.len());
            assert_eq!(String::from_utf8_lossy(&begun), before);
            let id = open.header("x-bitrouter-request-id").expect("an id").to_owned();
            let left = clock::monotonic_now();
            drop(open);
            let noticed = scene.exchange(number).wait_left();
            // Behind the last content its counts are waited for.
            let bound = if after == frames.len() - 2 { COUNTS + BOUND } else { BOUND };
            assert!(noticed.saturating_duration_since(left) <= bound, "{surface:?} behind {after}");
            number += 1;
            let line = scene.line_of(&id);
            line.says(200, None, true);
            assert_eq!(line.tokens(), counted(surface, &frames[..after]), "{surface:?} behind {after}");
        }
    }
}

/// A reply that is no stream is counted as far as it came.
#[test]
fn p10_a_caller_that_leaves_in_the_middle_of_a_document() {
    let scene = Scene::new("");
    for (number, surface) in Surface::ALL.into_iter().enumerate() {
        let whole = surface.whole(&Turn::sample()).to_string();
        // Everything but the last bracket.
        let (before, _) = whole.split_at(whole.len() - 1);
        let before = format!("{before},\"more\":\"");
        let reply = Reply::stream_with(200, &[("content-type", "application/json")]).piece(&before).stall();
        let mut open = scene.call(surface, false, reply).open();
        until_length(&mut open, before.len());
        let id = open.header("x-bitrouter-request-id").expect("an id").to_owned();
        let left = clock::monotonic_now();
        drop(open);
        assert!(scene.exchange(number).wait_left().saturating_duration_since(left) <= BOUND, "{surface:?}");
        let line = scene.line_of(&id);
        line.says(200, None, true);
        assert_eq!(line.tokens(), [Some(16), Some(10)], "{surface:?}");
    }
}
