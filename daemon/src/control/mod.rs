//! The control API: gRPC over a Unix socket that only its owner (and root) may use.
//!
//! [`server`] takes connections and keeps one bad client from hurting another; [`access`] says who may call what;
//! [`error`] is the shape of every error;
//! [`services`] has one file per noun. Nothing here decides anything: each service asks the handles of the running
//! [`crate::agent::Agent`] that it needs.

mod access;
mod error;
mod server;
mod services;

pub use server::{ControlListener, ControlServer};
