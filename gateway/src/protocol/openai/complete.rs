//! Tells whether a reply is whole where its framing does not.
//!
//! A reply whose end is only marked by the end of the connection (no length, not chunked) looks the same when it was
//! cut, and a stream may end properly in the middle of an event: the reply's own grammar has to tell.

use std::sync::LazyLock;

use memchr::{memchr2, memmem};
use serde::de::IgnoredAny;

const DONE: &[u8] = b"[DONE]";
static FIND_DONE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(DONE));

/// Follows the brackets of a JSON document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Balance {
    depth: u64,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Balance {
    /// Takes note of a piece.
    pub fn push(&mut self, mut piece: &[u8]) {
        while let Some(&byte) = piece.first() {
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                let Some(at) = memchr2(b'"', b'\\', piece) else { return };
                self.escaped = piece[at] == b'\\';
                self.in_string = self.escaped;
                piece = &piece[at..];
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.begun |= !byte.is_ascii_whitespace();
            }
            piece = &piece[1..];
        }
    }

    /// True where everything that was opened is closed.
    pub fn is_whole(self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

/// True where whole events say that the stream comes to its end.
pub fn announces_end(events: &[u8]) -> bool {
    if FIND_DONE.find(events).is_some() {
        return true;
    }
    memmem::find_iter(events, b"\"finish_reason\"").any(|at| {
        let rest = events[at + b"\"finish_reason\"".len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"\""))
    })
}

/// True where one of these whole events is the last one of a stream: a line `data: [DONE]`, not a text that says so.
pub fn is_done(events: &[u8]) -> bool {
    FIND_DONE.find_iter(events).any(|at| {
        let Some(before) = events[..at].trim_ascii_end().strip_suffix(b"data:") else { return false };
        let begins = before.last().is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
        let ends = events.get(at + DONE.len()).is_none_or(u8::is_ascii_whitespace);
        begins && ends
    })
}

/// True where the rest of a stream that ended without its last empty line is an event all the same, or nothing that a
/// reader would miss (comments): its data are `[DONE]`, a whole JSON document, or lines that were ended.
pub fn is_whole_event(rest: &[u8]) -> bool {
    let ended = rest.last().is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
    let mut data = Vec::new();
    let mut other = false;
    let mut lines = rest.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        if let Some(value) = line.strip_prefix(b"data:") {
            data.extend_from_slice(value);
            data.push(b'\n');
        } else if !line.starts_with(b":") && !line.starts_with(b"retry:") {
            other = true;
            if last && !ended && b"data:".starts_with(line) {
                return false;
            }
        }
    }
    let data = data.trim_ascii();
    if data.is_empty() {
        // The name of an event whose data never came is missed, a comment is not.
        return !other;
    }
    let text = ended && !data.starts_with(b"{") && !data.starts_with(b"[");
    text || data == DONE || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// True where bytes begin as a stream of events does.
pub fn looks_like_events(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| bytes.starts_with(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_is_announced_by_done_or_a_reason() {
        assert!(announces_end(b"data: [DONE]\n\n"));
        assert!(announces_end(b"data: {\"choices\":[{\"finish_reason\" : \"stop\"}]}\n\n"));
        assert!(!announces_end(b"data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
    }

    #[test]
    fn done_is_a_line_and_not_a_text_that_says_so() {
        for (events, done) in [
            ("data: [DONE]\n\n", true),
            ("data:[DONE]\r\n\r\n", true),
            ("data: {}\n\ndata: [DONE] \n\n: bye\n\n", true),
            ("data: {\"content\":\"[DONE]\"}\n\n", false),
            ("data: {\"content\":\"data: [DONE]\"}\n\n", false),
            ("data: [DONE]?\n\n", false),
            ("data: {}\n\n", false),
        ] {
            assert_eq!(is_done(events.as_bytes()), done, "{events:?}");
        }
    }

    #[test]
    fn the_rest_of_a_stream_is_whole_or_cut() {
        for (rest, whole) in [
            ("", true),
            ("data: [DONE]", true),
            ("data: [DONE]\n", true),
            ("data: {\"a\":1}", true),
            ("event: x\ndata: {\"a\":1}\r\n", true),
            ("data: {\"a\":\ndata: 1}\n", true),
            ("data: plain text\n", true),
            ("data: {}\nid: 5", true),
            (": ping", true),
            ("retry: 10\n", true),
            ("data: {\"par", false),
            ("data: {\"par\n", false),
            ("data: {\"a\":\ndata: 1", false),
            ("data: [DO", false),
            ("data: plain te", false),
            ("data: {}\ndat", false),
            ("event: x\n", false),
            ("eve", false),
            ("d", false),
        ] {
            assert_eq!(is_whole_event(rest.as_bytes()), whole, "{rest:?}");
        }
    }

    proptest! {
        #[test]
        fn every_cut_of_a_document_is_noticed(texts in prop::collection::vec("\\PC{0,8}", 0..5), chunk in 1usize..7) {
            let document = serde_json::to_vec(&serde_json::json!({"a": texts, "b": [{"c": "\\\""}]})).unwrap();
            for end in 0..=document.len() {
                let mut balance = Balance::default();
                document[..end].chunks(chunk).for_each(|piece| balance.push(piece));
                prop_assert_eq!(balance.is_whole(), end == document.len());
            }
        }
    }
}
