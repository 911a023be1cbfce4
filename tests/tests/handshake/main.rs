//! The version handshake, both ways, and the promise that the control API of one protocol number never breaks.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod contract;
mod errors;
mod metadata;
mod methods;
mod newer_client;
mod newer_daemon;
