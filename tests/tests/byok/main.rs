//! Provider keys that people bring: sealed by whatever implementation, opened for their owner's calls alone.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod addresses;
mod budgets;
mod cli;
mod everywhere;
mod hints;
mod leaving;
mod models;
mod payer;
mod place;
mod quoted;
mod sealing;
mod unusable;
