//! Server-sent events as far as every dialect agrees: their data, whether a rest of a stream is one, how they begin.
//!
//! Source: WHATWG HTML, "Server-sent events".

use std::{borrow::Cow, ops::Range};

use serde::de::IgnoredAny;

/// What a stream may begin with, and is no part of its first line.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What ends streams of some dialects; no JSON, and complete in itself.
const DONE: &[u8] = b"[DONE]";

/// One event that has data.
#[derive(Debug)]
pub(super) struct Event<'a> {
    /// Where it stands, the empty line at its end included.
    pub(super) at: Range<usize>,
    /// Its data, lines joined.
    pub(super) data: Cow<'a, [u8]>,
}

/// Each event that has data; the last one may lack its empty line.
pub(super) fn events_of(text: &[u8]) -> impl Iterator<Item = Event<'_>> {
    let mut lines = lines_of(text);
    std::iter::from_fn(move || {
        let mut begin = None;
        let mut data: Option<Cow<'_, [u8]>> = None;
        for Line { at, end, text: line } in lines.by_ref() {
            if line.is_empty() {
                if let Some(data) = data {
                    return Some(Event { at: begin.unwrap_or(at)..end, data });
                }
                begin = None;
                continue;
            }
            begin = begin.or(Some(at));
            let Some(value) = line.strip_prefix(b"data:") else { continue };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match data.as_mut() {
                None => data = Some(Cow::Borrowed(value)),
                Some(joined) => {
                    let joined = joined.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
            }
        }
        Some(Event { at: begin?..text.len(), data: data? })
    })
}

/// The data of each event that has any.
pub(super) fn data_of(text: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    events_of(text).map(|event| event.data)
}

/// `type` of an event's data, where it is an object that has one.
pub(super) fn type_of(data: &[u8]) -> Option<Cow<'_, str>> {
    // It stands first in nearly every event of the dialects that have it.
    if let Some(rest) = data.strip_prefix(b"{\"type\":\"")
        && let Some(end) = memchr::memchr2(b'"', b'\\', rest)
        && rest[end] == b'"'
    {
        return std::str::from_utf8(&rest[..end]).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<Typed<'_>>(data).ok().map(|typed| typed.name)
}

#[derive(serde::Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
}

/// An event of ours, named by the `type` of its data.
pub(super) fn typed_event(data: &serde_json::Value) -> String {
    let kind = data["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}

/// A line, and where it begins and ends, its line end included.
struct Line<'a> {
    at: usize,
    end: usize,
    text: &'a [u8],
}

/// The lines of `text`, which end in `\n`, `\r\n` or `\r`; what follows the last line end is one too.
fn lines_of(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let now = text.get(at..).filter(|now| !now.is_empty())?;
        let (length, skip) = match memchr::memchr2(b'\n', b'\r', now) {
            None => (now.len(), 0),
            Some(end) => (end, if now[end..].starts_with(b"\r\n") { 2 } else { 1 }),
        };
        let line = Line { at, end: at + length + skip, text: &now[..length] };
        at = line.end;
        Some(line)
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
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    // The first piece may be shorter than a field's name.
    let begins = |field: &&[u8]| bytes.starts_with(field) || (!bytes.is_empty() && field.starts_with(bytes));
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_of_events_are_joined_lines() {
        let data = |text: &'static str| -> Vec<String> {
            data_of(text.as_bytes()).map(|data| String::from_utf8(data.into_owned()).unwrap()).collect()
        };
        assert_eq!(data("data: a\n\ndata:b\ndata:  c\n\n"), ["a", "b\n c"]);
        assert_eq!(data("event: x\r\ndata: a\r\n\r\n: comment\r\rdata: b"), ["a", "b"]);
        let places = |text: &'static str| events_of(text.as_bytes()).map(|event| &text[event.at]).collect::<Vec<_>>();
        assert_eq!(places("\n: x\n\nid: 1\ndata: a\r\n\r\ndata: b\n"), ["id: 1\ndata: a\r\n\r\n", "data: b\n"]);
        for (data, expected) in [
            (r#"{"type":"a.b","x":1}"#, Some("a.b")),
            (r#"{ "x":{"type":"no"}, "type" : "y\u0061" }"#, Some("ya")),
            (r#"{"type":1}"#, None),
            ("[DONE]", None),
        ] {
            assert_eq!(type_of(data.as_bytes()).as_deref(), expected, "{data}");
        }
        assert_eq!(data("event: x\n\n\n\nid: 5\n\n"), Vec::<String>::new());
        assert_eq!(data("data:\n\n"), [""]);
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
}
