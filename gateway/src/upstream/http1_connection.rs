//! One HTTP/1.1 connection, driven by its user: a request, then the body of its reply, then back to the pool.

use std::{
    convert::Infallible,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;

use super::{Pool, UpstreamOrigin, stream::Stream};
use crate::protocol::Pieces;

/// The most header lines of a reply: some gateways add dozens of their own to those of the provider behind them.
const MOST_HEADERS: usize = 256;
/// The most that is read ahead of the caller.
const READ_AHEAD: usize = 64 << 10;

/// A request body in pieces that are sent one after the other.
#[derive(Debug)]
pub(crate) struct RequestBody(Pieces);

impl RequestBody {
    /// A request that nobody means; it stands in for one that was already taken.
    fn nothing() -> Request<Self> {
        Request::new(Self(Pieces::One(Bytes::new())))
    }
}

impl From<Pieces> for RequestBody {
    fn from(parts: Pieces) -> Self {
        Self(parts)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len())
    }
}

/// A connection and the handle that sends requests on it.
pub(super) struct Http1Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once the connection has ended.
    driver: Option<http1::Connection<TokioIo<Stream>, RequestBody>>,
}

impl Http1Connection {
    pub(super) async fn new(io: TokioIo<Stream>) -> Result<Box<Self>, hyper::Error> {
        let (sender, driver) =
            http1::Builder::new().max_buf_size(READ_AHEAD).max_headers(MOST_HEADERS).handshake(io).await?;
        Ok(Box::new(Self { sender, driver: Some(driver) }))
    }

    /// Lets the connection read and write what it can.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = self.driver.as_mut()
            && Pin::new(driver).poll(cx).is_ready()
        {
            // Dropping it hands back a request that was not sent and wakes whoever waits for a reply.
            self.driver = None;
        }
    }

    /// True where the connection is idle and the other side has not closed it.
    pub(super) fn is_idle(&mut self) -> bool {
        // Nobody waits for an idle connection: its end is noticed here, when it is looked at.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_ready()
    }

    /// True where the last drive left the connection idle.
    fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends what `request` holds and waits for the head of the reply.
    ///
    /// The request comes by reference because it is large: moved, it would be part of the state of every caller.
    pub(super) async fn exchange(
        &mut self,
        request: &mut Option<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut reply = pin!(self.sender.try_send_request(request.take().unwrap_or_else(RequestBody::nothing)));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            if let Some(running) = driver.as_mut()
                && Pin::new(running).poll(cx).is_ready()
            {
                *driver = None;
            }
            reply.as_mut().poll(cx)
        })
        .await
    }
}

/// The body of a reply together with its connection.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// `None` once the body has ended: the connection is in the pool or gone.
    connection: Option<Box<Http1Connection>>,
    /// True where the connection serves no other request.
    last: bool,
    origin: Arc<UpstreamOrigin>,
    pool: Arc<Pool>,
}

impl UpstreamBody {
    pub(super) fn new(
        incoming: Incoming,
        connection: Box<Http1Connection>,
        origin: Arc<UpstreamOrigin>,
        pool: Arc<Pool>,
        last: bool,
    ) -> Self {
        let mut body = Self { incoming, connection: Some(connection), last, origin, pool };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    fn release(&mut self) {
        // Most often the drive that brought the end of the body has done all there was to do.
        if let Some(mut connection) = self.connection.take()
            && !self.last
            && (connection.is_ready() || connection.is_idle())
        {
            self.pool.put(&self.origin, connection);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        // Asking first tells the connection that there is room, so that it reads and no sooner.
        let mut polled = Pin::new(&mut this.incoming).poll_frame(cx);
        if polled.is_pending()
            && let Some(connection) = this.connection.as_mut()
        {
            connection.drive(cx);
            polled = Pin::new(&mut this.incoming).poll_frame(cx);
        }
        let frame = ready!(polled);
        match &frame {
            Some(Ok(_)) if !this.incoming.is_end_stream() => {}
            Some(Err(_)) => this.connection = None,
            _ => this.release(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
