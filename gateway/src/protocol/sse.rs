//! Cuts a stream of server-sent events where events end, whatever the pieces are in which it arrives.
//!
//! Whole events pass at once; only the beginning of an event that has not ended is held back, so that after a failure
//! what the caller has is whole events. Lines may end in `\n`, `\r\n` or `\r`.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// An event longer than this is no longer held back.
const LONGEST_HELD: usize = 1 << 20;

/// Where in the grammar the last byte stood, and the bytes of the event that has not ended.
#[derive(Debug)]
pub struct SseFramer {
    held: Held,
    line_is_empty: bool,
    after_cr: bool,
    /// Bytes at the beginning of the held event were passed on, because it is too long.
    broken: bool,
    /// Where in what passed last the event ended whose beginning had passed before.
    long_end: Option<usize>,
}

#[derive(Debug)]
enum Held {
    One(Bytes),
    More(BytesMut),
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::More(bytes) => bytes.len(),
        }
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::One(Bytes::new())) {
            Self::One(bytes) => bytes,
            Self::More(bytes) => bytes.freeze(),
        }
    }

    fn append(&mut self, piece: Bytes) {
        match self {
            Self::One(bytes) if bytes.is_empty() => *bytes = piece,
            Self::One(bytes) => {
                let mut more = BytesMut::with_capacity((bytes.len() + piece.len()).next_power_of_two());
                more.extend_from_slice(bytes);
                more.extend_from_slice(&piece);
                *self = Self::More(more);
            }
            Self::More(bytes) => bytes.extend_from_slice(&piece),
        }
    }
}

impl Default for SseFramer {
    fn default() -> Self {
        Self { held: Held::One(Bytes::new()), line_is_empty: true, after_cr: false, broken: false, long_end: None }
    }
}

impl SseFramer {
    /// Takes a piece of the stream and returns what may go on: whole events (nothing, as long as none has ended).
    pub fn push(&mut self, mut piece: Bytes) -> Bytes {
        self.long_end = None;
        if piece.is_empty() {
            return piece;
        }
        let (first, end) = self.scan(&piece);
        if end > 0 {
            self.long_end = self.broken.then_some(first);
            let rest = piece.split_off(end);
            let whole = if self.held.len() == 0 {
                piece
            } else {
                self.held.append(piece);
                self.held.take()
            };
            self.held.append(rest);
            self.broken = false;
            return whole;
        }
        self.held.append(piece);
        if self.broken || self.held.len() > LONGEST_HELD {
            self.broken = true;
            return self.held.take();
        }
        Bytes::new()
    }

    /// What is held when the stream has come to its end.
    pub fn finish(&mut self) -> Bytes {
        self.held.take()
    }

    /// True where the beginning of an event was passed on because it was too long, and its end has not come.
    pub fn is_inside_event(&self) -> bool {
        self.broken
    }

    /// Where in what passed last an event ended whose beginning had passed before: behind it stand whole events.
    pub fn long_event_end(&self) -> Option<usize> {
        self.long_end
    }

    /// Drops what is held, when the stream has failed; returns what must stand before an event of ours.
    pub fn discard_partial(&mut self) -> &'static [u8] {
        self.held.take();
        if std::mem::take(&mut self.broken) { b"\n\n" } else { b"" }
    }

    /// Follows the grammar over `piece`; where in it the first event ends, and where the last one.
    fn scan(&mut self, piece: &[u8]) -> (usize, usize) {
        let mut first = 0;
        let mut end = 0;
        let mut at = 0;
        // The second half of a line end whose first half already ended an event.
        if std::mem::take(&mut self.after_cr) && piece.first() == Some(&b'\n') {
            at = 1;
            if self.held.len() == 0 && !self.broken {
                (first, end) = (1, 1);
            }
        }
        while at < piece.len() {
            let Some(next) = memchr2(b'\n', b'\r', &piece[at..]) else {
                self.line_is_empty = false;
                return (first, end);
            };
            self.line_is_empty &= next == 0;
            at += next + 1;
            if piece[at - 1] == b'\r' {
                match piece.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.line_is_empty {
                end = at;
                if first == 0 {
                    first = at;
                }
            }
            self.line_is_empty = true;
        }
        (first, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that passes while `stream` arrives in pieces of these sizes, and the rest at its end.
    fn run(stream: &[u8], sizes: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let mut events = SseFramer::default();
        let (mut passed, mut rest) = (Vec::new(), Bytes::copy_from_slice(stream));
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            passed.extend_from_slice(&events.push(rest.split_to(size)));
        }
        (passed, events.finish().to_vec())
    }

    #[test]
    fn only_the_unfinished_event_is_held() {
        for (stream, held) in [
            ("data: a\n\ndata: b", "data: b"),
            ("data: a\n\n", ""),
            ("data: a\r\n\r\nda", "da"),
            ("data: a\r\rda", "da"),
            ("data: a\n\r\nda", "da"),
            ("data: a\r\n\ndata: b\n", "data: b\n"),
            (": comment\n\n\n\nx", "x"),
            ("\n\nx\n", "x\n"),
            ("data: a\r\n", "data: a\r\n"),
        ] {
            let (passed, rest) = run(stream.as_bytes(), &[]);
            assert_eq!(String::from_utf8_lossy(&rest), held, "{stream:?}");
            assert_eq!([passed, rest].concat(), stream.as_bytes());
        }
    }

    #[test]
    fn an_endless_event_is_passed_on_and_marked() {
        let mut events = SseFramer::default();
        let piece = Bytes::from(vec![b'x'; LONGEST_HELD]);
        assert!(events.push(piece.clone()).is_empty());
        assert_eq!(events.push(Bytes::from_static(b"y")).len(), LONGEST_HELD + 1);
        assert_eq!(events.push(Bytes::from_static(b"z")).as_ref(), b"z");
        assert!(events.is_inside_event() && events.finish().is_empty());
        assert_eq!(events.discard_partial(), b"\n\n");
        let mut events = SseFramer::default();
        events.push(piece.clone());
        events.push(piece);
        assert_eq!(events.push(Bytes::from_static(b"\n\ndata: a\n\nda")).as_ref(), b"\n\ndata: a\n\n");
        assert_eq!((events.is_inside_event(), events.long_event_end()), (false, Some(2)));
        assert_eq!(events.discard_partial(), b"");
    }

    proptest! {
        /// Any cut of the same bytes, also inside a character or a line end, lets the same bytes pass.
        #[test]
        fn any_rechunking_gives_the_same(
            parts in prop::collection::vec(prop_oneof!["data: [é€😀a]{0,4}", Just("\n".to_owned()), Just("\r\n".to_owned()), Just("\r".to_owned())], 0..24),
            sizes in prop::collection::vec(1usize..9, 1..8),
        ) {
            let stream = parts.concat().into_bytes();
            let whole = run(&stream, &[]);
            prop_assert_eq!(&[whole.0.clone(), whole.1.clone()].concat(), &stream);
            prop_assert_eq!(run(&stream, &sizes), whole.clone());
            prop_assert_eq!(run(&stream, &[1]), whole);
        }
    }
}
