//! What a service manager is told (sd_notify(3)): readiness, reloads, status, the watchdog. Silent without one.

use std::time::Duration;

use sd_notify::NotifyState;

/// The line to the service manager. It reads `NOTIFY_SOCKET` itself, each time, as the protocol asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notifier;

impl Notifier {
    fn send(states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    /// Both sockets answer.
    pub fn ready(self, status: &str) {
        Self::send(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A reload begins; [`Notifier::reloaded`] ends it.
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => Self::send(&[NotifyState::Reloading, now]),
            Err(_) => Self::send(&[NotifyState::Reloading]),
        }
    }

    /// A reload ended, well or not.
    pub fn reloaded(self) {
        Self::send(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, status: &str) {
        Self::send(&[NotifyState::Status(status)]);
    }

    /// The drain begins.
    pub fn stopping(self) {
        Self::send(&[NotifyState::Stopping]);
    }

    /// Still alive.
    pub fn alive(self) {
        Self::send(&[NotifyState::Watchdog]);
    }

    /// How often [`Notifier::alive`] is wanted: half the watchdog's limit. `None` without a watchdog.
    pub fn watchdog_period(self) -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|period| !period.is_zero())
    }
}
