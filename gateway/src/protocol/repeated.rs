//! Finds a member that stands twice in one object of a document, however deep: which of the two a provider takes is not
//! ours to guess.
//!
//! One forward pass without recursion over a document that was found to be JSON (RFC 8259), in time that grows with its length
//! alone. Kept are eight bytes for each name of the objects that are open, and a bit for each level.

use std::{
    borrow::Cow,
    hash::{BuildHasher as _, RandomState},
    ops::Range,
};

use super::{
    json_members::space,
    json_read, routing_fields,
    spelling::{Spelling, camel},
    walk::{scalar_end, text_end},
};

/// Objects of so few members are compared one by one.
const FEW: usize = 8;

/// The most characters of a name that are shown.
const SHOWN: usize = 100;

/// The name of a member that stands twice in one object, in a spelling that is there. On the way `top` is shown the members at
/// the top: each name, its escapes decoded, and where its value stands.
pub(super) fn scan(text: &str, spelling: Spelling, mut top: impl FnMut(&str, Range<usize>)) -> Option<String> {
    let bytes = text.as_bytes();
    let mut names = Names { text, open: Vec::new() };
    let mut nest = Nest::default();
    // Where the caller's own names begin, and whether they do with the next object.
    let (mut free_from, mut may_be_free) = (None, false);
    let (mut expects_name, mut is_empty) = (false, false);
    // The open member of the top: its name and where its value begins.
    let mut member: Option<(Cow<'_, str>, usize)> = None;
    // Behind the last value.
    let mut end = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b',' | b'}')
            && nest.depth == 1
            && let Some((name, begin)) = member.take()
            && begin < end
        {
            top(&name, begin..end);
        }
        match byte {
            b'"' if expects_name => {
                let close = text_end(bytes, at)?;
                names.open(at..close, std::mem::take(&mut is_empty));
                let colon = space(bytes, close);
                if bytes.get(colon) != Some(&b':') {
                    return None;
                }
                let name = routing_fields::string(&text[at..close]).unwrap_or_default();
                may_be_free = free_from.is_none() && spelling.is_free(&name);
                at = space(bytes, colon + 1);
                if nest.depth == 1 {
                    member = Some((name, at));
                }
                expects_name = false;
                continue;
            }
            b'"' => at = text_end(bytes, at)?,
            b'{' => {
                nest.push(true);
                if may_be_free {
                    free_from = Some(nest.depth);
                }
                (expects_name, is_empty) = (true, true);
                at += 1;
                may_be_free = false;
                continue;
            }
            b'[' => {
                nest.push(false);
                (expects_name, may_be_free) = (false, false);
                at += 1;
                continue;
            }
            b',' => {
                expects_name = nest.is_object();
                at += 1;
                continue;
            }
            b'}' => {
                if !std::mem::take(&mut is_empty) {
                    let has_two = matches!(spelling, Spelling::Two { .. }) && free_from.is_none();
                    if let Some(name) = names.close(has_two) {
                        return Some(name);
                    }
                }
                if free_from == Some(nest.depth) {
                    free_from = None;
                }
                expects_name = false;
                nest.pop()?;
                at += 1;
            }
            b']' => {
                nest.pop()?;
                at += 1;
            }
            b' ' | b'\n' | b'\t' | b'\r' => {
                at = space(bytes, at);
                continue;
            }
            _ => at = scalar_end(bytes, at),
        }
        (end, may_be_free) = (at, false);
    }
    None
}

/// The levels that are open, a bit for each: set for an object.
#[derive(Default)]
struct Nest {
    words: Vec<u64>,
    depth: usize,
}

impl Nest {
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.words.len() {
            self.words.push(0);
        }
        self.words[word] = self.words[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        Some(())
    }

    fn is_object(&self) -> bool {
        let Some(last) = self.depth.checked_sub(1) else { return false };
        self.words[last / 64] >> (last % 64) & 1 == 1
    }
}

/// The names of the objects that are open, the innermost last. An entry holds where the name begins and, above that, either
/// how long it is or a hash of it; and whether it is the first one of its object.
struct Names<'t> {
    text: &'t str,
    open: Vec<u64>,
}

const FIRST: u64 = 1 << 63;
const START: u64 = (1 << START_BITS) - 1;
const START_BITS: u32 = 40;
/// Lengths from here on are looked up.
const LONG: u64 = (1 << (63 - START_BITS)) - 1;

impl<'t> Names<'t> {
    /// Notes a name in its quotes.
    fn open(&mut self, at: Range<usize>, is_first: bool) {
        let length = LONG.min(at.len() as u64);
        let first = if is_first { FIRST } else { 0 };
        self.open.push(first | length << START_BITS | (at.start as u64 & START));
    }

    /// Where the name of an entry stands, in its quotes.
    fn place(&self, entry: u64, has_length: bool) -> Range<usize> {
        // It was a place in memory.
        let start = usize::try_from(entry & START).unwrap_or_default();
        let length = (entry & !FIRST) >> START_BITS;
        let end = match usize::try_from(length) {
            Ok(known) if has_length && length < LONG => start + known,
            _ => text_end(self.text.as_bytes(), start).unwrap_or(start),
        };
        start..end
    }

    /// A name as it is compared.
    fn form(&self, place: Range<usize>, has_two: bool) -> Cow<'t, [u8]> {
        let name = decoded(&self.text[place]);
        if has_two { camel(name) } else { name }
    }

    /// The innermost object is closed: the name that it has twice.
    fn close(&mut self, has_two: bool) -> Option<String> {
        let first = self.open.iter().rposition(|entry| entry & FIRST != 0)?;
        let twice = match self.open.len() - first {
            0 | 1 => None,
            2..=FEW => self.pair(first..self.open.len(), true, has_two),
            _ => self.pair_of_many(first, has_two),
        };
        self.open.truncate(first);
        twice.map(|place| shown(&decoded(&self.text[place])))
    }

    /// Compares each of these entries with all the others.
    fn pair(&self, entries: Range<usize>, has_length: bool, has_two: bool) -> Option<Range<usize>> {
        for second in entries.start + 1..entries.end {
            let place = self.place(self.open[second], has_length);
            let form = self.form(place.clone(), has_two);
            let before = &self.open[entries.start..second];
            if before.iter().any(|entry| self.form(self.place(*entry, has_length), has_two) == form) {
                return Some(place);
            }
        }
        None
    }

    /// Compares those alone whose hashes are equal. Nobody outside can choose names that are: the key is drawn anew.
    fn pair_of_many(&mut self, first: usize, has_two: bool) -> Option<Range<usize>> {
        let keyed = RandomState::new();
        for index in first..self.open.len() {
            let entry = self.open[index];
            let hash = keyed.hash_one(&*self.form(self.place(entry, true), has_two));
            self.open[index] = hash << START_BITS | (entry & START);
        }
        self.open[first..].sort_unstable();
        let mut from = first;
        while from < self.open.len() {
            let hash = self.open[from] >> START_BITS;
            let run = self.open[from..].iter().take_while(|entry| **entry >> START_BITS == hash).count();
            if let Some(place) = self.pair(from..from + run, false, has_two) {
                return Some(place);
            }
            from += run;
        }
        None
    }
}

/// A name without its quotes, escapes decoded. A lone surrogate is no text, and part of a name all the same.
fn decoded(quoted: &str) -> Cow<'_, [u8]> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if inner.as_bytes().contains(&b'\\')
        && let Some(name) = json_read::name(quoted)
    {
        return Cow::Owned(name);
    }
    Cow::Borrowed(inner.as_bytes())
}

/// As much of a name as an error shows.
pub(super) fn shown(name: &[u8]) -> String {
    let mut name = String::from_utf8_lossy(name).into_owned();
    if let Some((end, _)) = name.char_indices().nth(SHOWN) {
        name.truncate(end);
        name.push('…');
    }
    name
}

#[cfg(test)]
#[path = "repeated_tests.rs"]
mod tests;
