//! A string of JSON, decoded, and where each of its characters stands.

use std::{ops::Range, slice};

/// The halves of a pair (the Unicode Standard, section 3.8).
const HIGH: Range<u16> = 0xd800..0xdc00;
const LOW: Range<u16> = 0xdc00..0xe000;

/// A stretch of a text, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it is in the text.
    pub(super) text: usize,
    /// Its length there; 0 where it is the rest of the character before.
    pub(super) length: usize,
    /// Where it stands.
    pub(super) at: usize,
    /// How long it is there.
    pub(super) spelt: usize,
    /// It stands there as it is; otherwise it is one character.
    pub(super) is_plain: bool,
}

/// A text, and where it stands.
#[derive(Debug, Default)]
pub(super) struct Spelt {
    pub(super) text: String,
    pub(super) runs: Vec<Run>,
    /// Its first character is the second half of a pair, by itself.
    begins_low: Option<u16>,
    /// Its last one is the first half of a pair, by itself.
    ends_high: Option<u16>,
}

/// The first half of a pair whose second one has not come, and where it stands.
#[derive(Debug)]
pub(super) struct Half {
    high: u16,
    pub(super) at: Range<usize>,
}

impl Spelt {
    /// Adds what stands at `at` as it is.
    pub(super) fn add_plain(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        let (begin, length) = (self.text.len(), text.len());
        self.text.push_str(text);
        match self.runs.last_mut() {
            Some(last) if last.is_plain && last.at + last.spelt == at => {
                last.length += length;
                last.spelt += length;
            }
            _ => self.runs.push(Run { text: begin, length, at, spelt: length, is_plain: true }),
        }
    }

    /// Adds a character that is written in these places.
    pub(super) fn add_char(&mut self, c: char, places: &[Range<usize>]) {
        let text = self.text.len();
        self.text.push(c);
        let mut length = c.len_utf8();
        for place in places {
            self.runs.push(Run { text, length, at: place.start, spelt: place.len(), is_plain: false });
            length = 0;
        }
    }

    /// Adds the rest of its last character, where that begins at `first`.
    pub(super) fn add_rest(&mut self, first: Option<usize>, rest: &Run) {
        if let Some(last) = self.runs.iter().rfind(|run| run.length > 0)
            && !last.is_plain
            && first == Some(last.at)
        {
            self.runs.push(Run { text: last.text, ..*rest });
        }
    }

    /// Adds what is between the quotes of a string that is written at `at`. A lone half of a pair is U+FFFD.
    pub(super) fn add_string(&mut self, raw: &str, at: usize) {
        let bytes = raw.as_bytes();
        let is_first = self.text.is_empty();
        let mut from = 0;
        while let Some(escape) = memchr::memchr(b'\\', &bytes[from..]).map(|length| from + length) {
            self.add_plain(&raw[from..escape], at + from);
            let (c, length) = escaped(&bytes[escape..]);
            from = (escape + length).min(bytes.len());
            self.add_char(c, slice::from_ref(&(at + escape..at + from)));
            if c == char::REPLACEMENT_CHARACTER && length == 6 {
                let half = unit(&bytes[escape..]);
                if is_first && escape == 0 {
                    self.begins_low = half.filter(|half| LOW.contains(half));
                }
                self.ends_high = half.filter(|half| from == bytes.len() && HIGH.contains(half));
            }
        }
        self.add_plain(&raw[from..], at + from);
    }

    /// Takes the half of a pair off its end, where one stands there.
    pub(super) fn take_half(&mut self) -> Option<Half> {
        let high = self.ends_high.take()?;
        let run = self.runs.pop()?;
        self.text.truncate(run.text);
        Some(Half { high, at: run.at..run.at + run.spelt })
    }

    /// The same behind a half that stood before it: one character where this begins with the other half.
    pub(super) fn behind(mut self, half: Half) -> Self {
        let mut all = Self { ends_high: self.ends_high.take(), ..Self::default() };
        let mut runs = self.runs.iter();
        let whole = self.begins_low.and_then(|low| pair(half.high, low));
        let skipped = match (whole, self.runs.first()) {
            (Some(c), Some(first)) => {
                all.add_char(c, &[half.at, first.at..first.at + first.spelt]);
                runs.next();
                first.length
            }
            _ => {
                all.add_char(char::REPLACEMENT_CHARACTER, slice::from_ref(&half.at));
                0
            }
        };
        let begin = all.text.len();
        all.runs.extend(runs.map(|run| Run { text: run.text - skipped + begin, ..*run }));
        all.text.push_str(&self.text[skipped..]);
        all
    }

    /// A half whose other one never came.
    pub(super) fn of_half(half: &Half) -> Self {
        let mut all = Self::default();
        all.add_char(char::REPLACEMENT_CHARACTER, slice::from_ref(&half.at));
        all
    }
}

/// The character that an escape is, and the escape's length.
fn escaped(bytes: &[u8]) -> (char, usize) {
    let Some(kind) = bytes.get(1) else { return (char::REPLACEMENT_CHARACTER, 1) };
    if *kind != b'u' {
        return (simple(*kind).unwrap_or(char::REPLACEMENT_CHARACTER), 2);
    }
    let Some(high) = unit(bytes) else { return (char::REPLACEMENT_CHARACTER, 2) };
    let second = bytes.get(6..).filter(|next| next.starts_with(b"\\u")).and_then(unit);
    match (char::from_u32(u32::from(high)), second) {
        (Some(c), _) => (c, 6),
        (None, Some(low)) => pair(high, low).map_or((char::REPLACEMENT_CHARACTER, 6), |c| (c, 12)),
        (None, None) => (char::REPLACEMENT_CHARACTER, 6),
    }
}

fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.get(2..6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The character of an escape that is one letter.
pub(super) fn simple(letter: u8) -> Option<char> {
    Some(match letter {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'"' | b'\\' | b'/' => char::from(letter),
        _ => return None,
    })
}

/// The character of two halves.
pub(super) fn pair(high: u16, low: u16) -> Option<char> {
    char::decode_utf16([high, low]).next()?.ok()
}
