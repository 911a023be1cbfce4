//! Takes a request's body whole, within its bounds.

use std::{error::Error, time::Instant};

use axum::body::Body;
use bitrouter_proto::{codes::InferenceCode, tasks::Tasks};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;

use super::{InferenceError, drain::drain};

/// The most that is set aside on the word of a `Content-Length`.
const TRUSTED: usize = 1 << 20;

/// Refuses a body that is compressed.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), InferenceError> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"identity") => Err(InferenceError::new(
            InferenceCode::UnsupportedMediaType,
            "a compressed request body is not supported; send it without Content-Encoding",
        )),
        _ => Ok(()),
    }
}

/// The whole body, at most `most` bytes of it, by `deadline`.
pub(super) async fn collect(
    headers: &HeaderMap,
    mut body: Body,
    most: u64,
    deadline: Instant,
    tasks: &Tasks,
) -> Result<Bytes, NotServed> {
    let length = announced(headers);
    if length.is_some_and(|length| length > most) {
        // A caller that waits for `100 Continue` sends nothing once it has the answer.
        if !headers.contains_key(header::EXPECT) {
            drain(tasks, body);
        }
        return Err(too_large(most).into());
    }
    let length = usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let deadline = tokio::time::Instant::from_std(deadline);
    loop {
        let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(broken(&error)),
            Ok(None) => break,
            Err(_) => {
                return Err(InferenceError::new(
                    InferenceCode::InvalidRequest,
                    "the request body did not arrive within `[timeouts] total`",
                )
                .status(StatusCode::REQUEST_TIMEOUT)
                .into());
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.len() + rest.len();
        if (so_far + data.len()) as u64 > most {
            drain(tasks, body);
            return Err(too_large(most).into());
        }
        // A body in one piece, the usual case, is not copied.
        if so_far == 0 {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(length.clamp(first.len() + data.len(), TRUSTED.max(first.len() + data.len())));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The length that the head announces.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The refusal of a body that is larger than `most`.
pub(super) fn too_large(most: u64) -> InferenceError {
    InferenceError::new(
        InferenceCode::BodyTooLarge,
        format!("the request body is larger than {most} bytes; raise `[server] max_body`"),
    )
}

/// Why a request goes no further.
#[derive(Debug)]
pub(super) enum NotServed {
    /// It is refused.
    Refused(InferenceError),
    /// Its caller went away before the end of its body: nobody sees an answer.
    CallerLeft,
}

impl From<InferenceError> for NotServed {
    fn from(error: InferenceError) -> Self {
        Self::Refused(error)
    }
}

/// The body broke off: because the connection ended, or because it is not what its head announced.
fn broken(error: &axum::Error) -> NotServed {
    tracing::debug!(cause = ?error.source(), "a request body broke off");
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(now) = cause {
        let ended = now.downcast_ref::<std::io::Error>().is_some_and(|error| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
            matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
        });
        if ended || now.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return NotServed::CallerLeft;
        }
        cause = now.source();
    }
    InferenceError::new(InferenceCode::InvalidRequest, "the request body broke off before its end").into()
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use bitrouter_proto::clock;
    use futures_util::stream;

    use super::*;

    async fn take(pieces: &[&'static str], length: Option<u64>, most: u64) -> Result<Bytes, NotServed> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))).collect();
        let body = Body::from_stream(stream::iter(pieces));
        collect(&headers, body, most, clock::mono() + Duration::from_secs(5), &Tasks::new()).await
    }

    #[tokio::test]
    async fn pieces_are_joined_and_the_bound_is_exact() {
        assert_eq!(take(&["ab", "cd", "e"], None, 5).await.unwrap().as_ref(), b"abcde");
        assert_eq!(take(&["abcde"], Some(5), 5).await.unwrap().as_ref(), b"abcde");
        assert_eq!(take(&[], None, 5).await.unwrap().as_ref(), b"");
        for (pieces, length) in [(&["abc", "def"][..], None), (&["abcdef"], None), (&["a"], Some(6))] {
            let Err(NotServed::Refused(error)) = take(pieces, length, 5).await else { panic!("{pieces:?} was taken") };
            assert_eq!(error.code(), InferenceCode::BodyTooLarge);
        }
    }
}
