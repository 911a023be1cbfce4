//! A provider's reply on its way to the caller: bytes as they arrive, limits while the provider is waited for, and an
//! error event (or a broken connection, where the reply is no stream) when it ends before its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

use super::{ResponseBodyError, plain::PlainBody};
use crate::{
    Gateway,
    error::InferenceError,
    http::{
        context::{Caller, CallerConnection, RequestContext},
        deadline::{ResponseDeadlines, WaitError},
        response_headers::{BodyMeta, Media, sanitize_response},
    },
    interrupt::Interrupt,
    meter::RequestRecorder,
    protocol::{Progress, ReplyFormat, ReplyStream, StreamStatus, sse_event::looks_like_events},
    registry::ProviderId,
    snapshot::Limits,
    stored_responses::StoredResponses,
    upstream::UpstreamBody,
};

/// How long the end of the body is waited for behind the last event of a stream. Most providers send it at once, and then
/// their connection can be used again.
const AFTER_LAST_EVENT: Duration = Duration::from_secs(1);

/// Why a reply ends before its provider ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The provider's bytes broke off.
    Broken,
    /// A wait is over.
    Wait(WaitError),
}

/// How the bytes are followed.
#[derive(Debug)]
enum Mode {
    Stream(Box<dyn ReplyStream>),
    Plain(PlainBody),
}

/// The body of a provider's reply.
pub struct UpstreamResponseBody {
    /// `None` once the reply has ended.
    upstream: Option<UpstreamBody>,
    first: Option<Bytes>,
    mode: Mode,
    /// How far a stream has come.
    progress: Option<Progress>,
    deadlines: ResponseDeadlines,
    interrupt: Arc<Interrupt>,
    connection: Arc<dyn CallerConnection>,
    recorder: RequestRecorder,
    provider: ProviderId,
    /// Whether a provider takes money for it.
    costs: bool,
    /// Where the response that the provider stores is remembered, and for whom.
    remembered_by: Option<(Arc<StoredResponses>, Caller)>,
}

impl UpstreamResponseBody {
    /// Takes over a reply whose first body byte is there (or that has no body). `headers`, of which `facts` tell, become the
    /// caller's.
    #[expect(clippy::too_many_arguments, reason = "everything that outlives the call, moved here once")]
    pub(in crate::http) fn new(
        gateway: &Gateway,
        limits: &Limits,
        headers: &mut HeaderMap,
        facts: BodyMeta,
        upstream: UpstreamBody,
        first: Option<Bytes>,
        context: RequestContext,
        mut recorder: RequestRecorder,
        provider: ProviderId,
        format: ReplyFormat,
    ) -> Self {
        let begin = first.as_deref().unwrap_or_default();
        // Some servers do not say what their streams are.
        let is_unnamed_stream = || facts.media == Media::Other && format.stream && looks_like_events(begin);
        let is_json = facts.is_identity && facts.media == Media::Json;
        let mode = if facts.is_identity && (facts.media == Media::Events || is_unnamed_stream()) {
            Mode::Stream(format.events(facts.is_close_delimited))
        } else if let Some(array) = is_json.then(|| format.array(begin)).flatten() {
            Mode::Stream(array)
        } else {
            Mode::Plain(PlainBody::new(is_json.then(|| format.document()), facts.is_close_delimited))
        };
        if let Mode::Stream(_) = mode {
            // Something of ours may follow what is theirs, and some of theirs may be withheld.
            headers.remove(header::CONTENT_LENGTH);
        }
        sanitize_response(headers);
        let is_empty = first.is_none();
        if is_empty {
            recorder.complete();
        } else {
            recorder.set_first_byte();
        }
        Self {
            upstream: (!is_empty).then_some(upstream),
            first,
            mode,
            progress: None,
            deadlines: ResponseDeadlines::new(limits, context.started),
            interrupt: Arc::clone(&gateway.interrupt),
            connection: context.connection,
            recorder,
            provider,
            costs: format.costs,
            remembered_by: format.is_stored().then(|| (Arc::clone(&gateway.stored_responses), context.caller)),
        }
    }

    /// It is one of the stored response with this id.
    pub(in crate::http) fn is_of_response(&mut self, id: &str) {
        if let Mode::Stream(stream) = &mut self.mode {
            stream.is_of_response(id);
        }
    }

    /// What a stream has told since it was asked last, or a whole document at its end.
    fn note(&mut self) {
        let (usage, response_id) = match &mut self.mode {
            Mode::Stream(stream) => (stream.take_usage(), stream.take_response_id()),
            Mode::Plain(plain) => (plain.usage(), plain.response_id()),
        };
        if let Some(usage) = usage.filter(|_| self.costs) {
            self.recorder.add_usage(usage);
        }
        if let (Some(id), Some((stored, caller))) = (response_id, &self.remembered_by) {
            stored.remember(&[&id], &self.provider, *caller, 0);
        }
    }

    /// Everything went well: what was counted is recorded, and nothing more is read.
    fn end(&mut self) {
        self.note();
        self.recorder.complete();
        self.upstream = None;
    }

    /// The provider has ended the reply.
    fn finish(&mut self) -> Piece {
        let rest = match &mut self.mode {
            Mode::Stream(stream) => match stream.finish() {
                Some(rest) => rest,
                None => return self.stop(Stop::Broken),
            },
            Mode::Plain(plain) if !plain.may_end() => return self.stop(Stop::Broken),
            Mode::Plain(_) => Bytes::new(),
        };
        self.end();
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    /// The reply ends before its end: a stream with an event that says so, anything else with its connection.
    fn stop(&mut self, stop: Stop) -> Piece {
        if let Mode::Stream(stream) = &mut self.mode
            && stream.is_complete()
        {
            // Nothing can be missing: an error event behind it would make a failure of a whole reply.
            tracing::debug!(provider = %self.provider, ?stop, "a stream did not end after its last event");
            let rest = stream.complete();
            self.end();
            return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
        }
        let error = explain(stop, &self.provider);
        self.note();
        self.recorder.set_error(error.code());
        self.recorder.complete();
        self.upstream = None;
        self.first = None;
        let last = match &mut self.mode {
            Mode::Stream(stream) => stream.fail(&error),
            Mode::Plain(_) => None,
        };
        match last {
            Some(last) => {
                self.connection.close_after_reply();
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
            None => Poll::Ready(Some(Err(ResponseBodyError::Upstream))),
        }
    }

    /// A piece came: what of it may go on now.
    fn take(&mut self, data: Bytes, is_first: bool) -> Option<Bytes> {
        // What comes behind the last event does not keep the reply open for longer.
        if self.progress != Some(Progress::Ended) {
            self.deadlines.on_progress();
        }
        match &mut self.mode {
            Mode::Stream(stream) => {
                let whole = stream.push(data);
                let StreamStatus { progress, has_news } = stream.status();
                self.progress = Some(progress);
                // Whoever leaves behind the end has left nothing.
                if progress >= Progress::Complete {
                    self.recorder.complete();
                }
                if has_news {
                    self.note();
                }
                (!whole.is_empty()).then_some(whole)
            }
            Mode::Plain(plain) => {
                let is_end = self.upstream.as_ref().is_some_and(Body::is_end_stream);
                if is_first && is_end {
                    plain.push_whole(&data);
                } else {
                    plain.push(&data);
                }
                // hyper does not poll a body with a `Content-Length` past its last byte, so it is finished here.
                if is_end {
                    self.end();
                }
                Some(data)
            }
        }
    }
}

impl Drop for UpstreamResponseBody {
    fn drop(&mut self) {
        // The caller has left: what was counted by then is told all the same.
        if self.upstream.is_some() {
            self.note();
        }
    }
}

type Piece = Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>>;

impl Body for UpstreamResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Piece {
        let this = &mut *self;
        loop {
            let Some(upstream) = this.upstream.as_mut() else { return Poll::Ready(None) };
            if this.interrupt.is_set() {
                return this.stop(Stop::Wait(WaitError::ShuttingDown));
            }
            let (data, is_first) = match this.first.take() {
                Some(first) => (first, true),
                None => match Pin::new(upstream).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => (data, false),
                        Err(_trailers) => continue,
                    },
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(provider = %this.provider, %error, "a reply broke off");
                        return this.stop(Stop::Broken);
                    }
                    Poll::Ready(None) => return this.finish(),
                    Poll::Pending => {
                        let at_most = (this.progress == Some(Progress::Ended)).then_some(AFTER_LAST_EVENT);
                        return match this.deadlines.check_pending(&this.interrupt, &*this.connection, at_most) {
                            Some(over) => this.stop(Stop::Wait(over)),
                            None => Poll::Pending,
                        };
                    }
                },
            };
            if let Some(data) = this.take(data, is_first) {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let (Mode::Plain(_), Some(upstream)) = (&self.mode, &self.upstream) else {
            return if self.upstream.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() };
        };
        let held = self.first.as_ref().map_or(0, Bytes::len) as u64;
        upstream.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + held))
    }
}

fn explain(stop: Stop, provider: &ProviderId) -> InferenceError {
    match stop {
        Stop::Broken => InferenceError::new(
            InferenceCode::UpstreamInterrupted,
            format!("the reply of `{provider}` broke off before its end"),
        ),
        Stop::Wait(WaitError::Deadline(limit)) => InferenceError::new(
            InferenceCode::UpstreamTimeout,
            format!("`{provider}` took longer than `[timeouts] {limit}`"),
        ),
        Stop::Wait(WaitError::ShuttingDown) => {
            InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping")
        }
    }
}
