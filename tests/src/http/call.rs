//! One request: head and body as the test says, with the headers that every client sends unless told otherwise.

use std::{fmt::Write as _, io::Write as _, net::TcpStream};

use super::{Answer, Client, Opened};

/// A request that is about to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    client: Client,
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: Option<usize>,
}

impl Call {
    pub(super) fn new(client: Client, method: &str, target: &str) -> Self {
        Self {
            client,
            method: method.to_owned(),
            target: target.to_owned(),
            host: Some(client.addr().to_string()),
            headers: Vec::new(),
            body: None,
            chunked: None,
        }
    }

    /// Adds a header, also a second one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Another `Host` than the address.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// No `Host` at all.
    #[must_use]
    pub fn without_host(mut self) -> Self {
        self.host = None;
        self
    }

    /// A JSON body with its content type.
    #[must_use]
    pub fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// A body without a content type.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// Sends the body in chunks of `size` bytes instead of with its length.
    #[must_use]
    pub fn chunked(mut self, size: usize) -> Self {
        self.chunked = Some(size);
        self
    }

    /// The head as it will be sent.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if let Some(host) = &self.host {
            write!(head, "host: {host}\r\n").expect("text");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("text");
        }
        if let Some(body) = &self.body {
            match self.chunked {
                Some(_) => head.push_str("transfer-encoding: chunked\r\n"),
                None => write!(head, "content-length: {}\r\n", body.len()).expect("text"),
            }
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// Head and body as they will be sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        let body = self.body.as_deref().unwrap_or_default();
        match self.chunked {
            None => bytes.extend_from_slice(body),
            Some(size) => {
                for chunk in body.chunks(size) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    /// Sends it and reads the answer to its end.
    #[track_caller]
    pub fn send(self) -> Answer {
        self.open().finish()
    }

    /// Sends it and reads the head of the answer.
    #[track_caller]
    pub fn open(self) -> Opened {
        self.client.raw_opened(self.bytes())
    }

    /// Sends it and reads nothing: for callers that leave.
    #[track_caller]
    pub fn fire(self) -> TcpStream {
        let mut stream = self.client.connect();
        stream.write_all(&self.bytes()).expect("send a request");
        stream
    }

    /// Sends it on a connection that is already open and reads the head of the answer.
    #[track_caller]
    pub fn on(self, mut stream: TcpStream) -> Opened {
        stream.write_all(&self.bytes()).expect("send a request");
        Opened::read(stream)
    }
}
