//! An answer: read at once, or piece by piece while it comes.

use std::{io::ErrorKind, net::TcpStream, time::Instant};

use bitrouter_proto::clock;
use serde_json::Value;

use super::body::{Body, Buffered, Framing};

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing promised.
    Complete,
    /// The connection closed before that.
    Truncated,
    /// The connection was reset before that.
    Reset,
    /// Nothing came for as long as the caller waits.
    Stalled,
    /// The framing itself was broken.
    Malformed,
    /// The connection closed, or was reset, without any answer.
    Nothing,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code, 0 where no answer came.
    pub status: u16,
    /// The headers, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

impl Answer {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{} with a body that is no JSON ({e}): {}", self.status, self.text()))
    }

    /// The member `error` of a JSON body, whose shape is checked: `message`, `type`, `code`, `param` are always there.
    #[track_caller]
    pub fn error(&self) -> Value {
        let error = self.json()["error"].clone();
        for member in ["message", "type", "code", "param"] {
            assert!(error.get(member).is_some(), "`error.{member}` is missing in {}", self.text());
        }
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text());
        error
    }

    /// Checks status and `error.code`, and returns the error.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let found = format!("{} {}", self.status, self.text());
        assert_eq!(self.status, status, "{found}");
        let error = self.error();
        assert_eq!(error["code"], code, "{found}");
        assert_eq!(self.end, End::Complete, "{found}");
        error
    }

    /// Checks that it is a complete 200.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often called for its check alone")]
    pub fn ok(self) -> Self {
        assert_eq!((self.status, self.end), (200, End::Complete), "{}", self.text());
        self
    }

    /// The text of the first choice of a chat completion.
    #[track_caller]
    pub fn content(&self) -> String {
        let json = self.json();
        json["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("no content: {json}")).to_owned()
    }

    /// The data of each event of an event stream.
    pub fn events(&self) -> Vec<String> {
        self.text().split("\n\n").filter_map(|event| Some(event.strip_prefix("data: ")?.to_owned())).collect()
    }

    /// The data of each event that is JSON, whether the event has a name or not.
    pub fn data(&self) -> Vec<Value> {
        let text = self.text();
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }

    /// The text that the chunks of a streamed chat completion add up to.
    pub fn streamed_text(&self) -> String {
        let chunks = self.events().into_iter().filter_map(|event| serde_json::from_str::<Value>(&event).ok());
        chunks.filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Opened {
    /// The status code, 0 where no answer came.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    source: Buffered<TcpStream>,
    body: Body,
    /// How it ended where not even a whole head came.
    headless: Option<End>,
}

impl Opened {
    /// Reads the head (and skips informational ones).
    pub fn read(stream: TcpStream) -> Self {
        Self::next(Buffered::new(stream))
    }

    /// The same as the answer to a HEAD, which announces a body that does not come (RFC 9112 §6.3).
    #[must_use]
    pub(super) fn without_body(self) -> Self {
        Self { body: Body::new(Framing::Empty), ..self }
    }

    fn next(mut source: Buffered<TcpStream>) -> Self {
        loop {
            let head = match source.until(b"\r\n\r\n") {
                Ok(Some(head)) => head,
                Ok(None) if source.has_rest() => return Self::headless(source, End::Truncated),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Self::headless(source, End::Stalled);
                }
                Ok(None) | Err(_) => return Self::headless(source, End::Nothing),
            };
            let (status, headers) = parse(&head);
            if status == 101 || status / 100 != 1 {
                let body = Body::new(framing(status, &headers));
                return Self { status, headers, source, body, headless: None };
            }
        }
    }

    fn headless(source: Buffered<TcpStream>, end: End) -> Self {
        Self { status: 0, headers: Vec::new(), source, body: Body::new(Framing::Empty), headless: Some(end) }
    }

    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The next piece of the body; `None` at its end.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        self.body.next(&mut self.source)
    }

    /// Reads until the body so far contains `needle`, and returns it with the time when that was.
    #[track_caller]
    pub fn until_contains(&mut self, needle: &str) -> (String, Instant) {
        let mut text = String::new();
        while !text.contains(needle) {
            let Some(piece) = self.piece() else {
                panic!("the answer ended ({:?}) before `{needle}`: {text}", self.end());
            };
            text += &String::from_utf8_lossy(&piece);
        }
        (text, clock::monotonic_now())
    }

    /// How the body ended, once it has.
    pub fn end(&self) -> Option<End> {
        self.headless.or_else(|| self.body.end())
    }

    /// The connection, to leave it or to look at it.
    pub fn stream(&self) -> &TcpStream {
        self.source.source()
    }

    /// Reads the rest.
    pub fn finish(self) -> Answer {
        self.finish_keeping().0
    }

    /// Reads the rest and gives the connection back for the next request.
    pub fn finish_keeping(mut self) -> (Answer, TcpStream) {
        let mut body = Vec::new();
        while let Some(piece) = self.piece() {
            body.extend(piece);
        }
        let end = self.end().unwrap_or(End::Complete);
        let whole = self.headless.is_none() && end != End::Malformed;
        assert!(!whole || !self.source.has_rest(), "bytes came after the end of the answer");
        (Answer { status: self.status, headers: self.headers, body, end }, self.source.into_source())
    }
}

fn parse(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    (status, headers.collect())
}

fn framing(status: u16, headers: &[(String, String)]) -> Framing {
    let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if status == 204 || status == 304 || status == 101 {
        return Framing::Empty;
    }
    if value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Framing::Chunked;
    }
    match value("content-length").and_then(|value| value.parse().ok()) {
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    }
}
