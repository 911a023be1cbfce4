//! Follows a JSON document as its pieces arrive, however long it is: is it whole, and what stands in a few of its members?
//!
//! One forward pass by place, which leaves a small copy of the document: only the members with wanted names, in the objects
//! that are wanted themselves. What read the document reads the copy in its stead, and finds the same in the same places.
//! Memory is bounded by [`LARGEST_COPY`], time is linear in what arrives.

use std::borrow::Cow;

use super::{json_members::quote_or_escape, spelling::camel};

/// A copy larger than this is given up.
pub(super) const LARGEST_COPY: usize = 64 << 10;
/// A text longer than this is empty in the copy: no word that matters is so long.
pub(super) const LONGEST_TEXT: usize = 1 << 10;
/// The longest spelling of a name that can be a wanted one; each character may be an escape of six bytes.
const LONGEST_NAME: usize = 192;
/// The deepest nest in the copy; what is deeper is `null` there.
pub(super) const DEEPEST: u32 = 16;

/// Members of these names are copied with all that is in them.
pub(super) const WHOLE: [&str; 3] = ["usage", "usageMetadata", "error"];

/// Bytes that open, close and quote.
const STRUCTURE: u8 = 1;
/// Bytes that part members.
const MEMBERS: u8 = 2;
/// What each byte means outside of a string.
const MEANING: [u8; 256] = {
    let mut meaning = [0; 256];
    let mut at = 0;
    while at < 6 {
        meaning[b"\"{}[]\""[at] as usize] = STRUCTURE;
        at += 1;
    }
    meaning[b':' as usize] = MEMBERS;
    meaning[b',' as usize] = MEMBERS;
    meaning
};

/// Where the scan stands in the innermost object or array that is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before a name.
    Name,
    /// Behind a name, before its colon.
    Colon,
    /// Before a value that is copied, or in its text.
    Wanted,
    /// In a number or a word that is copied.
    Scalar,
    /// In a value that is not copied, or behind one.
    Other,
}

/// The scan of one document.
#[derive(Debug)]
pub struct JsonScan {
    names: &'static [&'static str],
    /// How many objects and arrays are open.
    depth: u64,
    /// How many of them are copied: the outermost ones.
    copied: u32,
    /// One bit for each of those, the innermost lowest: set for an object.
    kinds: u32,
    /// How many of them were copied where all that is within began to be.
    whole_from: Option<u32>,
    in_string: bool,
    escaped: bool,
    begun: bool,
    position: Position,
    name: Vec<u8>,
    copy: Vec<u8>,
    /// Where in the copy the text begins that is being copied.
    text: usize,
    text_is_long: bool,
    given_up: bool,
}

impl JsonScan {
    /// A scan that copies the members with these names.
    pub fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            depth: 0,
            copied: 0,
            kinds: 0,
            whole_from: None,
            in_string: false,
            escaped: false,
            begun: false,
            position: Position::Other,
            name: Vec::new(),
            copy: Vec::new(),
            text: 0,
            text_is_long: false,
            given_up: false,
        }
    }

    /// Takes note of a piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut at = 0;
        if !self.begun {
            self.begun = piece.iter().any(|byte| !byte.is_ascii_whitespace());
        }
        loop {
            if self.in_string {
                let text = at;
                at = self.string(piece, at);
                if self.is_followed() {
                    self.note_text(&piece[text..at]);
                }
            }
            let meaning = if self.is_followed() { STRUCTURE | MEMBERS } else { STRUCTURE };
            let rest = piece.get(at..).unwrap_or_default();
            let skipped = rest.iter().position(|byte| MEANING[usize::from(*byte)] & meaning != 0);
            if matches!(self.position, Position::Wanted | Position::Scalar) && self.is_followed() {
                self.copy_scalar(&rest[..skipped.unwrap_or(rest.len())]);
            }
            let Some(skipped) = skipped else { break };
            at += skipped;
            match piece[at] {
                b'"' => self.open_string(),
                b'{' | b'[' => self.open(piece[at] == b'{'),
                bracket @ (b'}' | b']') => self.close(bracket),
                b':' => {
                    if self.position == Position::Colon {
                        self.name_ended();
                    }
                }
                _comma => {
                    self.position = if self.kinds & 1 == 1 { Position::Name } else { Position::Wanted };
                    self.value_ended();
                }
            }
            at += 1;
        }
    }

    /// True directly in an object or array that is copied.
    fn is_followed(&self) -> bool {
        self.copied > 0 && self.depth == u64::from(self.copied)
    }

    /// Goes on in a string from `at`; the place behind what was read of it, its quote included.
    fn string(&mut self, piece: &[u8], mut at: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            at += 1;
        }
        while let Some(more) = piece.get(at..).and_then(quote_or_escape) {
            at += more + 1;
            if piece[at - 1] == b'"' {
                self.in_string = false;
                return at;
            }
            // The escaped character is no end, whatever it is; it may be the next piece's first.
            if at == piece.len() {
                self.escaped = true;
                return at;
            }
            at += 1;
        }
        piece.len()
    }

    fn open_string(&mut self) {
        self.in_string = true;
        if !self.is_followed() {
            return;
        }
        match self.position {
            Position::Name => self.name.clear(),
            Position::Wanted => {
                self.begin_value();
                self.copy.push(b'"');
                (self.text, self.text_is_long) = (self.copy.len(), false);
            }
            Position::Colon | Position::Scalar | Position::Other => {}
        }
    }

    /// A part of a name or of a text, with its quote where it ends.
    fn note_text(&mut self, text: &[u8]) {
        match self.position {
            Position::Name => {
                // Whatever is longer than this is not a wanted one, and need not be known to its end.
                let room = LONGEST_NAME.saturating_sub(self.name.len());
                self.name.extend_from_slice(&text[..text.len().min(room)]);
                if !self.in_string {
                    self.position = Position::Colon;
                }
            }
            Position::Wanted => {
                self.text_is_long |= self.copy.len() - self.text + text.len() > LONGEST_TEXT;
                if self.text_is_long {
                    self.copy.truncate(self.text);
                } else {
                    self.copy.extend_from_slice(text);
                }
                if !self.in_string {
                    if self.text_is_long {
                        self.copy.push(b'"');
                    }
                    self.position = Position::Other;
                }
                self.bound();
            }
            Position::Colon | Position::Scalar | Position::Other => {}
        }
    }

    /// An object or an array begins.
    fn open(&mut self, is_object: bool) {
        let is_document = self.depth == 0 && self.copied == 0 && is_object;
        let is_wanted = self.is_followed() && self.position == Position::Wanted;
        self.depth = self.depth.saturating_add(1);
        if !(is_document || is_wanted) {
            return;
        }
        self.begin_value();
        if self.copied == DEEPEST || self.given_up {
            self.copy.extend_from_slice(b"null");
            self.position = Position::Other;
            return;
        }
        self.copied += 1;
        self.kinds = self.kinds << 1 | u32::from(is_object);
        self.copy.push(if is_object { b'{' } else { b'[' });
        self.position = if is_object { Position::Name } else { Position::Wanted };
    }

    fn close(&mut self, bracket: u8) {
        if self.is_followed() {
            self.copy.push(bracket);
            self.bound();
            self.copied -= 1;
            self.kinds >>= 1;
            self.position = Position::Other;
            self.value_ended();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// All that was within a member has been copied, where that is where it ends.
    fn value_ended(&mut self) {
        if self.whole_from.is_some_and(|from| self.copied <= from) {
            self.whole_from = None;
        }
    }

    /// The value of the member begins whose name was just read.
    fn name_ended(&mut self) {
        self.position = Position::Other;
        let Some(name) = self.name.strip_suffix(b"\"") else { return };
        let decoded;
        let name = if name.contains(&b'\\') {
            let quoted = [b"\"", self.name.as_slice()].concat();
            let Ok(text) = serde_json::from_slice::<String>(&quoted) else { return };
            decoded = text;
            decoded.as_bytes()
        } else {
            name
        };
        // Google's names have two spellings; whoever reads the copy knows whether both count.
        let form = camel(Cow::Borrowed(name));
        let is = |other: &&str| other.as_bytes() == name || other.as_bytes() == form.as_ref();
        if self.whole_from.is_none() {
            if !self.names.iter().any(is) {
                return;
            }
            if WHOLE.iter().any(is) {
                self.whole_from = Some(self.copied);
            }
        }
        self.begin_value();
        self.copy.push(b'"');
        self.copy.extend_from_slice(&self.name);
        self.copy.push(b':');
        self.position = Position::Wanted;
    }

    /// Parts what comes from what stands before it.
    fn begin_value(&mut self) {
        if !matches!(self.copy.last(), None | Some(b'{' | b'[' | b':')) {
            self.copy.push(b',');
        }
    }

    /// Numbers and words; their white space is of no account.
    fn copy_scalar(&mut self, bytes: &[u8]) {
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return;
        }
        if self.position == Position::Wanted {
            self.begin_value();
            self.position = Position::Scalar;
        }
        self.copy.extend_from_slice(text);
        self.bound();
    }

    fn bound(&mut self) {
        if self.copy.len() > LARGEST_COPY {
            self.given_up = true;
        }
        if self.given_up {
            self.copy.clear();
            self.text = 0;
        }
    }

    /// The copy, as far as the document has come; none inside of a member that is copied, where the copy has grown too large,
    /// and where the document is no object.
    pub fn copy(&self) -> Option<Cow<'_, str>> {
        let copy = std::str::from_utf8(&self.copy).ok().filter(|copy| !copy.is_empty() && !self.given_up)?;
        match self.copied {
            0 => Some(Cow::Borrowed(copy)),
            1 if !matches!(self.position, Position::Wanted | Position::Scalar) => Some(Cow::Owned(format!("{copy}}}"))),
            _ => None,
        }
    }

    /// True where everything that was opened is closed.
    pub fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

#[cfg(test)]
#[path = "json_scan_tests.rs"]
mod tests;
