//! A caller of the control API that announces whatever the test says: another release, another protocol, nothing. It
//! speaks gRPC over HTTP/2 by hand, so that it also sees what generated clients hide. Between two calls it reads
//! nothing: it is a slow reader by nature.

use std::{collections::HashMap, path::Path, time::Duration};

use bitrouter_proto::{PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER, tasks::Tasks};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::UnixStream, runtime::Runtime};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::wait::PATIENCE;

/// One connection to a control socket.
#[derive(Debug)]
pub struct Control {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    announced: Vec<(&'static str, String)>,
}

/// An answer with its metadata.
#[derive(Clone, Debug)]
pub struct Told<A> {
    /// The message.
    pub message: A,
    /// The metadata that came before it.
    pub metadata: HeaderMap,
}

/// A refusal with its metadata and its `ErrorInfo`.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The gRPC code.
    pub code: Code,
    /// For people.
    pub message: String,
    /// `ErrorInfo.reason`, empty where there is none.
    pub reason: String,
    /// `ErrorInfo.domain`, empty where there is none.
    pub domain: String,
    /// `ErrorInfo.metadata`.
    pub facts: HashMap<String, String>,
    /// Headers of the answer.
    pub metadata: HeaderMap,
}

impl Control {
    /// Connects, announcing our own version and protocol.
    #[track_caller]
    pub fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap_or_else(|error| panic!("cannot connect to `{}`: {error}", socket.display()))
    }

    /// Connects, or says why not.
    pub fn try_connect(socket: &Path) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sender = runtime.block_on(async {
            let stream = UnixStream::connect(socket).await?;
            // The smallest window: what is not read is soon not sent.
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(65_535).initial_connection_window_size(1024 * 1024);
            let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
            Tasks::new().spawn("control", async move {
                connection.await.ok();
            });
            Ok::<_, std::io::Error>(sender)
        })?;
        let announced = vec![(VERSION_HEADER, VERSION.to_owned()), (PROTOCOL_HEADER, PROTOCOL.to_string())];
        Ok(Self { runtime, sender, announced })
    }

    /// Announces another version and protocol from now on.
    #[must_use]
    pub fn announcing(mut self, version: &str, protocol: &str) -> Self {
        self.announced = vec![(VERSION_HEADER, version.to_owned()), (PROTOCOL_HEADER, protocol.to_owned())];
        self
    }

    /// Announces nothing from now on.
    #[must_use]
    pub fn announcing_nothing(mut self) -> Self {
        self.announced.clear();
        self
    }

    /// Calls a method such as `DaemonService/Status`.
    #[track_caller]
    pub fn call<A: Message + Default>(
        &mut self,
        method: &str,
        question: &impl Message,
    ) -> Result<Told<A>, Box<Refused>> {
        self.call_bytes(method, &question.encode_to_vec()).map(|told| {
            let message =
                A::decode(told.message).unwrap_or_else(|error| panic!("`{method}` answered nonsense: {error}"));
            Told { message, metadata: told.metadata }
        })
    }

    /// Calls a method with any bytes for a message.
    #[track_caller]
    pub fn call_bytes(&mut self, method: &str, message: &[u8]) -> Result<Told<Bytes>, Box<Refused>> {
        let response = self.send(method, message);
        let (parts, body) = response.into_parts();
        refused(&parts.headers, &parts.headers)?;
        let collected = self.bounded(method, PATIENCE, body.collect()).unwrap_or_else(|e| panic!("`{method}`: {e}"));
        if let Some(trailers) = collected.trailers() {
            refused(trailers, &parts.headers)?;
        }
        let mut bytes = BytesMut::from(&collected.to_bytes()[..]);
        let message = take_message(&mut bytes).unwrap_or_else(|| panic!("`{method}` answered no message"));
        Ok(Told { message, metadata: parts.headers })
    }

    /// The head of the answer; `None` where the connection ends without one.
    pub fn head(&mut self, method: &str, message: &[u8]) -> Option<HeaderMap> {
        Some(self.try_send(method, message).ok()?.headers().clone())
    }

    /// Opens a stream of answers.
    #[track_caller]
    pub fn open(&mut self, method: &str, question: &impl Message) -> Answers<'_> {
        let response = self.send(method, &question.encode_to_vec());
        assert_eq!(response.status(), 200, "`{method}`");
        Answers { body: response.into_body(), control: self, buffer: BytesMut::new() }
    }

    #[track_caller]
    fn send(&mut self, method: &str, message: &[u8]) -> Response<Incoming> {
        self.try_send(method, message).unwrap_or_else(|error| panic!("`{method}` was not answered: {error}"))
    }

    #[track_caller]
    fn try_send(&mut self, method: &str, message: &[u8]) -> hyper::Result<Response<Incoming>> {
        let mut framed = BytesMut::with_capacity(message.len() + 5);
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).expect("a message that a frame can carry"));
        framed.put_slice(message);
        // A whole path is one of somebody else's services.
        let path = if method.starts_with('/') { method.to_owned() } else { format!("/bitrouter.control.v1.{method}") };
        let mut request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in &self.announced {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(framed.freeze())).expect("a request");
        let sent = self.sender.send_request(request);
        self.bounded(method, PATIENCE, sent)
    }

    #[track_caller]
    fn bounded<T>(&self, what: &str, patience: Duration, future: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(patience, future).await };
        self.runtime.block_on(limited).unwrap_or_else(|_| panic!("`{what}` took more than {patience:?}"))
    }
}

/// A stream of answers that is read only when the test asks.
#[derive(Debug)]
pub struct Answers<'a> {
    control: &'a mut Control,
    body: Incoming,
    buffer: BytesMut,
}

impl Answers<'_> {
    /// The next message; `None` at the end of the stream.
    #[track_caller]
    pub fn message<A: Message + Default>(&mut self) -> Option<A> {
        loop {
            if let Some(message) = take_message(&mut self.buffer) {
                return Some(A::decode(message).expect("a message of the stream"));
            }
            let frame = self.control.bounded("the next message", PATIENCE, self.body.frame())?;
            let frame = frame.unwrap_or_else(|error| panic!("the stream broke: {error}"));
            let Ok(data) = frame.into_data() else { continue };
            self.buffer.extend_from_slice(&data);
        }
    }
}

fn take_message(buffer: &mut BytesMut) -> Option<Bytes> {
    let length = usize::try_from(u32::from_be_bytes(buffer.get(1..5)?.try_into().ok()?)).ok()?;
    if buffer.len() < 5 + length {
        return None;
    }
    buffer.advance(5);
    Some(buffer.split_to(length).freeze())
}

fn refused(map: &HeaderMap, headers: &HeaderMap) -> Result<(), Box<Refused>> {
    let Some(status) = Status::from_header_map(map).filter(|status| status.code() != Code::Ok) else { return Ok(()) };
    let info = status.get_details_error_info();
    Err(Box::new(Refused {
        code: status.code(),
        message: status.message().to_owned(),
        reason: info.as_ref().map(|info| info.reason.clone()).unwrap_or_default(),
        domain: info.as_ref().map(|info| info.domain.clone()).unwrap_or_default(),
        facts: info.map(|info| info.metadata).unwrap_or_default(),
        metadata: headers.clone(),
    }))
}
