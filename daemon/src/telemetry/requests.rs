//! Where the gateway records what it did: one log line and the metrics of each request.

use std::sync::Arc;

use bitrouter_gateway::ports::{RequestRecord, UsageSink};

use crate::telemetry::{format::OrNull, metrics::Metrics};

/// The daemon's [`UsageSink`].
#[derive(Debug)]
pub struct Requests {
    metrics: Arc<Metrics>,
}

impl Requests {
    /// A sink that counts in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl UsageSink for Requests {
    fn started(&self) {
        self.metrics.started();
    }

    fn finished(&self, record: &RequestRecord) {
        let provider = record.provider.as_ref().map_or("none", |id| id.as_str());
        let model = if record.model_listed { record.model.as_str() } else { "other" };
        let first_byte = record.first_byte;
        self.metrics.finished(
            provider,
            model,
            record.status,
            record.total.as_secs_f64(),
            first_byte.map(|d| d.as_secs_f64()),
        );
        self.metrics.tokens(record.usage.input, record.usage.output);
        tracing::info!(
            request_id = record.request_id.as_str(),
            model = record.model.as_str(),
            provider = ?OrNull(record.provider.as_ref()),
            status = record.status,
            stream = record.stream,
            input_tokens = ?OrNull(record.usage.input),
            output_tokens = ?OrNull(record.usage.output),
            total_ms = millis(record.total),
            first_byte_ms = ?OrNull(first_byte.map(millis)),
            error_code = ?OrNull(record.error_code),
            cancelled = record.cancelled,
            "request"
        );
    }

    fn refused(&self, reason: &'static str) {
        self.metrics.refused(reason);
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
