//! The daemon itself: how it starts and ends, where its keys come from, what it says.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod banner;
mod config;
mod drain;
mod env_files;
mod keys;
mod lifecycle;
mod logs;
mod metrics;
mod push;
mod reload;
mod status;
