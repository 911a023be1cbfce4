//! The body of a reply to a caller: ours and whole, a provider's as it arrives, or what somebody else makes.

mod judged;
mod plain;
mod rest;
mod stop;
mod upstream;
mod watch;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub(crate) use self::judged::{blocked, remove_digests, unreadable};
pub use self::upstream::UpstreamResponseBody;
pub(in crate::http) use self::watch::Watch;

/// A reply's body.
pub enum ResponseBody {
    /// All of it, or nothing.
    Whole(Bytes),
    /// A provider's.
    Upstream(UpstreamResponseBody),
    /// Anything else that is a body.
    Other(axum::body::Body),
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Upstream(_) => "Upstream",
            Self::Other(_) => "Other",
        })
    }
}

impl Default for ResponseBody {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(whole: T) -> Self {
        Self::Whole(whole.into())
    }
}

/// Why a reply ends before its end. The caller's connection ends with it, so that it is not taken for a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The provider's reply broke off, or was ended by a limit.
    #[error("the reply of the provider ended before its end")]
    Upstream,
    /// A body that is not a provider's failed.
    #[error(transparent)]
    Other(#[from] axum::Error),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        match self.get_mut() {
            Self::Whole(rest) => {
                let whole = std::mem::take(rest);
                Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))))
            }
            Self::Upstream(reply) => Pin::new(reply).poll_frame(cx),
            Self::Other(body) => Pin::new(body).poll_frame(cx).map_err(ResponseBodyError::Other),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(rest) => rest.is_empty(),
            Self::Upstream(reply) => reply.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Self::Upstream(reply) => reply.size_hint(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
