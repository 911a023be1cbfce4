//! What is known of a request while it runs, and the promise that it is told exactly once when it ends: to whoever counts
//! requests, and, where it is metered, to whoever keeps its row.

use std::{sync::Arc, time::Instant};

use bitrouter_proto::{clock, codes::InferenceCode};

use super::{
    Metered, ModelPrice,
    row::{CallEnd, Known, OpenRow},
};
use crate::{
    error::InferenceError,
    http::{CallerConnection, RequestContext},
    ports::{Admission, AdmissionRequest, CallPlan, ObjectKey, RequestRecord, UsageSink},
    protocol::{
        Content, ContentCounter, Dialect, Verb,
        usage::{InputTokens, OutputTokens, TokenUsage},
    },
    registry::ProviderId,
    shown_name::shown_name,
};

/// The status that is recorded where the caller left before it saw one.
const CALLER_LEFT: u16 = 499;

/// What is asked for besides, of a call that rules bind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundCall<'a> {
    /// The bytes of its body.
    pub(crate) body: u64,
    /// Why nobody can say what it may cost.
    pub(crate) price_unknown: Option<&'a InferenceError>,
}

/// Records one request. Dropping it before [`RequestRecorder::end`] means that the caller went away.
pub(crate) struct RequestRecorder {
    sink: Arc<dyn UsageSink>,
    connection: Arc<dyn CallerConnection>,
    record: RequestRecord,
    /// The model as the caller named it, where that is not as the record has it.
    requested: Option<Arc<str>>,
    /// When it went to its provider: when the connection for it stood.
    sent: Option<Instant>,
    /// The namespace owner's own key for the provider pays.
    uses_byok: bool,
    /// What its charge is reckoned from, where it is metered and not admitted yet.
    metered: Option<Metered>,
    /// From its admission until it is settled.
    row: Option<Box<OpenRow>>,
}

impl RequestRecorder {
    /// A request enters.
    pub(crate) fn start(sink: &Arc<dyn UsageSink>, context: &RequestContext) -> Self {
        sink.started();
        let record = RequestRecord {
            request_id: context.id.clone(),
            started: context.started,
            model: Arc::default(),
            model_listed: false,
            provider: None,
            status: CALLER_LEFT,
            stream: false,
            usage: TokenUsage::default(),
            charged: None,
            total: std::time::Duration::ZERO,
            first_byte: None,
            error_code: None,
            cancelled: true,
        };
        let sink = Arc::clone(sink);
        Self {
            sink,
            connection: Arc::clone(&context.connection),
            record,
            requested: None,
            sent: None,
            uses_byok: false,
            metered: None,
            row: None,
        }
    }

    /// The namespace owner's own key for the provider pays.
    pub(crate) fn set_paid_by_owners_key(&mut self) {
        self.uses_byok = true;
    }

    /// Whether it does.
    pub(crate) fn is_paid_by_owners_key(&self) -> bool {
        self.uses_byok
    }

    /// What the caller asked for.
    pub(crate) fn set_model(&mut self, model: &str, stream: bool) {
        self.record.model = shown_name(model).into();
        self.requested = None;
        self.record.stream = stream;
    }

    /// Where it goes.
    pub(crate) fn set_route(&mut self, provider: &ProviderId, model: &str, listed: bool) {
        let model = shown_name(model);
        self.record.provider = Some(provider.clone());
        if &*self.record.model != model {
            self.requested = Some(std::mem::replace(&mut self.record.model, model.into()));
        }
        self.record.model_listed = listed;
        self.connection.on_routed(provider, &self.record.model);
    }

    /// Its price, bound and estimate are known.
    pub(crate) fn set_metered(&mut self, metered: Metered) {
        self.metered = Some(metered);
    }

    /// Asks whether the call may be made, where it is metered; from then on there is a row of it.
    ///
    /// # Errors
    /// Why it is not made.
    pub(crate) fn admit(
        &mut self,
        admission: &dyn Admission,
        context: &RequestContext,
        dialect: Dialect,
        verb: Verb,
    ) -> Result<(), InferenceError> {
        let Some(metered) = self.metered.take() else { return Ok(()) };
        let request = self.request(context, dialect, verb, &metered);
        let permit = request.map(|request| admission.admit(&request)).transpose()?;
        self.row = permit.map(|permit| Box::new(OpenRow::new(permit, metered)));
        Ok(())
    }

    /// The same of a call that `plan` binds, whose body has so many bytes; the cap that its replies get.
    ///
    /// # Errors
    /// Why it is not made.
    pub(crate) async fn admit_bound(
        &mut self,
        plan: &dyn CallPlan,
        context: &RequestContext,
        dialect: Dialect,
        verb: Verb,
        asked: BoundCall<'_>,
    ) -> Result<Option<u64>, InferenceError> {
        let mut metered = self.metered.take().unwrap_or_default();
        let Some(request) = self.request(context, dialect, verb, &metered) else { return Ok(None) };
        let BoundCall { body, price_unknown } = asked;
        let admitted = plan.admit(AdmissionRequest { body, price_unknown, ..request }).await?;
        if let Some(cap) = admitted.cap {
            metered.bound = metered.bound_at(cap);
        }
        self.row = admitted.permit.map(|permit| Box::new(OpenRow::new(permit, metered)));
        Ok(admitted.cap)
    }

    fn request<'r>(
        &'r self,
        context: &'r RequestContext,
        dialect: Dialect,
        verb: Verb,
        metered: &'r Metered,
    ) -> Option<AdmissionRequest<'r>> {
        Some(AdmissionRequest {
            context,
            provider: self.record.provider.as_ref()?,
            model: &self.record.model,
            requested_model: self.requested.as_deref().unwrap_or(&self.record.model),
            dialect,
            verb,
            stream: self.record.stream,
            metered,
            costs: verb.costs(),
            body: 0,
            uses_byok: self.uses_byok,
            price_unknown: None,
        })
    }

    /// Price, bound and estimate of the call, until it is admitted.
    pub(crate) fn metered(&self) -> Option<&Metered> {
        self.metered.as_ref()
    }

    /// True between admission and settlement.
    pub(crate) fn has_row(&self) -> bool {
        self.row.is_some()
    }

    /// It went to its provider; `None`: it did not, for all that was thought before.
    pub(crate) fn set_sent(&mut self, sent: Option<Instant>) {
        self.sent = sent;
        if let Some(row) = &mut self.row {
            row.set_sent(sent);
        }
    }

    /// When it went to its provider.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.sent
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

    /// The first body byte of the reply is there; when that was.
    pub(crate) fn set_first_byte(&mut self) -> Instant {
        let now = clock::monotonic_now();
        self.record.first_byte = Some(now.saturating_duration_since(self.record.started));
        now
    }

    /// So many output tokens of a stream pass at most.
    pub(crate) fn output_limit(&self) -> Option<u64> {
        self.row.as_ref()?.output_limit()
    }

    /// A reply begins of which more will come; what of it is content, `counter` counts where that is asked.
    pub(crate) fn begin_reply(&mut self, counter: Option<ContentCounter>, most_held: usize) {
        if let (Some(row), Some(counter)) = (&mut self.row, counter) {
            row.begin(counter, most_held);
        }
    }

    /// Tells what the call would be charged if it ended now.
    pub(crate) fn tell(&mut self, now: Instant) {
        let known = self.known();
        if let Some(row) = &mut self.row {
            let usage = row.tell(now, &known);
            self.connection.on_progress(&usage);
        }
    }

    /// A part of the reply passes.
    pub(crate) fn pass(&mut self, part: &[u8]) {
        if let Some(now) = self.row.as_mut().and_then(|row| row.pass(part)) {
            self.at(now);
        }
    }

    /// It is `now`, and nothing more passes for the moment.
    pub(crate) fn at(&mut self, now: Instant) {
        if self.row.as_mut().is_some_and(|row| row.at(now)) {
            self.tell(now);
        }
    }

    /// The provider counted.
    pub(crate) fn add_usage(&mut self, usage: TokenUsage) {
        self.record.usage.update(usage);
    }

    /// True where the provider counted what went in and what came out.
    pub(crate) fn is_counted(&self) -> bool {
        self.record.usage.input.is_some() && self.record.usage.output.is_some()
    }

    /// The tokens that the provider counted.
    pub(crate) fn tokens(&self) -> u64 {
        let TokenUsage { input, output } = self.record.usage;
        input.map_or(0, InputTokens::total).saturating_add(output.map_or(0, OutputTokens::total))
    }

    /// The model that makes the reply, as its row names it.
    pub(crate) fn model(&self) -> &str {
        &self.record.model
    }

    /// Another model than the one that was judged has made the reply, which costs that much.
    pub(crate) fn made_by_another(&mut self, price: Option<Arc<ModelPrice>>) {
        if let Some(row) = &mut self.row {
            row.made_by_another(price);
        }
    }

    /// The provider has stored something that later calls can name.
    pub(crate) fn add_object(&mut self, object: ObjectKey) {
        if let Some(row) = &mut self.row {
            row.add_object(object);
        }
    }

    /// Nothing is missing of the reply: who leaves now has left nothing.
    pub(crate) fn complete(&mut self) {
        self.record.cancelled = false;
    }

    /// The call has ended: its row is settled, where it has one. What is left of the reply, its last byte at the least, goes
    /// out after this.
    pub(crate) fn end(&mut self, end: CallEnd) {
        if !end.is_left() {
            self.record.cancelled = false;
        }
        self.settle(end);
    }

    /// The row is settled, where there is one; the request is not over.
    pub(crate) fn settle(&mut self, end: CallEnd) {
        if let Some(row) = self.row.take() {
            self.record.charged = Some(row.settle(end, &self.known()));
        }
    }

    /// The reply is cut here: its row is settled, and its caller is told what is charged. It is a whole reply all the same.
    /// What was `withheld` counts too.
    pub(crate) fn cut(&mut self, withheld: Content) -> TokenUsage {
        self.complete();
        if let Some(row) = &mut self.row {
            row.withhold(withheld);
        }
        self.settle(CallEnd::Cut);
        self.record.charged.map_or(self.record.usage, |charged| charged.usage)
    }

    fn known(&self) -> Known {
        let RequestRecord { usage, first_byte, error_code, .. } = self.record;
        Known { told: usage, first_byte, error_code }
    }
}

impl Drop for RequestRecorder {
    fn drop(&mut self) {
        if self.row.is_some() {
            // Nobody comes back to it: its caller has left, or what served it has failed.
            self.settle(if std::thread::panicking() { CallEnd::Failed } else { CallEnd::Left });
        }
        self.record.total = clock::monotonic_now().saturating_duration_since(self.record.started);
        self.sink.finished(&self.record);
        self.connection.on_ended(&self.record);
    }
}
