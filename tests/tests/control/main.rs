//! The control API: who may call it, what it streams, the version handshake both ways, and the promise that one protocol
//! number never breaks.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod compare;
mod contract;
mod errors;
mod events;
mod metadata;
mod methods;
mod newer_client;
mod newer_daemon;
mod peers;
