//! One connection of a client: hyper's for what is repeated, plain bytes for callers that misbehave.

use std::{net::SocketAddr, time::Instant};

use bitrouter_proto::{clock, tasks::Tasks};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{dialect::Ask, error::BenchError};

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

/// How one exchange went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// When the first bytes of the body came.
    pub(crate) first: Instant,
    /// When its end came.
    pub(crate) last: Instant,
}

impl Caller {
    pub(crate) async fn connect(to: SocketAddr) -> Result<Self, BenchError> {
        let stream = tcp(to).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends with the connection, and the connection with the caller.
        Tasks::new().spawn("caller", async move {
            connection.await.ok();
        });
        let host = HeaderValue::from_str(&to.to_string()).map_err(|e| BenchError::Unexpected(e.to_string()))?;
        let authorization = HeaderValue::from_static("Bearer sk-whatever-the-sdk-insists-on");
        Ok(Self { sender, host, authorization })
    }

    /// The same, whose requests carry this `Authorization`.
    pub(crate) fn authorized(self, authorization: HeaderValue) -> Self {
        Self { authorization, ..self }
    }

    /// The request for `ask`, as an SDK sends it.
    pub(crate) fn request(&self, ask: impl Into<Ask>) -> Request<Full<Bytes>> {
        let ask = ask.into();
        let mut request = Request::new(Full::new(ask.body()));
        *request.method_mut() = Method::POST;
        // Every path of ours is one.
        *request.uri_mut() = ask.path().parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Some((name, value)) = ask.dialect.header() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static("OpenAI/Python 2.0.0"));
        request
    }

    /// One exchange, read to its end.
    pub(crate) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Exchange, BenchError> {
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        let status = reply.status();
        let mut body = reply.into_body();
        let mut first = None;
        while let Some(frame) = body.frame().await {
            frame?;
            first.get_or_insert_with(clock::monotonic_now);
        }
        let last = clock::monotonic_now();
        if !status.is_success() {
            return Err(BenchError::Unexpected(format!("a request was answered {status}")));
        }
        Ok(Exchange { first: first.unwrap_or(last), last })
    }

    /// One exchange whose body is wanted.
    pub(crate) async fn text(&mut self, request: Request<Full<Bytes>>) -> Result<String, BenchError> {
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        Ok(String::from_utf8_lossy(&reply.into_body().collect().await?.to_bytes()).into_owned())
    }

    /// A number that the provider tells at `path`.
    pub(crate) async fn ask(&mut self, path: &str) -> Result<u64, BenchError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = path.parse().map_err(|_| BenchError::Unexpected(format!("`{path}` is no path")))?;
        request.headers_mut().insert(header::HOST, self.host.clone());
        let text = self.text(request).await?;
        text.parse().map_err(|_| BenchError::Unexpected(format!("the provider answered `{text}`")))
    }
}

async fn tcp(to: SocketAddr) -> Result<TcpStream, BenchError> {
    let stream = TcpStream::connect(to).await.map_err(BenchError::io("connect"))?;
    stream.set_nodelay(true).map_err(BenchError::io("set TCP_NODELAY"))?;
    Ok(stream)
}

/// Sends a request as plain bytes and reads nothing.
pub(crate) async fn send_raw(to: SocketAddr, ask: impl Into<Ask>) -> Result<TcpStream, BenchError> {
    let ask = ask.into();
    let (path, body) = (ask.path(), ask.body());
    let mut stream = tcp(to).await?;
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes).await.map_err(BenchError::io("send a request"))?;
    Ok(stream)
}

/// Reads until `mark` came, a little at a time.
pub(crate) async fn read_until(stream: &mut TcpStream, mark: &[u8]) -> Result<(), BenchError> {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.windows(mark.len()).any(|window| window == mark) {
        let read = stream.read(&mut buffer).await.map_err(BenchError::io("read a reply"))?;
        if read == 0 {
            return Err(BenchError::Unexpected("a reply ended early".to_owned()));
        }
        seen.extend_from_slice(&buffer[..read]);
    }
    Ok(())
}
