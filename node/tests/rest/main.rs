//! REST in process: who may, what is there for whom, and the shape of every answer.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::similar_names,
    clippy::allow_attributes,
    reason = "modules of one test target"
)]

mod byok;
mod caller;
mod described;
mod entries;
mod idempotency;
mod isolation;
mod keys;
mod limits;
mod matrix;
mod members;
mod oauth_clients;
mod policies;
mod refused;
mod roles;
mod scopes;
mod shapes;
mod times;
mod tokenroute;
mod web_session;

#[path = "../support/mod.rs"]
mod support;
