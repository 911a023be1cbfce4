//! Where the gateway records what it did: one log line and the metrics of each request.

use std::sync::Arc;

use bitrouter_gateway::ports::{RequestRecord, UsageSink};

use crate::telemetry::{RequestLog, metrics::Metrics};

/// The daemon's [`UsageSink`].
#[derive(Debug)]
pub struct Requests {
    metrics: Arc<Metrics>,
    log: RequestLog,
}

impl Requests {
    /// A sink that counts in `metrics` and writes to `log`.
    pub fn new(metrics: Arc<Metrics>, log: RequestLog) -> Self {
        Self { metrics, log }
    }
}

impl UsageSink for Requests {
    fn started(&self) {
        self.metrics.started();
    }

    fn finished(&self, record: &RequestRecord) {
        let provider = record.provider.as_ref().map_or("none", |id| id.as_str());
        let model = if record.model_listed { &*record.model } else { "other" };
        let first_byte = record.first_byte;
        self.metrics.finished(
            provider,
            model,
            record.status,
            record.total.as_secs_f64(),
            first_byte.map(|d| d.as_secs_f64()),
        );
        self.metrics.tokens(&record.usage);
        self.log.tell(record);
    }

    fn refused(&self, reason: &'static str) {
        self.metrics.refused(reason);
    }
}
