//! The TCP stream of a connection, watched: it tells the guard when bytes move, and closes so that a client which is
//! still sending gets to see our reply.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::guard::Guard;

/// Bytes thrown away per read while lingering.
const SCRATCH: usize = 4096;

/// A stream and the facts it reports to.
#[derive(Debug)]
pub(super) struct WatchedStream {
    tcp: TcpStream,
    guard: Arc<Guard>,
    linger: Option<Pin<Box<Sleep>>>,
}

impl WatchedStream {
    pub(super) fn new(tcp: TcpStream, guard: Arc<Guard>) -> Self {
        Self { tcp, guard, linger: None }
    }

    fn report(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.guard.on_written(),
            Poll::Pending => self.guard.on_write_blocked(),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Reads and drops until the client has closed or `limit` is over.
    fn poll_linger(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; SCRATCH];
        let mut over = self.linger.take().unwrap_or_else(|| Box::pin(tokio::time::sleep(limit)));
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.linger = Some(over);
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.guard.on_read();
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.report(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.report(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.guard.on_closing();
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        if self.guard.client_may_be_sending() {
            let limit = self.guard.shared().limits.linger;
            ready!(self.poll_linger(limit, cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        if self.guard.wants_reset() {
            // Best effort: without it the kernel keeps retrying for minutes.
            self.tcp.set_zero_linger().ok();
        }
    }
}
