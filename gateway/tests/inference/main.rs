//! The whole crate from socket to socket: a caller and a provider on raw TCP, every byte under control.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly, its support too")]

mod account;
mod callers;
mod calls;
mod cut;
mod failures;
mod ledger;
mod metering;
mod support;
