//! The authorization server in process: each rule of its RFCs, and what goes wrong in such servers.
#![expect(clippy::unwrap_used, reason = "modules of one test target")]

mod clients;
mod device;
mod own_session;
mod properties;
mod refresh;
mod revoke;
mod wire;

#[path = "../support/mod.rs"]
mod support;
