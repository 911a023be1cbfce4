//! The service manager: what it is told ([`notify`]) and its watchdog ([`watchdog`]). It knows nothing of what is served.

mod notify;
mod watchdog;

pub use notify::Notifier;
pub(crate) use watchdog::{SelfCheck, ServiceWatchdog};
