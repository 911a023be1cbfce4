//! The body of a reply on its connection: the end of the request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bitrouter_gateway::http::{ResponseBody, ResponseBodyError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::state::InFlight;

/// A reply's body, which ends the request when it is dropped.
#[derive(Debug)]
pub(super) struct ReplyBody {
    body: ResponseBody,
    http_10: bool,
    in_flight: InFlight,
}

impl ReplyBody {
    pub(super) fn new(body: ResponseBody, http_10: bool, in_flight: InFlight) -> Self {
        Self { body, http_10, in_flight }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // In HTTP/1.0 the end of the connection is the end of the reply: only a reset tells that this one broke off.
        // Anybody else sees that the framing is incomplete, and keeps what was still on its way.
        if self.http_10 && matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.in_flight.state().reset_on_drop();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
