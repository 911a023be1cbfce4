//! One byte stream, plain or TLS, as hyper wants it.
//!
//! A provider may answer before it has read the request (413 from the head) and close. The next write fails then, while
//! the answer waits to be read. hyper ends a connection at the first failed write, so the failure stays here: what is
//! written after it goes nowhere, and reading brings the answer, or the end of the connection where there is none.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connection's bytes.
pub(super) struct Stream {
    transport: Transport,
    /// True from the first failed write on: only reading goes on.
    write_failed: bool,
}

/// What the bytes go over.
pub(super) enum Transport {
    /// Plain TCP: to this machine only.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS inside TLS: through a proxy that is itself reached over https.
    Nested(Box<TlsStream<TlsStream<TcpStream>>>),
}

impl From<Transport> for Stream {
    fn from(transport: Transport) -> Self {
        Self { transport, write_failed: false }
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut $self.transport {
            Transport::Plain($stream) => $call,
            Transport::Tls($stream) => $call,
            Transport::Nested($stream) => $call,
        }
    };
}

impl Stream {
    /// What a write gave; a failure counts as `all`.
    fn forgive<T>(&mut self, written: Poll<io::Result<T>>, all: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) => {
                tracing::trace!(%error, "a write to a provider failed; what it has sent is still read");
                self.write_failed = true;
                Poll::Ready(Ok(all))
            }
            other => other,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.write_failed {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = each!(this, stream => Pin::new(stream).poll_write(cx, buf));
        this.forgive(written, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = || bufs.iter().map(|buf| buf.len()).sum();
        if this.write_failed {
            return Poll::Ready(Ok(all()));
        }
        let written = each!(this, stream => Pin::new(stream).poll_write_vectored(cx, bufs));
        this.forgive(written, all())
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
            Transport::Nested(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.write_failed {
            return Poll::Ready(Ok(()));
        }
        let flushed = each!(this, stream => Pin::new(stream).poll_flush(cx));
        this.forgive(flushed, ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.write_failed {
            return Poll::Ready(Ok(()));
        }
        each!(this, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
