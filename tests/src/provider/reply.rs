//! What the provider does with one request: a list of steps, with makers for the usual ones.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::Gate;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send these bytes, at once and alone.
    Send(Vec<u8>),
    /// Send the same bytes so many times: for streams that fit in no memory.
    Repeat(Arc<Vec<u8>>, u64),
    /// Go on when the gate opens (or the other side leaves).
    Await(Gate),
    /// Play a slow peer.
    Pause(Duration),
    /// Do nothing until the other side leaves.
    Stall,
    /// Reset the connection.
    Reset,
    /// Close the connection in an orderly way.
    Close,
}

/// A scripted answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    steps: Vec<Step>,
    chunked: bool,
}

impl Reply {
    /// No step at all: with [`Reply::reset`] and the like, a provider that says nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Exactly these bytes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::nothing().send(bytes)
    }

    /// A complete answer with a content length.
    pub fn body(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::with(status, &[("content-type", content_type)], body)
    }

    /// A complete JSON answer.
    pub fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::body(status, "application/json", body)
    }

    /// A complete answer with these headers and a content length.
    pub fn with(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    /// The head of a chunked event stream; the events follow.
    pub fn stream() -> Self {
        Self::stream_with(200, &[("content-type", "text/event-stream")])
    }

    /// The head of any chunked answer.
    pub fn stream_with(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        Self { steps: vec![Step::Send(bytes)], chunked: true }
    }

    /// The head of an answer that ends with the connection.
    pub fn until_close(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        Self::raw(bytes)
    }

    /// A redirect to `to`.
    pub fn redirect(to: &str) -> Self {
        Self::with(307, &[("location", to)], "")
    }

    /// Sends bytes as they are, outside any framing.
    #[must_use]
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    /// Sends a piece of the body, framed as the head promised.
    #[must_use]
    pub fn piece(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let framed = if self.chunked { chunk(bytes) } else { bytes.to_vec() };
        self.send(framed)
    }

    /// Sends one event.
    #[must_use]
    pub fn event(self, data: impl AsRef<str>) -> Self {
        self.piece(format!("data: {}\n\n", data.as_ref()))
    }

    /// Sends one chunk of a chat completion with this text.
    #[must_use]
    pub fn token(self, text: &str) -> Self {
        self.event(crate::openai::chunk(text))
    }

    /// Ends a stream as OpenAI does: the final chunk, `[DONE]`, the end of the framing.
    #[must_use]
    pub fn done(self) -> Self {
        self.event(crate::openai::last_chunk()).event("[DONE]").end()
    }

    /// Ends the framing.
    #[must_use]
    pub fn end(self) -> Self {
        if self.chunked { self.send("0\r\n\r\n") } else { self.step(Step::Close) }
    }

    /// Announces a chunk and sends half of it.
    #[must_use]
    pub fn half_chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        let framed = chunk(bytes.as_ref());
        let half = framed.len() / 2;
        self.send(&framed[..half])
    }

    /// Sends a piece so many times.
    #[must_use]
    pub fn flood(self, piece: impl AsRef<[u8]>, times: u64) -> Self {
        let framed = if self.chunked { chunk(piece.as_ref()) } else { piece.as_ref().to_vec() };
        self.step(Step::Repeat(Arc::new(framed), times))
    }

    /// Waits for the gate.
    #[must_use]
    pub fn gate(self, gate: &Gate) -> Self {
        self.step(Step::Await(gate.clone()))
    }

    /// Does nothing more until the other side leaves.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Closes the connection.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Waits for the gate before everything else.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Await(gate.clone()));
        self
    }

    /// Sends what it sends in pieces of `size` bytes, each alone: cuts land inside heads, frames and characters.
    #[must_use]
    pub fn cut_every(self, size: usize) -> Self {
        self.cut_by(|| size)
    }

    /// Sends what it sends in pieces, each alone, of the sizes that `next` says in turn.
    #[must_use]
    pub fn cut_by(self, mut next: impl FnMut() -> usize) -> Self {
        self.recut(|mut bytes| {
            let mut pieces = Vec::new();
            while !bytes.is_empty() {
                let (piece, rest) = bytes.split_at(next().clamp(1, bytes.len()));
                pieces.push(piece.to_vec());
                bytes = rest;
            }
            pieces
        })
    }

    /// Cuts what it sends at these positions of the whole answer.
    #[must_use]
    pub fn cut_at(self, positions: &[usize]) -> Self {
        let mut start = 0;
        self.recut(|bytes| {
            let end = start + bytes.len();
            let mut cuts: Vec<usize> = positions.iter().filter(|at| (start + 1..end).contains(at)).copied().collect();
            cuts.push(end);
            let mut from = start;
            let pieces = cuts.iter().map(|cut| {
                let piece = bytes[from - start..cut - start].to_vec();
                from = *cut;
                piece
            });
            let pieces = pieces.collect();
            start = end;
            pieces
        })
    }

    fn recut(mut self, mut cut: impl FnMut(&[u8]) -> Vec<Vec<u8>>) -> Self {
        let mut steps = Vec::new();
        for step in self.steps {
            match step {
                Step::Send(bytes) => {
                    for piece in cut(&bytes) {
                        steps.push(Step::Send(piece));
                        steps.push(Step::Pause(Duration::from_micros(300)));
                    }
                }
                other => steps.push(other),
            }
        }
        self.steps = steps;
        self
    }

    /// Adds any other step.
    #[must_use]
    pub fn then(self, step: Step) -> Self {
        self.step(step)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Everything that it sends, without the pauses.
    pub fn bytes(&self) -> Vec<u8> {
        let sends = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        sends.collect::<Vec<_>>().concat()
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("text");
    }
    head.into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(reply: Reply) -> Vec<Vec<u8>> {
        let sends = reply.into_steps().into_iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes),
            _ => None,
        });
        sends.collect()
    }

    #[test]
    fn cuts_move_no_byte() {
        let whole = sent(Reply::stream().token("ä").done()).concat();
        assert_eq!(sent(Reply::stream().token("ä").done().cut_every(3)).concat(), whole);
        assert_eq!(sent(Reply::raw("abcdef").cut_by(|| 4)), [b"abcd".to_vec(), b"ef".to_vec()]);
        let cut = sent(Reply::raw("abc").send("def").cut_at(&[1, 4, 5]));
        assert_eq!(cut, [b"a".to_vec(), b"bc".to_vec(), b"d".to_vec(), b"e".to_vec(), b"f".to_vec()]);
    }
}
