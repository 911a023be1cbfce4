//! The members of one JSON object in one quick pass that checks all of it (RFC 8259).
//!
//! Quick because texts, which are most of every request, are searched and not read byte by byte. It gives up (`None`) on
//! whatever is rare: a name that is spelt with escapes, a nest deeper than [`DEEPEST`], and anything that is no JSON.
//! Callers then ask serde_json, which is slower, takes everything, and has words for what is wrong. What this pass takes
//! serde_json takes too, and sees the same in it; a property test holds them together.

use std::ops::Range;

use memchr::{memchr2, memmem};

/// How far from the end of a document its last members usually begin.
const NEAR_THE_END: usize = 256;

/// The deepest nest that is followed here.
const DEEPEST: u32 = 127;

/// Shows `visit` the name of each member, without its quotes, and where its value stands in `bytes`.
pub fn visit_members<'a>(bytes: &'a [u8], visit: impl FnMut(&'a [u8], Range<usize>)) -> Option<()> {
    visit_all_names(bytes, visit, |_| ())
}

/// A member's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    /// As it stands there, without its quotes.
    pub(super) spelt: &'a [u8],
    /// No escape is in it.
    pub(super) is_plain: bool,
}

/// The same, and shows `within` the names of all members of what is deeper.
pub(super) fn visit_all_names<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(&'a [u8], Range<usize>),
    mut within: impl FnMut(Name<'_>),
) -> Option<()> {
    let mut at = space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at = space(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return (space(bytes, at + 1) == bytes.len()).then_some(());
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = string(bytes, at + 1)?;
        let name = &bytes[at + 1..end - 1];
        if name.contains(&b'\\') {
            return None;
        }
        at = space(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let begin = space(bytes, at + 1);
        let end = value_and_names(bytes, begin, &mut within)?;
        visit(name, begin..end);
        at = space(bytes, end);
        match bytes.get(at)? {
            b',' => at = space(bytes, at + 1),
            b'}' => return (space(bytes, at + 1) == bytes.len()).then_some(()),
            _ => return None,
        }
    }
}

/// Shows `visit` where each value of an array stands in `bytes`.
pub fn visit_elements(bytes: &[u8], mut visit: impl FnMut(Range<usize>)) -> Option<()> {
    let mut at = space(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    at = space(bytes, at + 1);
    if bytes.get(at) == Some(&b']') {
        return (space(bytes, at + 1) == bytes.len()).then_some(());
    }
    loop {
        let end = value(bytes, at)?;
        visit(at..end);
        at = space(bytes, end);
        match bytes.get(at)? {
            b',' => at = space(bytes, at + 1),
            b']' => return (space(bytes, at + 1) == bytes.len()).then_some(()),
            _ => return None,
        }
    }
}

/// The value of the last of the object's own members whose name, in its quotes, `finder` looks for. Only what stands
/// behind that name is read: a document that ends as an object does right after some members must have had them at its
/// top. Gives up where the name's last place is deeper, and on whatever [`visit_members`] gives up on.
pub fn last_member<'a>(document: &'a [u8], finder: &memmem::Finder<'_>) -> Option<&'a [u8]> {
    let name = last_place(document, finder)?;
    let colon = space(document, name + finder.needle().len());
    if document.get(colon) != Some(&b':') {
        return None;
    }
    let begin = space(document, colon + 1);
    let end = value(document, begin)?;
    let mut at = space(document, end);
    while document.get(at) == Some(&b',') {
        at = name_and_colon(document, space(document, at + 1), &mut |_| ())?;
        at = space(document, value(document, at)?);
    }
    let is_top = document.get(at) == Some(&b'}') && space(document, at + 1) == document.len();
    is_top.then(|| &document[begin..end])
}

/// The last place of what `finder` looks for. It is nearly always near the end, and a search forward from there is quicker
/// than any search back.
fn last_place(document: &[u8], finder: &memmem::Finder<'_>) -> Option<usize> {
    let near = document.len().saturating_sub(NEAR_THE_END);
    let last = |from: usize| finder.find_iter(&document[from..]).last().map(|at| from + at);
    last(near).or_else(|| last(0))
}

/// Behind the white space that begins at `at`.
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the string whose text begins at `at`.
pub(super) fn string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += special(bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            // A control character.
            _ => return None,
        }
    }
}

/// Where the next quote, backslash or control character stands.
fn special(bytes: &[u8]) -> Option<usize> {
    if let Some(near) = near(bytes, |word| equal(word, b'"') | equal(word, b'\\') | control(word)) {
        return Some(near);
    }
    let far = bytes.get(NEAR..)?;
    let end = memchr2(b'"', b'\\', far)?;
    // A minimum, unlike a search, is made of many bytes at once.
    let least = far[..end].iter().fold(u8::MAX, |least, byte| least.min(*byte));
    let at = if least < b' ' { far.iter().position(|byte| *byte < b' ')? } else { end };
    Some(NEAR + at)
}

/// Where the next quote or backslash stands.
pub(super) fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    near(bytes, |word| equal(word, b'"') | equal(word, b'\\'))
        .or_else(|| Some(NEAR + memchr2(b'"', b'\\', bytes.get(NEAR..)?)?))
}

/// Most names and many texts are so short that to call a search would cost more than to look at two words.
const NEAR: usize = 16;

/// Where `find` finds something in the first [`NEAR`] bytes; it marks bytes of a word by their highest bit, the first
/// of them surely.
fn near(bytes: &[u8], find: impl Fn(u64) -> u64) -> Option<usize> {
    let mut at = 0;
    while at < NEAR {
        let rest = bytes.get(at..)?;
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                let mut last = [b'x'; 8];
                last.get_mut(..rest.len())?.copy_from_slice(rest);
                u64::from_le_bytes(last)
            }
        };
        let found = find(word);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    None
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes that are `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (EACH * u64::from(byte));
    zero.wrapping_sub(EACH) & !zero & HIGH
}

/// Marks the bytes below a space.
fn control(word: u64) -> u64 {
    word.wrapping_sub(EACH * u64::from(b' ')) & !word & HIGH
}

/// Behind the value that begins at `at`.
fn value(bytes: &[u8], at: usize) -> Option<usize> {
    value_and_names(bytes, at, &mut |_| ())
}

/// The same; `within` is shown the names of all members on the way, as they are spelt.
fn value_and_names(bytes: &[u8], mut at: usize, within: &mut impl FnMut(Name<'_>)) -> Option<usize> {
    // One bit a level: set for an object.
    let (mut nest, mut depth) = (0_u128, 0_u32);
    loop {
        // Here a value is due.
        match bytes.get(at)? {
            b'"' => at = string(bytes, at + 1)?,
            b'{' => {
                at = space(bytes, at + 1);
                if bytes.get(at)? == &b'}' {
                    at += 1;
                } else {
                    (nest, depth) = (nest << 1 | 1, depth + 1);
                    at = name_and_colon(bytes, at, within)?;
                    if depth > DEEPEST {
                        return None;
                    }
                    continue;
                }
            }
            b'[' => {
                at = space(bytes, at + 1);
                if bytes.get(at)? == &b']' {
                    at += 1;
                } else {
                    (nest, depth) = (nest << 1, depth + 1);
                    if depth > DEEPEST {
                        return None;
                    }
                    continue;
                }
            }
            b't' => at = literal(bytes, at, b"true")?,
            b'f' => at = literal(bytes, at, b"false")?,
            b'n' => at = literal(bytes, at, b"null")?,
            _ => at = number(bytes, at)?,
        }
        // Here a value has ended, and perhaps what it stands in.
        loop {
            if depth == 0 {
                return Some(at);
            }
            at = space(bytes, at);
            let in_object = nest & 1 == 1;
            match bytes.get(at)? {
                b',' => {
                    at = space(bytes, at + 1);
                    if in_object {
                        at = name_and_colon(bytes, at, within)?;
                    }
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ => return None,
            }
            (nest, depth) = (nest >> 1, depth - 1);
            at += 1;
        }
    }
}

/// Behind a name, its colon, and the space before its value.
fn name_and_colon(bytes: &[u8], at: usize, within: &mut impl FnMut(Name<'_>)) -> Option<usize> {
    if bytes.get(at)? != &b'"' {
        return None;
    }
    let first = at + 1 + special(bytes.get(at + 1..)?)?;
    let is_plain = bytes[first] == b'"';
    let end = if is_plain { first + 1 } else { string(bytes, first)? };
    within(Name { spelt: &bytes[at + 1..end - 1], is_plain });
    let at = space(bytes, end);
    (bytes.get(at)? == &b':').then(|| space(bytes, at + 1))
}

fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes[at..].starts_with(word).then_some(at + word.len())
}

/// Behind the number that begins at `at` (RFC 8259 §6).
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |mut at: usize| -> Option<usize> {
        let begin = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > begin).then_some(at)
    };
    if bytes.get(at)? == &b'-' {
        at += 1;
    }
    at = if bytes.get(at)? == &b'0' { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    }
    Some(at)
}

#[cfg(test)]
#[path = "json_members_tests.rs"]
mod tests;
