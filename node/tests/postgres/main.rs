//! A node on PostgreSQL: whose the database is, what becomes of a server that goes, and of callers that do.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "modules of one test target"
)]

mod aborted;
mod away;
mod lock;
mod opening;

#[path = "../support/mod.rs"]
mod support;
