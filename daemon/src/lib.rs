//! The agent: the only crate that binds, locks, forks, handles signals.
//!
//! * [`lifecycle`]: parse → bind → ready → run → drain, and `start`'s detaching.
//! * [`control`]: the gRPC services on the Unix socket. [`listener`]: the loopback HTTP endpoint and who may call it.
//! * [`config`], [`environment`]: settings and provider keys as values; [`reload`] owns them and swaps them whole.
//! * [`health`]: what is wrong and what happens. [`telemetry`]: log lines and metrics. [`service_manager`]: what systemd
//!   is told.
//! * [`activity`]: which programs call which models, for whoever watches.
//! * `node_host`: the node, on or off and why. `restore`: a copy of its database put back, without a daemon.
//! * [`agent`]: the handles that lead to all of it ([`status`], [`phase`], [`log_control`] and those of the parts above).
//!
//! The journey of a key: a shell pushes it over [`control`] → [`reload`] lays it over env files and the environment →
//! a new key ring → one swap in the gateway → the next request carries it.
//!
//! The inference path itself is `bitrouter-gateway`; this crate must never look into a request's body.

mod account_provider;
pub mod activity;
mod agent;
pub mod config;
pub mod control;
mod control_peer;
mod credentials;
pub mod environment;
pub mod health;
pub mod lifecycle;
pub mod listener;
mod log_control;
mod nearest;
mod node_host;
mod phase;
mod rate_limited_warning;
mod regular_file;
pub mod reload;
mod restore;
pub mod service_manager;
mod status;
pub mod telemetry;
mod uid;

pub use bitrouter_node::Restored;
pub use environment::shipped_variable_names;
pub use lifecycle::{
    Detached, Examined, ServeError, ServeOptions, Started, check, detach, examine, holder as lock_holder, port_holder,
    port_stranger, serve,
};
pub use listener::{PortUid, who_takes};
pub use restore::Restore;
