//! Where the events or elements of a stream stand in a piece that ends behind one.

use std::{borrow::Cow, slice};

use super::literal::Spelt;
use crate::protocol::{
    sse_event::{Event, events_of},
    walk::nest_end,
};

/// One event or element, and what stands before it.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// Where in the stream it ends.
    pub(super) end: usize,
    /// Its data; `None` where it has none.
    pub(super) data: Option<Data<'a>>,
}

/// Data, and where it stands in the stream.
#[derive(Debug)]
pub(super) struct Data<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where in the data a line begins, and where that stands.
    lines: Vec<(usize, usize)>,
}

impl Data<'_> {
    /// Where the data would begin if all of it stood in the line that has this place.
    pub(super) fn base_of(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|(begin, _)| *begin <= at);
        self.lines.get(line.saturating_sub(1)).map_or(0, |(begin, place)| place - begin)
    }

    /// All of it as one text: what stands between its lines is the line end between them.
    pub(super) fn spelt(&self) -> Spelt {
        let mut all = Spelt::default();
        for (number, (begin, place)) in self.lines.iter().enumerate() {
            match self.lines.get(number + 1) {
                None => all.add_plain(&self.text[*begin..], *place),
                Some((next, next_place)) => {
                    let line = &self.text[*begin..next - 1];
                    all.add_plain(line, *place);
                    all.add_char('\n', slice::from_ref(&(place + line.len()..*next_place)));
                }
            }
        }
        all
    }
}

/// The events in `text`, which stands at `begin` in the stream. `None` where it ends within one, which the last one of a
/// stream may.
pub(super) fn events(text: &str, begin: usize, is_last: bool) -> Option<Vec<Unit<'_>>> {
    if !is_last && !ends_an_event(text) {
        return None;
    }
    // What a stream may begin with is no part of its first line.
    let (text, begin) = match text.strip_prefix('\u{feff}') {
        Some(rest) if begin == 0 => (rest, begin + text.len() - rest.len()),
        _ => (text, begin),
    };
    let mut units = Vec::new();
    for Event { at, data } in events_of(text.as_bytes()) {
        let end = begin + at.end;
        let (text, lines) = match data {
            Cow::Borrowed(line) => {
                // The line is a part of the text: where it begins is how far its end is from the text's.
                let offset = line.as_ptr() as usize - text.as_ptr() as usize;
                (Cow::Borrowed(std::str::from_utf8(line).ok()?), vec![(0, begin + offset)])
            }
            Cow::Owned(joined) => {
                let lines = lines_of_data(&text[at.clone()], begin + at.start);
                (Cow::Owned(String::from_utf8(joined).ok()?), lines)
            }
        };
        units.push(Unit { end, data: Some(Data { text, lines }) });
    }
    end_with(&mut units, begin + text.len());
    Some(units)
}

/// A line of a stream that is no data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Aside<'a> {
    /// Where its text stands in the stream.
    pub(super) at: usize,
    pub(super) text: &'a str,
    /// A reader may want it: the name or the id of an event.
    pub(super) is_kept: bool,
    /// What takes the place of one that is not kept.
    pub(super) instead: &'static str,
}

/// The lines in `text`, which stands at `begin` in the stream, that are no data and say something.
pub(super) fn asides(text: &str, begin: usize) -> Vec<Aside<'_>> {
    let (mut asides, mut at) =
        (Vec::new(), if begin == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 });
    while at < text.len() {
        let end = memchr::memchr2(b'\n', b'\r', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length);
        let line = &text[at..end];
        let kept = ["event:", "id:"].iter().find_map(|field| line.strip_prefix(field));
        let (text, is_kept, instead) = match (kept, line.strip_prefix(':')) {
            (Some(value), _) => (value, true, ""),
            (None, Some(comment)) => (comment, false, ""),
            _ if line.starts_with("data:") || is_retry(line) => ("", false, ""),
            _ => (line, false, ":"),
        };
        if !text.is_empty() {
            asides.push(Aside { at: begin + end - text.len(), text, is_kept, instead });
        }
        at = end + 1;
    }
    asides
}

fn is_retry(line: &str) -> bool {
    line.strip_prefix("retry:").is_some_and(|wait| wait.trim_start().bytes().all(|byte| byte.is_ascii_digit()))
}

/// The elements in `text`, which stands at `begin` in the stream. `None` where it ends within one, or has anything else.
pub(super) fn elements(text: &str, begin: usize) -> Option<Vec<Unit<'_>>> {
    let (mut units, mut at) = (Vec::new(), 0);
    loop {
        at += text[at..].find(|c| !matches!(c, '[' | ']' | ',' | ' ' | '\t' | '\n' | '\r')).unwrap_or(text.len() - at);
        if at == text.len() {
            end_with(&mut units, begin + at);
            return Some(units);
        }
        if !text[at..].starts_with('{') {
            return None;
        }
        let end = nest_end(text.as_bytes(), at)?;
        let data = Data { text: Cow::Borrowed(&text[at..end]), lines: vec![(0, begin + at)] };
        units.push(Unit { end: begin + end, data: Some(data) });
        at = end;
    }
}

/// What stands behind the last one is one more, without data.
fn end_with(units: &mut Vec<Unit<'_>>, end: usize) {
    if units.last().is_none_or(|last| last.end < end) {
        units.push(Unit { end, data: None });
    }
}

/// True where the last line of a text is empty, or nothing but line ends is there.
fn ends_an_event(text: &str) -> bool {
    let before = text.strip_suffix("\r\n").or(text.strip_suffix(['\n', '\r']));
    before.is_some_and(|before| before.is_empty() || before.ends_with(['\n', '\r']))
}

/// Where each line of an event's data begins in the data, and where it stands.
fn lines_of_data(event: &str, begin: usize) -> Vec<(usize, usize)> {
    let (mut lines, mut length, mut at) = (Vec::new(), 0, 0);
    while at < event.len() {
        let end = event[at..].find(['\n', '\r']).map_or(event.len(), |end| at + end);
        if let Some(value) = event[at..end].strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            lines.push((length, begin + end - value.len()));
            length += value.len() + 1;
        }
        at = end + if event[end..].starts_with("\r\n") { 2 } else { 1 };
    }
    lines
}
