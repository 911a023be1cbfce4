//! Takes a request's body whole: plain JSON, within its bounds. What is unread of a refused one is the listener's: its connection reads on
//! for a moment, so that the caller sees the answer.

use std::{error::Error, time::Instant};

use bitrouter_proto::codes::InferenceCode;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::{
    caller_body::CallerBody,
    context::CallerConnection,
    deadline::{WaitError, total, within},
    request_media::check_media,
};
use crate::{error::InferenceError, interrupt::Interrupt, snapshot::Limits};

/// The most that is set aside on the word of a `Content-Length`.
const MAX_PREALLOCATED: usize = 1 << 20;

/// Why a request goes no further.
#[derive(Debug)]
pub(super) enum BodyRejection {
    /// It is refused.
    Refused(InferenceError),
    /// Its caller stopped sending before the end of its body, and has most likely gone.
    CallerLeft(InferenceError),
}

impl From<InferenceError> for BodyRejection {
    fn from(error: InferenceError) -> Self {
        Self::Refused(error)
    }
}

/// Who waits for a body, and for how long.
pub(super) struct BodyReadContext<'a> {
    pub(super) limits: &'a Limits,
    pub(super) started: Instant,
    pub(super) interrupt: &'a Interrupt,
    pub(super) connection: &'a dyn CallerConnection,
}

/// The whole body, at most `[server] max_body` bytes of it.
pub(super) async fn collect(
    headers: &HeaderMap,
    mut body: CallerBody,
    wait: &BodyReadContext<'_>,
) -> Result<Bytes, BodyRejection> {
    check_media(headers, &body)?;
    let most = wait.limits.max_body;
    let length = announced_length(headers);
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most).into());
    }
    let length = usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = total(wait.started, wait.limits);
    let gathered = within(gather(&mut body, length, most), wait.interrupt, wait.connection, || limit).await;
    match gathered {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(GatherError::Body(error))) => Err(broke_off(&error)),
        Ok(Err(GatherError::TooLarge)) => Err(too_large(most).into()),
        Err(WaitError::Deadline(_)) => Err(InferenceError::new(
            InferenceCode::InvalidRequest,
            "the request body did not arrive within `[timeouts] total`",
        )
        .with_status(StatusCode::REQUEST_TIMEOUT)
        .into()),
        Err(WaitError::ShuttingDown) => {
            Err(InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping").into())
        }
    }
}

/// The length that the head announces.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The refusal of a body that is larger than `most`.
pub(super) fn too_large(most: u64) -> InferenceError {
    InferenceError::new(
        InferenceCode::BodyTooLarge,
        format!("the request body is larger than {most} bytes; raise `[server] max_body`"),
    )
}

/// Why a body was not gathered.
#[derive(Debug)]
enum GatherError<E> {
    Body(E),
    TooLarge,
}

async fn gather<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    length: usize,
    most: u64,
) -> Result<Bytes, GatherError<B::Error>> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(GatherError::Body)?.into_data() else { continue };
        let so_far = first.len() + rest.len();
        if (so_far + data.len()) as u64 > most {
            return Err(GatherError::TooLarge);
        }
        // A body in one piece, the usual case, is not copied.
        if so_far == 0 {
            first = data;
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        if rest.is_empty() {
            rest.reserve(length.clamp(first.len() + data.len(), MAX_PREALLOCATED.max(first.len() + data.len())));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The body broke off: because the connection ended, or because it is not what its head announced.
fn broke_off(error: &hyper::Error) -> BodyRejection {
    tracing::debug!(%error, "a request body broke off");
    let refusal = InferenceError::new(InferenceCode::InvalidRequest, "the request body broke off before its end");
    let ended = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).is_some_and(|error| {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
    });
    if ended || error.is_incomplete_message() {
        return BodyRejection::CallerLeft(refusal);
    }
    refusal.into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    async fn take(pieces: &[&'static str], most: u64) -> Result<Bytes, GatherError<Infallible>> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        gather(&mut StreamBody::new(stream::iter(pieces)), 0, most).await
    }

    #[tokio::test]
    async fn pieces_are_joined_and_the_bound_is_exact() {
        assert_eq!(take(&["ab", "cd", "e"], 5).await.unwrap().as_ref(), b"abcde");
        assert_eq!(take(&["abcde"], 5).await.unwrap().as_ref(), b"abcde");
        assert_eq!(take(&[], 5).await.unwrap().as_ref(), b"");
        for pieces in [&["abc", "def"][..], &["abcdef"]] {
            assert!(matches!(take(pieces, 5).await, Err(GatherError::TooLarge)), "{pieces:?} was taken");
        }
    }
}
