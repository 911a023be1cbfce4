//! An event that is too long to be held: its bytes pass as they come, and what its reader needs of it is kept.

use bytes::Bytes;

use super::json_scan::JsonScan;

const DATA: &[u8] = b"data:";

/// The event as far as it has come.
#[derive(Debug)]
pub(super) struct LongEvent {
    scan: JsonScan,
    line: Line,
}

/// Where in a line the last byte stood.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Behind so many bytes of `data:`.
    Field(usize),
    /// In data.
    Data,
    /// In a line of no interest.
    Other,
}

impl LongEvent {
    /// An event whose data is an object of which the members with these names matter.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self { scan: JsonScan::new(names), line: Line::Field(0) }
    }

    /// Takes note of a piece.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while let Some(byte) = piece.first() {
            match self.line {
                Line::Field(read) if DATA.get(read) == Some(byte) => {
                    self.line = if read + 1 == DATA.len() { Line::Data } else { Line::Field(read + 1) };
                    piece = &piece[1..];
                }
                Line::Field(_) => self.line = Line::Other,
                Line::Data | Line::Other => {
                    let end = memchr::memchr2(b'\n', b'\r', piece);
                    if matches!(self.line, Line::Data) {
                        // Lines are joined by a line end, which is white space to JSON.
                        self.scan.push(&piece[..end.unwrap_or(piece.len())]);
                    }
                    let Some(end) = end else { return };
                    self.line = Line::Field(0);
                    piece = &piece[end + 1..];
                }
            }
        }
    }

    /// The event has ended: a short one that tells its reader the same. `None` where it told nothing.
    pub(super) fn short(&self) -> Option<Bytes> {
        self.scan.is_whole().then(|| self.scan.copy()).flatten().map(|copy| format!("data: {copy}\n\n").into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(event: &str, sizes: &[usize]) -> Option<String> {
        let (mut long, mut rest) = (LongEvent::new(&["type", "usage"]), event.as_bytes());
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            long.push(&rest[..size]);
            rest = &rest[size..];
        }
        long.short().map(|short| String::from_utf8(short.to_vec()).unwrap())
    }

    #[test]
    fn only_data_lines_are_read() {
        for (event, expected) in [
            ("event: {x\r\nid: [\r\ndata:{\"x\":1,\r\ndata: \"type\":\"a\"}\r\n: }\r\n\r\n", Some("{\"type\":\"a\"}")),
            ("data: {\"usage\":{\"a\":[1]}}\r\r", Some("{\"usage\":{\"a\":[1]}}")),
            ("dat: {}\ndatax: {}\n\n", None),
            ("data: {\"usage\":1\n\n", None),
            ("data: text\n\n", None),
        ] {
            let expected = expected.map(|data| format!("data: {data}\n\n"));
            for sizes in [&[][..], &[1], &[2, 5]] {
                assert_eq!(short(event, sizes), expected, "{event:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_from_outside_are_safe(text in "(data:|[d{}\":,\r\na]){0,40}", sizes in prop::collection::vec(1usize..5, 1..4)) {
            prop_assert_eq!(short(&text, &[]), short(&text, &sizes));
        }
    }
}
