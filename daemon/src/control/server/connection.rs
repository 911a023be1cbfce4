//! One control connection: HTTP/2 with narrow limits, and ten seconds for its preface.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use interprocess::local_socket::tokio::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::versioned::PeerService;

/// The client preface and the SETTINGS frame header after it, bytes (RFC 9113 §3.4).
const PREFACE: usize = 24 + 9;
/// How long they may take.
const PREFACE_LIMIT: Duration = Duration::from_secs(10);

/// Calls on one connection at a time; more wait.
const CONCURRENT_CALLS: u32 = 16;
/// Bytes of an answer that a client does not take, held for each call.
const SEND_BUFFER: usize = 16 * 1024;

/// Serves `stream` until its client leaves or `closing`.
///
/// No keep-alive pings: a peer that dies closes its socket, and one that is suspended (a `logs -f` in the background) may
/// come back. What must go when there are too many is the business of the list of connections.
pub(super) async fn serve(stream: Stream, service: PeerService, closing: CancellationToken) {
    let peer = service.peer();
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_CALLS)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(16 * 1024)
        .max_pending_accept_reset_streams(32)
        .serve_connection(TokioIo::new(PrefaceTimeout::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer_uid = peer.uid, peer_pid = peer.pid, %error, "a control connection broke");
    }
}

/// A stream that fails when its first bytes do not arrive in time.
struct PrefaceTimeout {
    stream: Stream,
    missing: usize,
    limit: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl PrefaceTimeout {
    fn new(stream: Stream) -> Self {
        Self { stream, missing: PREFACE, limit: Some(Box::pin(tokio::time::sleep(PREFACE_LIMIT))) }
    }
}

impl AsyncRead for PrefaceTimeout {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.limit.is_some() {
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            if self.missing == 0 {
                self.limit = None;
            } else if read.is_pending() && self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no HTTP/2 preface in time")));
            }
        }
        read
    }
}

impl AsyncWrite for PrefaceTimeout {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
