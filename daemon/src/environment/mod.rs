//! Provider keys: where they come from, which source wins, and the snapshot that requests use.
//!
//! Three sources ([`Pushed`], [`EnvFile`], the daemon's own environment under its [`Parent`]'s) are looked at as
//! [`Layers`]; from them and the providers' variable names a [`KeyRing`] is built, immutable and swapped whole. The
//! name decides before the source does. [`EnvFileWatch`] says when an env file changed; who reloads then is not known
//! here, and neither is any protocol.
//!
//! Values are secrets: nothing here prints one, and no error quotes a line of a file.

mod account_server;
mod catalog;
mod constant_time;
mod env_file;
mod env_syntax;
mod keyring;
mod layers;
mod names;
mod parent;
mod procfs;
mod pushed;
mod rejection;
mod settle;
mod status;
mod suffix;
mod summary;
mod watch;
mod watch_plan;

pub use self::{
    catalog::{key_names, shipped_variable_names},
    env_file::{EnvFile, EnvFileError},
    env_syntax::{LineError, LineReason, parse as parse_env_file},
    keyring::{Change, KeyRing, KeyRingChange, RejectedValue, UnknownVariable},
    layers::{KeyOrigin, KeySourceKind, Layers},
    names::{KeyNames, KnownNames},
    parent::{Parent, ParentError, ParentNow},
    procfs::{Session, SessionError},
    pushed::{PushError, Pushed, Variable},
    status::ProviderKeyStatus,
    watch::{EnvFileWatch, WatchProblem, WatchState},
};
pub(crate) use self::{
    constant_time::same,
    procfs::{Process, Stat},
};
