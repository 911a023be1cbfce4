//! The service manager: whether it started us ([`detect`]), what it is told ([`notify`]), and its watchdog ([`watchdog`]).
//! It knows nothing of what is served.

mod detect;
mod notify;
mod watchdog;

pub(crate) use detect::is_service;
pub use notify::Notifier;
pub(crate) use watchdog::{SelfCheck, ServiceWatchdog};
