//! Reads a body in each of the three framings, piece by piece, and says how it ended.

use std::io::{self, Read};

use super::answer::End;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body at all.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunked encoding.
    Chunked,
    /// Everything until the connection closes.
    Close,
}

/// A source of bytes that remembers what it read too much.
#[derive(Debug)]
pub(crate) struct Buffered<R> {
    source: R,
    buffer: Vec<u8>,
}

impl<R: Read> Buffered<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new() }
    }

    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    pub(crate) fn into_source(self) -> R {
        self.source
    }

    /// True where bytes were read that nobody asked for yet.
    pub(crate) fn has_rest(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16_384];
        let read = loop {
            match self.source.read(&mut piece) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer.extend_from_slice(&piece[..read]);
        Ok(read > 0)
    }

    /// Everything up to and including `mark`; `None` where the end comes first.
    pub(crate) fn until(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut from = 0;
        loop {
            if let Some(at) = crate::canary::position(&self.buffer[from..], mark) {
                let end = from + at + mark.len();
                return Ok(Some(self.buffer.drain(..end).collect()));
            }
            from = self.buffer.len().saturating_sub(mark.len());
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Between one and `most` bytes; `None` at the end.
    pub(crate) fn some(&mut self, most: u64) -> io::Result<Option<Vec<u8>>> {
        if self.buffer.is_empty() && !self.fill()? {
            return Ok(None);
        }
        let take = self.buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Some(self.buffer.drain(..take).collect()))
    }
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    left: u64,
    end: Option<End>,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        let ended = matches!(framing, Framing::Empty | Framing::Length(0));
        Self { framing, left, end: ended.then_some(End::Complete) }
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    /// The next piece; `None` once it ended.
    pub(crate) fn next<R: Read>(&mut self, source: &mut Buffered<R>) -> Option<Vec<u8>> {
        if self.end.is_some() {
            return None;
        }
        match self.step(source) {
            Ok(Some(piece)) => Some(piece),
            Ok(None) => None,
            Err(e) => {
                self.end = Some(match e.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => End::Stalled,
                    io::ErrorKind::UnexpectedEof => End::Truncated,
                    io::ErrorKind::InvalidData => End::Malformed,
                    _ => End::Reset,
                });
                None
            }
        }
    }

    fn step<R: Read>(&mut self, source: &mut Buffered<R>) -> io::Result<Option<Vec<u8>>> {
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match self.framing {
            Framing::Empty => Ok(None),
            Framing::Close => {
                let piece = source.some(u64::MAX)?;
                if piece.is_none() {
                    self.end = Some(End::Complete);
                }
                Ok(piece)
            }
            Framing::Length(_) => {
                let piece = source.some(self.left)?.ok_or_else(cut)?;
                self.left -= piece.len() as u64;
                if self.left == 0 {
                    self.end = Some(End::Complete);
                }
                Ok(Some(piece))
            }
            Framing::Chunked => {
                if self.left == 0 {
                    let line = source.until(b"\r\n")?.ok_or_else(cut)?;
                    self.left = chunk_size(&line)?;
                    if self.left == 0 {
                        source.until(b"\r\n")?.ok_or_else(cut)?;
                        self.end = Some(End::Complete);
                        return Ok(None);
                    }
                }
                let piece = source.some(self.left)?.ok_or_else(cut)?;
                self.left -= piece.len() as u64;
                if self.left == 0 && source.until(b"\r\n")?.ok_or_else(cut)?.len() != 2 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(Some(piece))
            }
        }
    }
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let text = String::from_utf8_lossy(line);
    let digits = text.trim().split(';').next().unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, bytes: &[u8]) -> (Vec<u8>, End) {
        let mut source = Buffered::new(bytes);
        let mut body = Body::new(framing);
        let mut all = Vec::new();
        while let Some(piece) = body.next(&mut source) {
            all.extend(piece);
        }
        (all, body.end().unwrap())
    }

    #[test]
    fn each_framing_tells_a_whole_body_from_a_cut_one() {
        assert_eq!(read(Framing::Empty, b""), (vec![], End::Complete));
        assert_eq!(read(Framing::Length(3), b"abcd"), (b"abc".to_vec(), End::Complete));
        assert_eq!(read(Framing::Length(3), b"ab"), (b"ab".to_vec(), End::Truncated));
        assert_eq!(read(Framing::Close, b"ab"), (b"ab".to_vec(), End::Complete));
        assert_eq!(read(Framing::Chunked, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), (b"abc".to_vec(), End::Complete));
        assert_eq!(read(Framing::Chunked, b"2\r\nab\r\n"), (b"ab".to_vec(), End::Truncated));
        assert_eq!(read(Framing::Chunked, b"2\r\nabX\r\n0\r\n\r\n").1, End::Malformed);
        assert_eq!(read(Framing::Chunked, b"zz\r\n").1, End::Malformed);
    }
}
