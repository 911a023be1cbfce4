//! One HTTP/2 connection over a verified socket, as the service that generated clients call.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use interprocess::local_socket::{
    GenericFilePath, ToFsName as _,
    tokio::{Stream, prelude::*},
};
use tonic::body::Body;

use crate::{PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER, client::Located, tasks::Tasks};

/// The pause before a full backlog is tried again.
const BACKLOG_PAUSE: Duration = Duration::from_millis(2);

/// A connection that generated clients can call. Cloning shares it.
#[derive(Clone)]
pub(super) struct Channel {
    sender: SendRequest<Body>,
    /// What to announce; a test can announce another protocol.
    protocol: u32,
}

impl Channel {
    /// Connects to a verified socket and checks once more who answers.
    pub(super) async fn connect(socket: &Located, protocol: u32) -> io::Result<(Self, Option<u32>)> {
        let name = socket.path.as_path().to_fs_name::<GenericFilePath>()?;
        let (stream, creds) = loop {
            match Stream::connect(name.clone()).await.and_then(|stream| Ok((stream.peer_creds()?, stream))) {
                // The backlog is full: somebody storms the socket. The library takes that for a connection, which then has
                // no other end. Whoever waits for us has a deadline.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionReset) => {}
                Ok((creds, stream)) => break (stream, creds),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(BACKLOG_PAUSE).await;
        };
        if creds.euid().is_some_and(|uid| uid != socket.owner) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user's process answers there"));
        }
        let pid = creds.pid().and_then(|pid| u32::try_from(pid).ok());
        // The library ends a connection on which much small data waits unread, and measures "much" by the connection's
        // window. A follower that stands still (a terminal on Ctrl-S) must stop the sender long before.
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_connection_window_size(1024 * 1024)
            .initial_stream_window_size(64 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // The task ends with the connection, and the connection with the last sender.
        Tasks::new().spawn("control client", async move {
            connection.await.ok();
        });
        Ok((Self { sender, protocol }, pid))
    }
}

impl tower_service::Service<http::Request<Body>> for Channel {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(VERSION_HEADER, http::HeaderValue::from_static(VERSION));
        headers.insert(PROTOCOL_HEADER, http::HeaderValue::from(self.protocol));
        Box::pin(self.sender.send_request(request))
    }
}

/// The number this build announces.
pub(super) const OURS: u32 = PROTOCOL;
