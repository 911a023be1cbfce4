//! The command line: exit codes, both kinds of output, and what a person reads.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod codes;
mod colour;
mod distrust;
mod json;
mod output;
mod snapshots;
mod status;
mod stop;
mod words;
