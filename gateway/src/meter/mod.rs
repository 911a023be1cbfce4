//! What is known of a request while it runs, and the promise that it is told exactly once when it ends.

use std::{sync::Arc, time::Instant};

use bitrouter_proto::{clock, codes::InferenceCode};

use crate::{
    ports::{RequestRecord, UsageSink},
    protocol::openai::usage::Usage,
    registry::ProviderId,
};

/// The status that is recorded where the caller left before it saw one.
const CALLER_LEFT: u16 = 499;

/// A request on its way. Dropping it before [`Flight::land`] means that the caller went away.
pub(crate) struct Flight {
    sink: Arc<dyn UsageSink>,
    started: Instant,
    record: RequestRecord,
}

impl Flight {
    /// A request enters.
    pub(crate) fn start(sink: Arc<dyn UsageSink>, started: Instant, request_id: String) -> Self {
        sink.started();
        let record = RequestRecord {
            request_id,
            model: String::new(),
            model_listed: false,
            provider: None,
            status: CALLER_LEFT,
            stream: false,
            input_tokens: None,
            output_tokens: None,
            total: std::time::Duration::ZERO,
            first_byte: None,
            error_code: None,
            cancelled: true,
        };
        Self { sink, started, record }
    }

    /// When the head of the request arrived.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// `x-bitrouter-request-id`.
    pub(crate) fn request_id(&self) -> &str {
        &self.record.request_id
    }

    /// What the caller asked for.
    pub(crate) fn asked(&mut self, model: &str, stream: bool) {
        model.clone_into(&mut self.record.model);
        self.record.stream = stream;
    }

    /// True where the caller asked for a stream.
    pub(crate) fn streams(&self) -> bool {
        self.record.stream
    }

    /// Where it goes.
    pub(crate) fn routed(&mut self, provider: &ProviderId, model: &str, listed: bool) {
        self.record.provider = Some(provider.clone());
        if self.record.model != model {
            model.clone_into(&mut self.record.model);
        }
        self.record.model_listed = listed;
    }

    /// It is refused before it reached a provider.
    pub(crate) fn refused(&mut self, code: InferenceCode, status: http::StatusCode) {
        self.record.provider = None;
        self.sink.refused(code.as_str());
        self.failed(code);
        self.answered(status);
    }

    /// The caller gets this status.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.record.status = status.as_u16();
    }

    /// The caller gets this error, in the head or in mid-stream.
    pub(crate) fn failed(&mut self, code: InferenceCode) {
        self.record.error_code = Some(code.as_str());
    }

    /// The first body byte of the reply is there.
    pub(crate) fn first_byte(&mut self) {
        self.record.first_byte = Some(clock::mono().saturating_duration_since(self.started));
    }

    /// The provider counted.
    pub(crate) fn counted(&mut self, usage: Usage) {
        self.record.input_tokens = usage.prompt_tokens.or(self.record.input_tokens);
        self.record.output_tokens = usage.completion_tokens.or(self.record.output_tokens);
    }

    /// The last byte of the reply is on its way: what happens now is no longer the caller's leaving.
    pub(crate) fn land(&mut self) {
        self.record.cancelled = false;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.record.total = clock::mono().saturating_duration_since(self.started);
        self.sink.finished(&self.record);
    }
}
