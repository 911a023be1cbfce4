//! What is known of a request while it runs, and the promise that it is told exactly once when it ends.

use std::{sync::Arc, time::Instant};

use bitrouter_proto::{clock, codes::InferenceCode};

use super::Metered;
use crate::{
    http::RequestContext,
    ports::{RequestRecord, UsageSink},
    protocol::usage::TokenUsage,
    registry::ProviderId,
};

/// The status that is recorded where the caller left before it saw one.
const CALLER_LEFT: u16 = 499;

/// Records one request. Dropping it before [`RequestRecorder::complete`] means that the caller went away.
pub(crate) struct RequestRecorder {
    sink: Arc<dyn UsageSink>,
    started: Instant,
    record: RequestRecord,
    /// What its charge is reckoned from, where it is metered.
    metered: Option<Metered>,
}

impl RequestRecorder {
    /// A request enters.
    pub(crate) fn start(sink: &Arc<dyn UsageSink>, context: &RequestContext) -> Self {
        sink.started();
        let record = RequestRecord {
            request_id: context.id.clone(),
            model: String::new(),
            model_listed: false,
            provider: None,
            status: CALLER_LEFT,
            stream: false,
            usage: TokenUsage::default(),
            total: std::time::Duration::ZERO,
            first_byte: None,
            error_code: None,
            cancelled: true,
        };
        Self { sink: Arc::clone(sink), started: context.started, record, metered: None }
    }

    /// What the caller asked for.
    pub(crate) fn set_model(&mut self, model: &str, stream: bool) {
        model.clone_into(&mut self.record.model);
        self.record.stream = stream;
    }

    /// Where it goes.
    pub(crate) fn set_route(&mut self, provider: &ProviderId, model: &str, listed: bool) {
        self.record.provider = Some(provider.clone());
        if self.record.model != model {
            model.clone_into(&mut self.record.model);
        }
        self.record.model_listed = listed;
    }

    /// Its price, bound and estimate are known.
    pub(crate) fn set_metered(&mut self, metered: Metered) {
        self.metered = Some(metered);
    }

    /// It is refused before it reached a provider.
    pub(crate) fn set_refused(&mut self, code: InferenceCode, status: http::StatusCode) {
        self.record.provider = None;
        self.sink.refused(code.as_str());
        self.set_error(code);
        self.set_status(status);
    }

    /// The caller gets this status.
    pub(crate) fn set_status(&mut self, status: http::StatusCode) {
        self.record.status = status.as_u16();
    }

    /// The caller gets this error, in the head or in mid-stream.
    pub(crate) fn set_error(&mut self, code: InferenceCode) {
        self.record.error_code = Some(code.as_str());
    }

    /// The first body byte of the reply is there.
    pub(crate) fn set_first_byte(&mut self) {
        self.record.first_byte = Some(clock::monotonic_now().saturating_duration_since(self.started));
    }

    /// The provider counted.
    pub(crate) fn add_usage(&mut self, usage: TokenUsage) {
        self.record.usage.update(usage);
    }

    /// The last byte of the reply is on its way: what happens now is no longer the caller's leaving.
    pub(crate) fn complete(&mut self) {
        self.record.cancelled = false;
    }
}

impl Drop for RequestRecorder {
    fn drop(&mut self) {
        self.record.total = clock::monotonic_now().saturating_duration_since(self.started);
        self.sink.finished(&self.record);
    }
}
