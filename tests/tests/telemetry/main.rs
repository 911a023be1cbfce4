//! What the daemon says of itself: its log, its metrics, its warnings.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod follow;
mod health;
mod logs;
mod metrics;
mod sink;
