//! The body of a caller's request as the listener hands it on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::context::CallerConnection;

/// A request's body. Its connection is told how far it was read.
#[derive(Debug)]
pub enum CallerBody {
    /// There is none.
    Empty,
    /// It comes from a connection.
    Received(ReceivedBody),
}

/// A body on its way in.
#[derive(Debug)]
pub struct ReceivedBody {
    body: Incoming,
    connection: Arc<dyn CallerConnection>,
}

impl CallerBody {
    /// The body that comes on `connection`.
    pub fn received(body: Incoming, connection: Arc<dyn CallerConnection>) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Received(ReceivedBody { body, connection }) }
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self::Received(received) = self.get_mut() else { return Poll::Ready(None) };
        let frame = Pin::new(&mut received.body).poll_frame(cx);
        match &frame {
            Poll::Pending => received.connection.on_body_awaited(),
            Poll::Ready(None) => received.connection.on_body_done(),
            Poll::Ready(Some(_)) if received.body.is_end_stream() => received.connection.on_body_done(),
            Poll::Ready(Some(_)) => received.connection.on_body_read(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Received(received) => received.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Received(received) => received.body.size_hint(),
        }
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        self.connection.on_body_dropped();
    }
}
