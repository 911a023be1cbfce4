//! One call to one provider: sent, and held until its reply begins or it has failed.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use bitrouter_proto::{clock, codes::InferenceCode};
use bytes::Bytes;
use http::response::Parts;
use http_body_util::BodyExt as _;

use super::{
    context::RequestContext,
    deadline::{Deadline, WaitError, earlier, total, within},
    prepare::Call,
    response_headers::{BodyMeta, Media, has_no_body},
};
use crate::{
    Gateway,
    error::InferenceError,
    meter::{CallEnd, RequestRecorder},
    registry::ProviderId,
    snapshot::Limits,
    upstream::{Side, UpstreamBody, UpstreamError},
};

/// What a provider answered.
pub(super) enum Outcome {
    /// A reply, held until its first body byte was there (`None`: it has no body).
    Reply { parts: Parts, meta: BodyMeta, body: UpstreamBody, first: Option<Bytes> },
    /// The head of an error: status and headers are the caller's, however its body fares.
    Error { parts: Parts, body: UpstreamBody },
}

/// Why a call to a provider got no reply that could be passed on.
#[derive(Debug)]
pub(super) enum CallError {
    /// No reply at all.
    Upstream(UpstreamError),
    /// The reply ended before its first body byte.
    Interrupted,
    /// A wait is over.
    Wait(WaitError),
    /// A redirect or another status that is no reply to a call.
    Status(u16),
    /// A page for people.
    HtmlPage,
    /// A reply to a metered call that is neither JSON nor events, so that nobody knows what it used.
    Unreadable,
    /// The account's session ended with this very call.
    SessionEnded(Box<InferenceError>),
}

/// Sends what `call` holds.
pub(super) async fn call_provider(
    gateway: &Gateway,
    limits: &Limits,
    context: &RequestContext,
    call: &mut Call,
    recorder: &mut RequestRecorder,
) -> Result<Outcome, CallError> {
    let is_metered = recorder.has_row();
    recorder.set_sent(None);
    // A request that a stale connection hands back is sent on another one: the last one counts.
    let recorder = Mutex::new(recorder);
    let recorder = || recorder.lock().unwrap_or_else(PoisonError::into_inner);
    let on_connected = || recorder().set_sent(Some(clock::monotonic_now()));
    let exchange = async {
        let sent = gateway.pool.send(&call.origin, &mut call.request, limits.connect, on_connected).await;
        let (parts, mut body) = sent.map_err(CallError::Upstream)?.into_parts();
        if parts.status.as_u16() >= 400 {
            return Ok(Outcome::Error { parts, body });
        }
        if !parts.status.is_success() {
            return Err(CallError::Status(parts.status.as_u16()));
        }
        let meta = BodyMeta::of(&parts.headers);
        loop {
            match body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(first) if !first.is_empty() => {
                        if is_page(meta, &first) {
                            return Err(CallError::HtmlPage);
                        }
                        if is_metered && !meta.is_readable(&first) {
                            return Err(CallError::Unreadable);
                        }
                        return Ok(Outcome::Reply { parts, meta, body, first: Some(first) });
                    }
                    _ => {}
                },
                // A reply that says it is empty is one; a stream or an unmeasured body without a byte broke off.
                None if has_no_body(&parts) && is_metered => return Err(CallError::Unreadable),
                None if has_no_body(&parts) => return Ok(Outcome::Reply { parts, meta, body, first: None }),
                Some(Err(_)) | None => return Err(CallError::Interrupted),
            }
        }
    };
    let limit = || first_byte_limit(limits, context.started, recorder().sent());
    within(exchange, &gateway.interrupt, &*context.connection, limit)
        .await
        .unwrap_or_else(|over| Err(CallError::Wait(over)))
}

/// `first_byte` counts from the connection on; until it stands, the connector has its own limit.
fn first_byte_limit(limits: &Limits, started: Instant, connected: Option<Instant>) -> Deadline {
    let total = total(started, limits);
    connected.map_or(total, |connected| earlier(total, (connected + limits.first_byte, "first_byte")))
}

/// True for a page where JSON or events are due: the usual answer of a `base_url` that leads beside the API.
fn is_page(meta: BodyMeta, first: &[u8]) -> bool {
    if meta.media == Media::Html {
        return true;
    }
    // Neither JSON nor an event begins like that, whatever the page is said to be.
    let begin = first.trim_ascii_start();
    let begins = |with: &[u8]| begin.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begin.starts_with(b"<") && meta.is_identity && (begins(b"<!doctype html") || begins(b"<html"))
}

impl CallError {
    /// True where the request never left, so that another provider could be asked.
    pub(super) fn retryable(&self) -> bool {
        matches!(self, Self::Upstream(error) if error.retryable())
    }

    /// How the call ended.
    pub(super) fn end(&self) -> CallEnd {
        match self {
            Self::Upstream(UpstreamError::Exchange { .. }) => CallEnd::Failed,
            Self::Upstream(_) => CallEnd::Unsent,
            Self::Wait(WaitError::ShuttingDown) => CallEnd::Interrupted,
            Self::SessionEnded(_) => CallEnd::Refused,
            Self::Interrupted | Self::Wait(_) | Self::Status(_) | Self::HtmlPage | Self::Unreadable => CallEnd::Failed,
        }
    }

    /// What the caller is told; `setting` says where the call went.
    pub(super) fn explain(self, provider: &ProviderId, setting: &str) -> InferenceError {
        let (code, message) = match self {
            Self::Upstream(error) if error.side() == Side::Internal => {
                (InferenceCode::UpstreamUnavailable, format!("`{provider}` cannot be called: {error}"))
            }
            Self::Upstream(error @ UpstreamError::Exchange { .. }) => {
                (InferenceCode::UpstreamInterrupted, format!("`{provider}` gave no reply: {error}"))
            }
            Self::Upstream(error) if error.is_connect_timeout() => {
                (InferenceCode::UpstreamTimeout, format!("`{provider}` cannot be reached: {error}"))
            }
            Self::Upstream(error) => {
                (InferenceCode::UpstreamUnavailable, format!("`{provider}` cannot be reached: {error}"))
            }
            Self::Interrupted => (
                InferenceCode::UpstreamInterrupted,
                format!("the reply of `{provider}` broke off before its first byte"),
            ),
            Self::Wait(WaitError::Deadline(limit)) => {
                (InferenceCode::UpstreamTimeout, format!("`{provider}` took longer than `[timeouts] {limit}`"))
            }
            Self::Wait(WaitError::ShuttingDown) => {
                (InferenceCode::UpstreamInterrupted, "the daemon is stopping".to_owned())
            }
            Self::Status(status) => (
                InferenceCode::UpstreamError,
                format!("`{provider}` answered {status}, which is no reply to a call; check its `{setting}`"),
            ),
            Self::SessionEnded(error) => return *error,
            Self::Unreadable => (
                InferenceCode::UpstreamError,
                format!("`{provider}` answered with neither JSON nor events, so that what it used cannot be known"),
            ),
            Self::HtmlPage => (
                InferenceCode::UpstreamError,
                format!(
                    "`{provider}` answered with a web page where JSON is due; check its `{setting}`, which includes the \
                     version segment (https://host/v1)"
                ),
            ),
        };
        InferenceError::new(code, message).with("provider", provider.as_str())
    }
}
