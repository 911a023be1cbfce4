//! The TCP stream of a connection, watched: it tells [`ConnectionState`] when bytes move and when the caller leaves, and closes so
//! that a client which is still sending gets to see our reply.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    os::fd::AsFd as _,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::state::ConnectionState;

/// Bytes thrown away per read while lingering.
const SCRATCH: usize = 4096;

/// A stream and the facts it reports to.
#[derive(Debug)]
pub(super) struct WatchedStream {
    tcp: TcpStream,
    state: Arc<ConnectionState>,
    linger: Option<Pin<Box<Sleep>>>,
    /// The same socket once more, made at the first need: its readiness is its own, so that bytes which wait unread do not
    /// hide the end behind them.
    end: Option<TcpStream>,
}

impl WatchedStream {
    pub(super) fn new(tcp: TcpStream, state: Arc<ConnectionState>) -> Self {
        Self { tcp, state, linger: None, end: None }
    }

    fn report(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.state.on_written(),
            Poll::Pending => self.state.on_write_blocked(),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Looks whether the caller has left, and has the task woken when it does.
    fn watch_for_end(&mut self, cx: &mut Context<'_>) {
        if self.end.is_none() {
            let again = self.tcp.as_fd().try_clone_to_owned();
            self.end = again.and_then(|socket| TcpStream::from_std(socket.into())).ok();
        }
        // Without a descriptor to spare the caller's leaving is noticed when something is sent.
        let Some(end) = &self.end else { return };
        while let Poll::Ready(Ok(())) = end.poll_read_ready(cx) {
            let Poll::Ready(Ok(ready)) = pin!(end.ready(Interest::READABLE)).poll(cx) else { return };
            if ready.is_read_closed() {
                self.state.on_caller_left();
                return;
            }
            // Bytes: they stay where they are, and only what comes after them is waited for.
            let _ = end.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
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
            self.state.on_read();
        }
        self.state.on_read_asked(read.is_pending());
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
        // HTTP comes by here in every turn.
        if self.state.end_is_watched() {
            self.watch_for_end(cx);
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.on_closing();
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        if self.state.client_may_be_sending() {
            let limit = self.state.linger();
            ready!(self.poll_linger(limit, cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        if self.state.wants_reset() {
            // Best effort: without it the kernel keeps retrying for minutes.
            self.tcp.set_zero_linger().ok();
        }
    }
}
