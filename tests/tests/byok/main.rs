//! Provider keys that people bring: sealed by whatever implementation, opened for their owner's calls alone.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod addresses;
mod cli;
mod everywhere;
mod payer;
mod place;
mod sealing;
