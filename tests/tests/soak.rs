//! The long runs of `make soak`, bounded: no growth of memory, descriptors or wake-ups, shown as a slope; a thousand
//! starts after `kill -9`; every SDK with providers that cut their bytes in many ways. `BITROUTER_SOAK_MINUTES` makes the
//! first one longer than its two minutes.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and prints what it measured")]

use std::time::Duration;

#[path = "soak/cuts.rs"]
mod cuts;
#[path = "soak/growth.rs"]
mod growth;
#[path = "soak/idle.rs"]
mod idle;
#[path = "soak/kills.rs"]
mod kills;
#[path = "soak/length.rs"]
mod length;
#[path = "soak/line.rs"]
mod line;
#[path = "session/load.rs"]
mod session;
#[path = "soak/traffic.rs"]
mod traffic;

#[test]
#[ignore = "make soak"]
fn soak_nothing_grows_under_everything_at_once() {
    growth::run(length::length());
}

#[test]
#[ignore = "make soak"]
fn soak_a_daemon_that_nobody_asks_sleeps() {
    idle::run(length::length().min(Duration::from_mins(1)));
}

#[test]
#[ignore = "make soak"]
fn soak_the_first_start_after_each_kill_9_works() {
    kills::run(length::kills());
}

#[test]
#[ignore = "make soak"]
fn soak_every_sdk_reads_its_provider_in_any_cut() {
    cuts::run();
}

#[test]
#[ignore = "make soak"]
fn soak_no_call_fails_while_tokens_of_5_s_come_and_go() {
    session::run(length::length().max(Duration::from_mins(10)));
}

#[test]
fn the_line_through_samples_is_the_least_squares_line() {
    line::check();
}
