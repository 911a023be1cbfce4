//! The floor of an HTTP proxy: hyper on both sides, kept connections, TCP_NODELAY, and no thought in between.

use std::{
    borrow::Cow,
    error::Error,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bitrouter_proto::tasks::Tasks;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

/// What is kept of connections on which bodies of kind `B` are sent.
struct Pool<B> {
    to: SocketAddr,
    idle: Mutex<Vec<SendRequest<B>>>,
    tasks: Tasks,
}

pub(super) async fn run(listener: TcpListener, to: SocketAddr, tasks: Tasks) {
    let pool = Arc::new(Pool { to, idle: Mutex::default(), tasks: tasks.clone() });
    loop {
        let stream = super::accept(&listener).await;
        let pool = Arc::clone(&pool);
        tasks.spawn("proxy", async move {
            let service = service_fn(|request| forward(Arc::clone(&pool), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// The floor of a proxy that must know what it is asked for: the whole body, its model, then the same bytes.
pub(super) async fn run_reading(listener: TcpListener, to: SocketAddr, tasks: Tasks) {
    let pool = Arc::new(Pool { to, idle: Mutex::default(), tasks: tasks.clone() });
    loop {
        let stream = super::accept(&listener).await;
        let pool = Arc::clone(&pool);
        tasks.spawn("proxy", async move {
            let service = service_fn(|request| read_and_forward(Arc::clone(&pool), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// What a proxy must see of a request.
#[derive(Deserialize)]
struct Head<'a> {
    /// Google's stands in the path.
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: bool,
}

async fn read_and_forward(
    pool: Arc<Pool<Full<Bytes>>>,
    request: Request<Incoming>,
) -> io::Result<Response<Kept<Full<Bytes>>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let head: Head<'_> = serde_json::from_slice(&body)?;
    std::hint::black_box((&head.model, head.stream));
    forward(pool, Request::from_parts(parts, Full::new(body))).await
}

async fn forward<B>(pool: Arc<Pool<B>>, request: Request<B>) -> io::Result<Response<Kept<B>>>
where
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + Unpin + 'static,
{
    let mut sender = pool.sender().await?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(response.map(|incoming| Kept { incoming, sender: Some(sender), pool }))
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + Unpin + 'static,
{
    fn lock(&self) -> MutexGuard<'_, Vec<SendRequest<B>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sender(&self) -> io::Result<SendRequest<B>> {
        loop {
            let kept = self.lock().pop();
            let Some(mut sender) = kept else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        self.tasks.spawn("upstream", async move {
            connection.await.ok();
        });
        Ok(sender)
    }
}

/// A reply's body that gives its connection back when it ends.
struct Kept<B> {
    incoming: Incoming,
    sender: Option<SendRequest<B>>,
    pool: Arc<Pool<B>>,
}

impl<B> Body for Kept<B>
where
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let ended = self.incoming.is_end_stream() || !matches!(frame, Some(Ok(_)));
        if ended && let Some(sender) = self.sender.take() {
            self.pool.lock().push(sender);
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
