//! P10, P16: one row for each call that costs, true to what the provider sent, whatever happens to it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod acme;
mod crash;
mod credit;
mod journal;
mod rows;
mod stored;
mod unfinished;
