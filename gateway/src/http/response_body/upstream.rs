//! A provider's reply on its way to the caller: bytes as they arrive, limits while the provider is waited for, and an
//! error event (or a broken connection, where the reply is no stream) when it ends before its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

use super::{
    ResponseBodyError, judged,
    plain::PlainBody,
    rest,
    stop::Stop,
    watch::{Named, Watch},
};
use crate::{
    Gateway,
    error::InferenceError,
    http::{
        context::{Caller, CallerConnection, RequestContext},
        deadline::{ResponseDeadlines, WaitError},
        payer::OwnersCall,
        quoted_key::QuotedKey,
        response_headers::{BodyMeta, Media, begins_as_json, sanitize_response},
        run::RunEnd,
    },
    meter::{CallEnd, RequestRecorder},
    ports::Run,
    protocol::{
        ContentEnd, GuardForm, Passed, Progress, ReplyFormat, ReplyGuard, ReplyStream, StreamStatus,
        sse_event::looks_like_events,
    },
    registry::ProviderId,
    snapshot::Limits,
    stored_responses::{Making, object_key},
    upstream::UpstreamBody,
};

/// How long the end of the body is waited for behind the last event of a stream. Most providers send it at once, and then
/// their connection can be used again.
const AFTER_LAST_EVENT: Duration = Duration::from_secs(1);
/// The most of a stream that is kept until it is counted.
const MOST_OF_A_STREAM: usize = 16 << 10;
/// The most of a document that is.
const MOST_OF_A_DOCUMENT: usize = 64 << 10;

/// How the bytes are followed.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "what holds it is boxed; a box within it would be one more for each reply"
)]
enum Mode {
    Stream(Box<dyn ReplyStream>),
    Plain(PlainBody),
}

/// The body of a provider's reply. `None` only while it is dropped.
pub struct UpstreamResponseBody(Option<Box<Reply>>);

/// A reply on its way.
pub(super) struct Reply {
    gateway: Arc<Gateway>,
    /// `None` once the reply has ended.
    upstream: Option<UpstreamBody>,
    first: Option<Bytes>,
    mode: Mode,
    /// Judges a stream by content rules, where some are in force.
    guard: Option<Box<ReplyGuard>>,
    /// Rules judge the document that it is: its end is settled with what they say.
    is_judged: bool,
    /// Looks at the models that it names, of which so many were looked at.
    watch: Option<Watch>,
    judged_names: usize,
    /// Something of it has gone to the caller.
    has_passed: bool,
    is_array: bool,
    /// Why a judged document has no end, or a stream none that its caller can read.
    failure: Option<InferenceError>,
    /// The provider has brought it to its end.
    is_over: bool,
    /// How far a stream has come.
    progress: Option<Progress>,
    deadlines: ResponseDeadlines,
    run_end: RunEnd,
    connection: Arc<dyn CallerConnection>,
    pub(super) recorder: RequestRecorder,
    provider: ProviderId,
    format: ReplyFormat,
    /// For whom it is made.
    caller: Caller,
    /// The ids by which the provider has stored it and its parts.
    ids: Vec<String>,
    /// The stored key that pays for it.
    quoted: Option<QuotedKey>,
}

impl UpstreamResponseBody {
    /// Takes over a reply whose first body byte is there (or that has no body). `headers`, of which `facts` tell, become the
    /// caller's.
    #[expect(clippy::too_many_arguments, reason = "everything that outlives the call, moved here once")]
    pub(in crate::http) fn new(
        gateway: Arc<Gateway>,
        limits: &Limits,
        headers: &mut HeaderMap,
        facts: BodyMeta,
        upstream: UpstreamBody,
        first: Option<Bytes>,
        context: RequestContext,
        mut recorder: RequestRecorder,
        provider: ProviderId,
        format: ReplyFormat,
        watch: Option<Watch>,
    ) -> Self {
        let begin = first.as_deref().unwrap_or_default();
        // Some servers do not say what their replies are.
        let is_unnamed = facts.is_identity && facts.media == Media::Other;
        let is_unnamed_stream = || is_unnamed && format.stream && looks_like_events(begin);
        let is_json = facts.is_identity && facts.media == Media::Json
            || is_unnamed && recorder.has_row() && begins_as_json(begin);
        let mut guard_form = GuardForm::Events;
        let (mut mode, counter) = if facts.is_identity && facts.media == Media::Events || is_unnamed_stream() {
            (Mode::Stream(format.events(facts.is_close_delimited)), format.events_counter())
        } else if let Some(array) = is_json.then(|| format.array(begin)).flatten() {
            guard_form = GuardForm::Array;
            (Mode::Stream(array), format.json_counter())
        } else {
            let document = is_json.then(|| format.document());
            (Mode::Plain(PlainBody::new(document, facts.is_close_delimited)), format.json_counter())
        };
        if let Mode::Stream(stream) = &mut mode {
            if let Some(most) = recorder.output_limit() {
                stream.set_limit(format.output_limit(most));
            }
            // Something of ours may follow what is theirs, and some of theirs may be withheld.
            headers.remove(header::CONTENT_LENGTH);
        }
        let rules = watch.as_ref().and_then(|watch| watch.content_rules().cloned());
        let holds = watch.as_ref().is_some_and(Watch::holds_documents);
        if holds {
            judged::remove_digests(headers);
        }
        sanitize_response(headers);
        let (guard, is_judged) = match (&mode, rules) {
            (Mode::Stream(_), Some(rules)) => {
                (Some(Box::new(ReplyGuard::new(rules, format.dialect, guard_form))), false)
            }
            (Mode::Stream(_), None) => (None, false),
            (Mode::Plain(_), _) => (None, holds),
        };
        let is_empty = first.is_none();
        if is_empty {
            recorder.end(CallEnd::Whole);
        } else {
            let now = recorder.set_first_byte();
            if recorder.has_row() {
                let is_stream = matches!(mode, Mode::Stream(_));
                recorder.begin_reply(counter, if is_stream { MOST_OF_A_STREAM } else { MOST_OF_A_DOCUMENT });
                // A document that is whole is settled in a moment.
                if is_stream || !upstream.is_end_stream() {
                    recorder.tell(now);
                }
            }
        }
        Self(Some(Box::new(Reply {
            gateway,
            upstream: (!is_empty).then_some(upstream),
            first,
            mode,
            guard,
            is_judged,
            watch,
            judged_names: 0,
            has_passed: false,
            is_array: guard_form == GuardForm::Array,
            failure: None,
            is_over: false,
            progress: None,
            deadlines: ResponseDeadlines::new(limits, context.started),
            run_end: RunEnd::default(),
            connection: context.connection,
            recorder,
            provider,
            format,
            caller: context.caller,
            ids: Vec::new(),
            quoted: None,
        })))
    }

    /// It is paid with this stored key.
    pub(in crate::http) fn is_paid_with(&mut self, owners: Box<OwnersCall>) {
        if let Some(reply) = &mut self.0 {
            reply.quoted = Some(QuotedKey::new(owners));
        }
    }

    /// Rules judge it as a whole: see [`UpstreamResponseBody::judge`].
    pub(in crate::http) fn is_judged(&self) -> bool {
        self.0.as_ref().is_some_and(|reply| reply.is_judged)
    }

    pub(super) fn reply(&mut self) -> Option<&mut Reply> {
        self.0.as_deref_mut()
    }

    /// It belongs to a run, which may end before it does.
    pub(in crate::http) fn ends_with(&mut self, run: &dyn Run) {
        if let Some(reply) = &mut self.0 {
            reply.run_end = RunEnd::of(run);
        }
    }

    /// It is one of the stored response with this id.
    pub(in crate::http) fn is_of_response(&mut self, id: &str) {
        if let Some(reply) = &mut self.0
            && let Mode::Stream(stream) = &mut reply.mode
        {
            stream.is_of_response(id);
        }
    }
}

impl Drop for UpstreamResponseBody {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take()
            && reply.upstream.is_some()
        {
            reply.leave();
        }
    }
}

impl Reply {
    /// What a stream has told since it was asked last, or a whole document at its end.
    fn note(&mut self) {
        let (usage, ids) = match &mut self.mode {
            Mode::Stream(stream) => (stream.take_usage(), stream.take_ids()),
            Mode::Plain(plain) => (plain.usage(), plain.ids()),
        };
        if let Some(usage) = usage.filter(|_| self.format.costs) {
            self.recorder.add_usage(usage);
        }
        let has_counted = usage.is_some();
        if self.format.costs && (!ids.is_empty() || has_counted && !self.ids.is_empty()) {
            for id in &ids {
                self.recorder.add_object(object_key(id));
            }
            self.ids.extend(ids);
            let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
            let making = Making {
                provider: &self.provider,
                model: self.recorder.model(),
                caller: self.caller,
                tokens: self.recorder.tokens(),
                on_owners_key: self.recorder.is_paid_by_owners_key(),
            };
            // Whoever speaks of these later is led back, also while the reply is being made.
            self.gateway.stored_responses.remember(&ids, making);
        }
    }

    /// Judges the models that the reply has named since; why the reply ends here. A document that is held ends for that only once it
    /// is over: nothing of it goes out before, and what it used is told at its end.
    fn judge_model(&mut self) -> Result<(), InferenceError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let names = match &self.mode {
            Mode::Stream(stream) => stream.models(),
            Mode::Plain(plain) => plain.models(),
        };
        for name in &names[self.judged_names.min(names.len())..] {
            self.judged_names += 1;
            match watch.named(&self.provider, name) {
                Named::Same => {}
                Named::Another(price) => self.recorder.made_by_another(price),
                Named::Denied(error, price) => {
                    self.recorder.made_by_another(price);
                    if !self.is_judged {
                        return Err(error);
                    }
                    self.failure.get_or_insert(error);
                }
            }
        }
        match self.failure.take_if(|_| self.is_over) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The reply ends here, with an error that is not its provider's, behind what goes on `before` it and in the place of what is
    /// `withheld`.
    fn refuse(&mut self, error: InferenceError, before: &[u8], withheld: &[u8]) -> Result<Bytes, ResponseBodyError> {
        self.note();
        self.recorder.set_error(error.code());
        self.recorder.end(if self.has_ended() { CallEnd::Withheld } else { CallEnd::Failed });
        self.upstream = None;
        self.first = None;
        let held = self.guard.take().map_or_else(Bytes::new, |guard| guard.into_held());
        self.connection.close_after_reply();
        let last = match &mut self.mode {
            Mode::Stream(stream) => {
                stream.withhold(withheld);
                stream.withhold(&held);
                stream.fail(&error)
            }
            Mode::Plain(_) => None,
        };
        match last {
            // The element that it follows was held back, with the bracket before it.
            Some(last) if self.is_array && !self.has_passed && before.is_empty() && last.starts_with(b",") => {
                Ok([b"[", &last[1..]].concat().into())
            }
            Some(last) => Ok([before, &last].concat().into()),
            None => {
                self.failure = Some(error);
                if before.is_empty() { Err(ResponseBodyError::Upstream) } else { Ok(Bytes::copy_from_slice(before)) }
            }
        }
    }

    /// True where the provider has brought the reply to its end, or has nothing more to say of it, and has told what it used.
    fn has_ended(&self) -> bool {
        match &self.mode {
            Mode::Stream(stream) => {
                !stream.has_failed() && (self.is_over || stream.content_end() == ContentEnd::Counted)
            }
            Mode::Plain(_) => self.is_over,
        }
    }

    /// Everything went well: what was counted is recorded, and nothing more is read.
    fn end(&mut self) {
        self.note();
        self.settle_end();
        self.upstream = None;
    }

    /// The reply has reached its end, which may be that its provider says it failed.
    fn settle_end(&mut self) {
        if self.is_judged {
            return;
        }
        let has_failed = matches!(&self.mode, Mode::Stream(stream) if self.recorder.has_row() && stream.has_failed());
        self.recorder.end(if has_failed { CallEnd::Failed } else { CallEnd::Whole });
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
        self.is_over = true;
        if let Err(error) = self.judge_model() {
            return Poll::Ready(Some(self.refuse(error, &[], &rest).map(Frame::data)));
        }
        if matches!(&self.mode, Mode::Stream(stream) if stream.status().is_cut) {
            return Poll::Ready(Some(self.cut(rest).map(Frame::data)));
        }
        self.recorder.pass(&rest);
        let rest = match self.guarded(rest, true) {
            Ok(rest) => rest,
            Err(last) => return Poll::Ready(Some(last.map(Frame::data))),
        };
        self.end();
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    /// What the rules let go on of these whole events, and of those that they held; all of them where nothing follows. The
    /// error is the last piece of a stream that they block.
    fn guarded(&mut self, events: Bytes, is_last: bool) -> Result<Bytes, Result<Bytes, ResponseBodyError>> {
        let Some(guard) = &mut self.guard else { return Ok(events) };
        let Passed { bytes, blocked, withheld } = if is_last { guard.push_last(events) } else { guard.push(events) };
        let Some(blocked) = blocked else { return Ok(bytes) };
        Err(self.refuse(judged::blocked(&blocked), &bytes, &withheld))
    }

    /// The reply ends before its end: a stream with an event that says so, anything else with its connection.
    fn stop(&mut self, stop: Stop) -> Piece {
        if let Mode::Stream(stream) = &mut self.mode
            && stream.is_complete()
        {
            // Nothing can be missing: an error event behind it would make a failure of a whole reply.
            tracing::debug!(provider = %self.provider, ?stop, "a stream did not end after its last event");
            self.is_over = true;
            let rest = stream.complete();
            let rest = match self.guarded(rest, true) {
                Ok(rest) => rest,
                Err(last) => return Poll::Ready(Some(last.map(Frame::data))),
            };
            self.end();
            return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
        }
        // What is held has the verdict of a text that ends here.
        let held = match self.guarded(Bytes::new(), true) {
            Ok(held) => held,
            Err(last) => return Poll::Ready(Some(last.map(Frame::data))),
        };
        let error = stop.explain(&self.provider);
        self.note();
        self.recorder.set_error(error.code());
        self.recorder.end(stop.call_end());
        self.upstream = None;
        self.first = None;
        let last = match &mut self.mode {
            Mode::Stream(stream) => stream.fail(&error),
            Mode::Plain(_) => None,
        };
        match last {
            Some(last) => {
                self.connection.close_after_reply();
                let last = if held.is_empty() { last } else { [held, last].concat().into() };
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
            None => {
                self.failure = Some(error);
                if held.is_empty() { self.poll_failure() } else { Poll::Ready(Some(Ok(Frame::data(held)))) }
            }
        }
    }

    /// What ended without a word in it ends with its connection.
    fn poll_failure(&self) -> Piece {
        Poll::Ready(self.failure.as_ref().map(|_| Err(ResponseBodyError::Upstream)))
    }

    /// Why a judged document has no end.
    pub(super) fn take_failure(&mut self) -> InferenceError {
        self.failure.take().unwrap_or_else(|| Stop::Broken.explain(&self.provider))
    }

    /// A piece came: what of it may go on now.
    fn take(&mut self, data: Bytes, is_first: bool) -> Option<Result<Bytes, ResponseBodyError>> {
        // What comes behind the last event does not keep the reply open for longer.
        if self.progress != Some(Progress::Ended) {
            self.deadlines.on_progress();
        }
        match &mut self.mode {
            Mode::Stream(_) => self.take_events(data),
            Mode::Plain(plain) => {
                let is_end = self.upstream.as_ref().is_some_and(Body::is_end_stream);
                if is_first && is_end {
                    plain.push_whole(&data);
                } else {
                    plain.push(&data);
                }
                // hyper does not poll a body with a `Content-Length` past its last byte, so it is finished here.
                self.is_over = is_end;
                if is_end {
                    self.note();
                }
                if !(is_end && self.recorder.is_counted()) {
                    self.recorder.pass(&data);
                }
                if let Err(error) = self.judge_model() {
                    return Some(self.refuse(error, &[], &[]));
                }
                if is_end {
                    self.settle_end();
                    self.upstream = None;
                }
                Some(Ok(match &mut self.quoted {
                    Some(quoted) => quoted.document(data, is_first),
                    None => data,
                }))
            }
        }
    }

    /// A piece of a stream came: the whole events that may go on now.
    fn take_events(&mut self, data: Bytes) -> Option<Result<Bytes, ResponseBodyError>> {
        let Mode::Stream(stream) = &mut self.mode else { return Some(Ok(data)) };
        let mut whole = stream.push(data);
        if let Some(quoted) = &self.quoted {
            whole = quoted.events(whole, || stream.has_failed());
        }
        if self.progress == Some(Progress::Ended) && has_content(self.format, &whole) {
            // It was settled, so nobody would have paid for this.
            tracing::debug!(provider = %self.provider, "a stream goes on behind its last event");
            self.upstream = None;
            return None;
        }
        let StreamStatus { progress, has_news, is_cut } = stream.status();
        self.progress = Some(progress);
        self.is_over = progress == Progress::Ended;
        if let Err(error) = self.judge_model() {
            return Some(self.refuse(error, &[], &whole));
        }
        if is_cut {
            return Some(self.cut(whole));
        }
        if has_news {
            self.note();
        }
        if self.recorder.has_row() {
            let is_over = progress == Progress::Ended;
            if !(is_over && self.recorder.is_counted()) {
                self.recorder.pass(&whole);
            }
        }
        let whole = match self.guarded(whole, progress == Progress::Ended) {
            Ok(whole) => whole,
            Err(last) => return Some(last),
        };
        if self.recorder.has_row() && progress == Progress::Ended {
            self.settle_end();
        }
        // Whoever leaves behind the end has left nothing.
        if progress >= Progress::Complete {
            self.recorder.complete();
        }
        (!whole.is_empty()).then_some(Ok(whole))
    }

    /// The output has passed its limit, and `rest` is the last of it that goes on. The provider's connection ends at once, and
    /// the reply in its own grammar: the caller's may go on.
    fn cut(&mut self, rest: Bytes) -> Result<Bytes, ResponseBodyError> {
        self.upstream = None;
        self.first = None;
        self.note();
        self.recorder.pass(&rest);
        let Mode::Stream(stream) = &mut self.mode else { return Ok(rest) };
        let usage = self.recorder.cut(stream.withheld());
        let end = stream.cut(&usage);
        let all: Bytes = if rest.is_empty() { end } else { [rest, end].concat().into() };
        // The end may say once more what the reply has said.
        match self.guarded(all, true) {
            Ok(all) => Ok(all),
            Err(last) => last,
        }
    }

    /// The caller has left before the end. What was used may still be told by a reply whose content is over; the rest of any
    /// other is given up at once.
    fn leave(mut self: Box<Self>) {
        self.note();
        let Mode::Stream(stream) = &self.mode else { return };
        if !self.recorder.has_row() {
            return;
        }
        if stream.has_failed() {
            return self.recorder.settle(CallEnd::Failed);
        }
        match stream.content_end() {
            ContentEnd::Counted if self.progress >= Some(Progress::Complete) => self.recorder.settle(CallEnd::Whole),
            ContentEnd::Counted => self.recorder.settle(CallEnd::LeftAtEnd),
            ContentEnd::Uncounted => rest::read(self),
            ContentEnd::Open => {}
        }
    }

    /// Reads on where nobody takes what comes; true once it is known what was used, or that it never will be.
    pub(super) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (Some(upstream), Mode::Stream(stream)) = (self.upstream.as_mut(), &mut self.mode) else {
                return Poll::Ready(());
            };
            let end = match Pin::new(upstream).poll_frame(cx) {
                Poll::Pending if self.gateway.interrupt.is_set() || self.run_end.has_come(cx) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let whole = stream.push(data);
                    let StreamStatus { progress, is_cut, .. } = stream.status();
                    let is_over = progress == Progress::Ended;
                    let end = if is_cut { ContentEnd::Open } else { stream.content_end() };
                    // Which model made it may be told at the end.
                    self.judge_model().ok();
                    self.note();
                    self.recorder.pass(&whole);
                    if is_over { ContentEnd::Counted } else { end }
                }
                Poll::Ready(None) if stream.finish().is_some() => {
                    self.note();
                    ContentEnd::Counted
                }
                Poll::Ready(_) => ContentEnd::Open,
            };
            match end {
                ContentEnd::Uncounted => {}
                ContentEnd::Open => return Poll::Ready(()),
                ContentEnd::Counted => {
                    self.recorder.settle(CallEnd::LeftAtEnd);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Who owns what is read of it without its caller.
    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Piece {
        loop {
            let Some(upstream) = self.upstream.as_mut() else { return self.poll_failure() };
            if self.gateway.interrupt.is_set() {
                return self.stop(Stop::Wait(WaitError::ShuttingDown));
            }
            if self.run_end.has_come(cx) {
                return self.stop(Stop::RunEnded);
            }
            let (data, is_first) = match self.first.take() {
                Some(first) => (first, true),
                None => match Pin::new(upstream).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => (data, false),
                        Err(_trailers) => continue,
                    },
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(provider = %self.provider, %error, "a reply broke off");
                        return self.stop(Stop::Broken);
                    }
                    Poll::Ready(None) => return self.finish(),
                    Poll::Pending => {
                        let at_most = (self.progress == Some(Progress::Ended)).then_some(AFTER_LAST_EVENT);
                        let interrupt = &self.gateway.interrupt;
                        return match self.deadlines.check_pending(interrupt, &*self.connection, at_most) {
                            Err(over) => self.stop(Stop::Wait(over)),
                            Ok(now) => {
                                self.recorder.at(now);
                                Poll::Pending
                            }
                        };
                    }
                },
            };
            if let Some(data) = self.take(data, is_first) {
                self.has_passed = true;
                return Poll::Ready(Some(data.map(Frame::data)));
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (Mode::Plain(_), Some(upstream)) = (&self.mode, &self.upstream) else {
            return if self.upstream.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() };
        };
        let held = self.first.as_ref().map_or(0, Bytes::len) as u64;
        upstream.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + held))
    }
}

type Piece = Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>>;

impl Body for UpstreamResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Piece {
        self.0.as_mut().map_or(Poll::Ready(None), |reply| reply.poll_piece(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|reply| reply.upstream.is_none() && reply.failure.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, |reply| reply.size_hint())
    }
}

/// True where whole events of a reply hold some of it.
fn has_content(format: ReplyFormat, events: &[u8]) -> bool {
    format.events_counter().is_some_and(|mut counter| {
        counter.push(events);
        !counter.take().is_empty()
    })
}
