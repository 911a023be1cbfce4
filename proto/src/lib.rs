//! The contract between the daemon and everybody who talks to it.
//!
//! * [`wire`] is generated from `control/v1/*.proto`; [`status`] holds the same facts as domain types with the exact
//!   JSON of `status --json`, and [`convert`] goes between the two, one file per noun.
//! * [`codes`] closes the sets that others build on: exit codes, control-API reasons, inference error codes.
//! * [`activity`] is what `top` shows.
//! * [`account`] holds ids, scopes and names: what credentials are baked with.
//! * [`credential_file`] reads what a sign-in left on this machine.
//! * [`env`] is the one registry of environment variables, [`paths`] the one place that knows where things live:
//!   both are pure functions of a captured [`env::Environment`].
//! * [`shell`] and [`terminal`] know what those two do with a word.
//! * [`duration`] reads a time limit as people write it, [`local_time`] shows a time as their clock does.
//! * [`key_variable`] is the one rule for the names of variables that hold a provider's key.
//! * [`clock`], [`files`] and [`tasks`] are the only doors to the clocks, to files with modes, and to spawning.
//! * `client` (feature) finds a daemon's socket, checks whose it is, and speaks to it.
//!
//! The journey of a call: `paths` names the candidates → `client` verifies the owner and connects → request metadata
//! carries version and protocol → the daemon answers a [`wire`] message, or a status whose reason is one of
//! [`codes::Reason`] → [`convert`] makes the domain type that `ctl` renders.
//!
//! This crate depends on no other crate of ours and must never know how the daemon does anything.
#![warn(missing_docs)]

pub mod account;
pub mod activity;
pub mod clock;
pub mod codes;
pub mod convert;
pub mod credential_file;
pub mod duration;
pub mod env;
pub mod explanation;
pub mod files;
pub mod key_variable;
pub mod local_time;
pub mod paths;
pub mod shell;
pub mod status;
#[cfg(feature = "tasks")]
pub mod tasks;
pub mod terminal;
pub mod wire;

#[cfg(feature = "client")]
pub mod client;

/// The release that this build is, as `--version` prints it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The number of the control protocol. It changes when an older client could misunderstand an answer.
pub const PROTOCOL: u32 = 1;

/// Metadata key that carries [`VERSION`] in both directions.
pub const VERSION_HEADER: &str = "bitrouter-version";

/// Metadata key that carries [`PROTOCOL`] in both directions.
pub const PROTOCOL_HEADER: &str = "bitrouter-protocol";
