//! Feeds the service manager's watchdog while the daemon really turns.

use std::time::Duration;

use super::Notifier;

/// Alive means that what we own answers, not that a timer fires.
pub(crate) trait SelfCheck: Send + Sync {
    /// Asks; `Err` says what does not answer.
    fn answers(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// Feeds the service manager's watchdog.
pub(crate) struct ServiceWatchdog<C> {
    /// Where the manager listens.
    pub(crate) notifier: Notifier,
    /// What is asked before each meal.
    pub(crate) check: C,
}

impl<C: SelfCheck> ServiceWatchdog<C> {
    /// Feeds every `period`, for the daemon's life.
    pub(crate) async fn feed(self, period: Duration) {
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.check.answers().await {
                Ok(()) => self.notifier.alive(),
                Err(error) => tracing::error!(error, "the daemon does not answer itself"),
            }
        }
    }
}
