//! `bitrouter exec`: what a command can do with the key that it is given, what it finds around it, and what ends both.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod account;
mod bounded;
mod child;
mod kept;
mod rig;
