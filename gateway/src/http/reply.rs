//! The body of a reply on its way to the caller: bytes as they arrive, time limits while we wait for the provider,
//! and an honest end when it breaks.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant as TokioInstant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{CloseAfter, InferenceError, headers};
use crate::{
    interrupt::Interrupt,
    meter::Flight,
    protocol::openai::{
        complete::{Balance, announces_end, is_done, is_whole_event, looks_like_events},
        stream::Events,
        usage::{Tail, in_events},
    },
    registry::ProviderId,
    snapshot::Limits,
    upstream::UpstreamBody,
};

/// Why a reply ends before its provider ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The provider's bytes broke off.
    Broken,
    /// A limit of `[timeouts]` passed; its name.
    Late(&'static str),
    /// The daemon is ending.
    Ending,
}

pin_project! {
    /// Time limits and the forced end, asked only while the provider keeps us waiting: a slow caller trips nothing.
    pub(super) struct Watch {
        interrupt: Arc<Interrupt>,
        // Both are made at the first wait: most replies come in one piece, and never wait.
        #[pin]
        interrupted: Option<WaitForCancellationFutureOwned>,
        #[pin]
        sleep: Option<Sleep>,
        between: Duration,
        total_at: Instant,
        waiting_since: Option<Instant>,
    }
}

impl Watch {
    pub(super) fn new(interrupt: &Arc<Interrupt>, limits: &Limits, started: Instant) -> Self {
        let total_at = started + limits.total;
        Self {
            interrupt: Arc::clone(interrupt),
            interrupted: None,
            sleep: None,
            between: limits.between_chunks,
            total_at,
            waiting_since: None,
        }
    }

    /// The provider has sent something.
    fn progressed(self: Pin<&mut Self>) {
        *self.project().waiting_since = None;
    }

    /// The provider keeps us waiting: ready with the reason where the wait is over.
    fn poll_waiting(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Stop> {
        let mut this = self.project();
        if this.interrupted.is_none() {
            this.interrupted.set(Some(this.interrupt.wait_owned()));
        }
        if this.interrupted.as_pin_mut().is_some_and(|interrupted| interrupted.poll(cx).is_ready()) {
            return Poll::Ready(Stop::Ending);
        }
        let now = clock::mono();
        let piece_at = *this.waiting_since.get_or_insert(now) + *this.between;
        let (at, limit) =
            if piece_at < *this.total_at { (piece_at, "between_chunks") } else { (*this.total_at, "total") };
        if now >= at {
            return Poll::Ready(Stop::Late(limit));
        }
        // An alarm that is too early is cheaper than one that is moved with every piece.
        let at = TokioInstant::from_std(at);
        if this.sleep.is_none() {
            this.sleep.set(Some(tokio::time::sleep_until(at)));
        }
        let Some(mut sleep) = this.sleep.as_pin_mut() else { return Poll::Pending };
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if TokioInstant::from_std(clock::mono()) >= at {
                return Poll::Ready(Stop::Late(limit));
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// How the bytes are watched.
enum Mode {
    /// Whole events, one way or another. `announced` is only kept where it must be; `done` means that `[DONE]` passed.
    Events { events: Events, must_announce: bool, announced: bool, done: bool },
    /// Any other reply.
    Plain { tail: Option<Tail>, balance: Option<Balance> },
}

pin_project! {
    /// The body of a reply.
    pub(super) struct Reply {
        // `None` once the reply has ended.
        upstream: Option<UpstreamBody>,
        first: Option<Bytes>,
        mode: Mode,
        #[pin]
        watch: Watch,
        flight: Flight,
        provider: ProviderId,
        close: Option<CloseAfter>,
    }
}

impl Reply {
    /// Takes over a reply whose first body byte is there (or that has no body). `headers` become the caller's.
    pub(super) fn new(
        headers: &mut HeaderMap,
        upstream: UpstreamBody,
        first: Option<Bytes>,
        watch: Watch,
        mut flight: Flight,
        provider: ProviderId,
        close: Option<CloseAfter>,
    ) -> Self {
        let unmeasured = headers::is_unmeasured(headers);
        let is_json = headers::is_json(headers);
        // Some servers do not say what their streams are.
        let unnamed = || !is_json && flight.streams() && first.as_deref().is_some_and(looks_like_events);
        let mode = if headers::is_event_stream(headers) || (headers::is_plain(headers) && unnamed()) {
            // An event of ours may follow theirs.
            headers.remove(header::CONTENT_LENGTH);
            Mode::Events { events: Events::default(), must_announce: unmeasured, announced: false, done: false }
        } else if is_json {
            Mode::Plain { tail: Some(Tail::default()), balance: unmeasured.then(Balance::default) }
        } else {
            Mode::Plain { tail: None, balance: None }
        };
        headers::back(headers);
        let empty = first.is_none();
        if empty {
            flight.land();
        } else {
            flight.first_byte();
        }
        Self { upstream: (!empty).then_some(upstream), first, mode, watch, flight, provider, close }
    }
}

type Piece = Poll<Option<Result<Frame<Bytes>, ReplyError>>>;

/// The reply of a provider broke off; ends the caller's connection.
#[derive(Debug, thiserror::Error)]
#[error("the reply of the provider ended before its end")]
pub(super) struct ReplyError;

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Piece {
        loop {
            let mut this = self.as_mut().project();
            let Some(upstream) = this.upstream.as_mut() else { return Poll::Ready(None) };
            if this.watch.interrupt.is_set() {
                return self.stop(Stop::Ending);
            }
            let data = match this.first.take() {
                Some(first) => first,
                None => match Pin::new(upstream).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => data,
                        Err(_trailers) => continue,
                    },
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(provider = %this.provider, %error, "a reply broke off");
                        return self.stop(Stop::Broken);
                    }
                    Poll::Ready(None) => return self.finish(),
                    Poll::Pending => {
                        return match this.watch.poll_waiting(cx) {
                            Poll::Ready(stop) => self.stop(stop),
                            Poll::Pending => Poll::Pending,
                        };
                    }
                },
            };
            this.watch.as_mut().progressed();
            match this.mode {
                Mode::Events { events, must_announce, announced, done } => {
                    let whole = events.push(data);
                    if whole.is_empty() {
                        continue;
                    }
                    if let Some(usage) = in_events(&whole) {
                        this.flight.counted(usage);
                    }
                    *announced |= *must_announce && announces_end(&whole);
                    *done |= is_done(&whole);
                    return Poll::Ready(Some(Ok(Frame::data(whole))));
                }
                Mode::Plain { tail, balance } => {
                    if let Some(tail) = tail {
                        tail.push(&data);
                    }
                    if let Some(balance) = balance {
                        balance.push(&data);
                    }
                    // Whoever sends a measured body asks no more once it is complete.
                    if this.upstream.as_ref().is_some_and(Body::is_end_stream) {
                        self.as_mut().end();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let (Mode::Plain { .. }, Some(upstream)) = (&self.mode, &self.upstream) else {
            return if self.upstream.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() };
        };
        let held = self.first.as_ref().map_or(0, Bytes::len) as u64;
        upstream.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + held))
    }
}

impl Reply {
    /// Everything went well: what was counted is recorded, and nothing more is read.
    fn end(self: Pin<&mut Self>) {
        let this = self.project();
        if let Mode::Plain { tail: Some(tail), .. } = this.mode
            && let Some(usage) = tail.usage()
        {
            this.flight.counted(usage);
        }
        this.flight.land();
        *this.upstream = None;
    }

    /// The provider has ended the reply.
    fn finish(mut self: Pin<&mut Self>) -> Piece {
        let this = self.as_mut().project();
        let rest = match this.mode {
            Mode::Events { events, must_announce, announced, done } => {
                let rest = events.finish();
                // An event without its empty line is still one where it is complete in itself; half of one shows that
                // something broke, however orderly the end of the connection was.
                let cut = !*done && !is_whole_event(&rest);
                if cut || (*must_announce && !*announced && !announces_end(&rest)) {
                    return self.stop(Stop::Broken);
                }
                if let Some(usage) = in_events(&rest) {
                    this.flight.counted(usage);
                }
                rest
            }
            Mode::Plain { balance: Some(balance), .. } if !balance.is_whole() => return self.stop(Stop::Broken),
            Mode::Plain { .. } => Bytes::new(),
        };
        self.end();
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    /// The reply ends before its end: a stream with an event that says so, anything else with its connection.
    fn stop(mut self: Pin<&mut Self>, stop: Stop) -> Piece {
        let this = self.as_mut().project();
        if let Mode::Events { done: true, .. } = this.mode {
            // After `[DONE]` nothing can be missing: an error event behind it would make a failure of a whole answer.
            tracing::debug!(provider = %this.provider, ?stop, "a stream did not end after its last event");
            self.end();
            return Poll::Ready(None);
        }
        let error = explain(stop, this.provider);
        this.flight.failed(error.code());
        this.flight.land();
        *this.upstream = None;
        *this.first = None;
        match this.mode {
            Mode::Events { events, .. } => {
                if let Some(close) = this.close.take() {
                    close.0.cancel();
                }
                let event = [events.abandon(), &error.to_event()].concat();
                Poll::Ready(Some(Ok(Frame::data(event.into()))))
            }
            Mode::Plain { .. } => Poll::Ready(Some(Err(ReplyError))),
        }
    }
}

fn explain(stop: Stop, provider: &ProviderId) -> InferenceError {
    match stop {
        Stop::Broken => InferenceError::new(
            InferenceCode::UpstreamInterrupted,
            format!("the reply of `{provider}` broke off before its end"),
        ),
        Stop::Late(limit) => InferenceError::new(
            InferenceCode::UpstreamTimeout,
            format!("`{provider}` took longer than `[timeouts] {limit}`"),
        ),
        Stop::Ending => InferenceError::new(InferenceCode::UpstreamInterrupted, "the daemon is stopping"),
    }
}
