//! What may be done with the running log: read it, and change its level.

use std::sync::Arc;

use crate::{
    config::Level,
    telemetry::{LogRing, Logging},
};

/// A handle on the log. Cloning shares it.
#[derive(Clone, Debug)]
pub struct LogControl(Arc<Logging>);

impl LogControl {
    /// The handle on `logging`.
    pub fn new(logging: Arc<Logging>) -> Self {
        Self(logging)
    }

    /// Changes the level; answers the one before.
    pub fn set_level(&self, level: Level) -> Level {
        let previous = self.0.set_level(level);
        tracing::info!(now = level.as_str(), before = previous.as_str(), "log level");
        previous
    }

    /// Writes from now on; `show` what was held back until now, or leave it to the ring.
    pub fn release(&self, show: bool) {
        self.0.release(show);
    }

    /// Writes what is left, at the end of the process.
    pub fn close(&self) {
        self.0.close();
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        self.0.level()
    }

    /// The newest lines.
    pub fn ring(&self) -> &LogRing {
        self.0.ring()
    }
}
