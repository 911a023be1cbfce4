//! The pass over the JSON of frames: which strings count, and how long they are when their escapes are decoded.

use super::{
    Content, ContentMap, Kind, Marked, ROOT, Role,
    retold::Retold,
    state::{Escape, Open, Text},
};

/// A nest of objects and arrays that is deeper than this holds nothing that counts.
const DEEPEST: usize = 24;
/// A name or a mark that is longer than this is none that is known.
const LONGEST_WORD: usize = 64;

/// The pass over one frame after the other.
#[derive(Debug)]
pub(crate) struct ContentScan {
    map: &'static ContentMap,
    open: Vec<Open>,
    /// How deep the nest is whose inside nobody tells apart; its kind where its bytes count.
    nest: u64,
    nest_counts: Option<Kind>,
    /// Its role, as long as nothing has come of a nest of which it matters whether it is empty.
    bare: Option<Role>,
    /// A string is open.
    text: Option<Text>,
    escape: Escape,
    /// The next string is a name.
    is_name_due: bool,
    /// The name that was read last, or the mark.
    word: Vec<u8>,
    /// What the value is that comes next, in an object.
    due: Role,
    /// The word or number of a mark is being read.
    in_mark: bool,
    mark: Marked,
    /// Bytes of this frame, by kind.
    bytes: [u64; 4],
    /// Pieces of it that are no text: of the reply, of the thinking.
    opaque: [u64; 2],
    /// It was counted as one with content: of the reply, of the thinking.
    noted: [bool; 2],
    /// What was told until now, some of it perhaps twice.
    retold: Retold,
    counted: Content,
}

impl ContentScan {
    pub(super) fn new(map: &'static ContentMap) -> Self {
        Self {
            map,
            open: Vec::new(),
            nest: 0,
            nest_counts: None,
            bare: None,
            text: None,
            escape: Escape::None,
            is_name_due: false,
            word: Vec::new(),
            due: Role::Node(ROOT),
            in_mark: false,
            mark: Marked::Visible,
            bytes: [0; 4],
            opaque: [0; 2],
            noted: [false; 2],
            retold: Retold::default(),
            counted: Content::default(),
        }
    }

    /// Takes note of more of the document.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += if self.text.is_some() {
                self.in_text(&bytes[at..])
            } else if self.nest > 0 {
                self.in_nest(&bytes[at..])
            } else {
                self.structure(bytes[at]);
                1
            };
        }
    }

    /// The frame has ended, however it was written.
    pub(super) fn end_frame(&mut self) {
        self.close_frame();
        self.open.clear();
        (self.nest, self.nest_counts, self.text, self.escape) = (0, None, None, Escape::None);
        self.bare = None;
        (self.is_name_due, self.in_mark, self.due) = (false, false, Role::Node(ROOT));
        self.mark = Marked::Visible;
    }

    /// What was counted since this was asked last.
    pub(super) fn take(&mut self) -> Content {
        self.note_frame();
        std::mem::take(&mut self.counted)
    }

    /// Nothing more comes of the frame.
    fn close_frame(&mut self) {
        self.note_frame();
        self.noted = [false; 2];
        self.retold.end_frame();
    }

    fn note_frame(&mut self) {
        self.note_marked();
        let [visible, reasoning, again, _] = std::mem::take(&mut self.bytes);
        let [seen, thought] = std::mem::take(&mut self.opaque);
        let [visible, reasoning, seen, thought] = self.retold.news([visible, reasoning.max(again), seen, thought]);
        let counted = &mut self.counted;
        let sides = [(&mut counted.visible, visible, seen), (&mut counted.reasoning, reasoning, thought)];
        for ((amount, bytes, opaque), noted) in sides.into_iter().zip(&mut self.noted) {
            if bytes > 0 || opaque > 0 {
                let is_first = !std::mem::replace(noted, true);
                amount.frames = amount.frames.saturating_add(u64::from(is_first));
                amount.bytes = amount.bytes.saturating_add(bytes);
            }
        }
    }

    /// What depends on a mark is what the mark says.
    fn note_marked(&mut self) {
        let bytes = std::mem::take(&mut self.bytes[Kind::Marked as usize]);
        match self.mark {
            Marked::Visible => self.count(Kind::Visible, bytes),
            Marked::Reasoning => self.count(Kind::Reasoning, bytes),
            Marked::Opaque if bytes > 0 => self.note_opaque(Kind::Visible),
            Marked::Opaque | Marked::Nothing => {}
        }
    }

    fn note_opaque(&mut self, kind: Kind) {
        let pieces = &mut self.opaque[usize::from(matches!(kind, Kind::Reasoning | Kind::ReasoningAgain))];
        *pieces = pieces.saturating_add(1);
    }

    fn count(&mut self, kind: Kind, bytes: u64) {
        let counted = &mut self.bytes[kind as usize];
        *counted = counted.saturating_add(bytes);
    }

    /// What the value that begins now is.
    fn role(&self) -> Role {
        match self.open.last() {
            Some(Open { role, is_object: false }) => *role,
            _ => self.due,
        }
    }

    /// A byte outside of strings.
    fn structure(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'"' if self.is_name_due => {
                self.word.clear();
                self.text = Some(Text::Name);
            }
            b'"' => {
                self.text = Some(match self.role() {
                    Role::Text(kind) | Role::TextOr(kind, _) | Role::Value(kind) | Role::Filled(kind) => {
                        Text::Counts(kind)
                    }
                    Role::Opaque(kind) => Text::Opaque(kind),
                    Role::Mark => {
                        self.word.clear();
                        Text::Mark
                    }
                    Role::Node(_) | Role::Skip => Text::Nothing,
                });
            }
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => self.close(),
            b':' => {
                self.is_name_due = false;
                if let Some(Open { role: Role::Node(node) | Role::TextOr(_, node), .. }) = self.open.last() {
                    self.due = self.map.role(*node, &self.word);
                    if *node == ROOT && !self.map.retold.is_empty() {
                        self.retold.set_level(self.map.retold(&self.word));
                    }
                }
            }
            b',' => {
                self.end_mark();
                self.is_name_due = self.open.last().is_some_and(|open| open.is_object);
            }
            _ => {
                if self.role() == Role::Mark {
                    if !std::mem::replace(&mut self.in_mark, true) {
                        self.word.clear();
                    }
                    self.note_word(&[byte]);
                }
            }
        }
    }

    fn open(&mut self, is_object: bool) {
        let role = self.role();
        let is_deep = self.open.len() >= DEEPEST;
        match role {
            Role::Node(_) | Role::TextOr(..) if !is_deep => {
                if let (Role::Node(node) | Role::TextOr(_, node), true) = (role, is_object)
                    && self.map.marked.contains(&node)
                {
                    self.mark = Marked::Visible;
                }
                self.open.push(Open { role, is_object });
                self.is_name_due = is_object;
            }
            _ => {
                self.nest = 1;
                self.nest_counts = match role {
                    Role::Value(kind) => Some(kind),
                    _ => None,
                };
                self.bare = matches!(role, Role::Filled(_) | Role::Opaque(_)).then_some(role);
                // Its brackets are a part of it.
                self.count_nest(1);
            }
        }
    }

    fn close(&mut self) {
        self.end_mark();
        self.is_name_due = false;
        if let Some(Open { role: Role::Node(node) | Role::TextOr(_, node), is_object: true }) = self.open.pop() {
            if self.map.marked.contains(&node) {
                self.note_marked();
                self.mark = Marked::Visible;
            }
            if node == ROOT {
                self.close_frame();
                self.due = Role::Node(ROOT);
            }
        }
    }

    /// Goes on in a nest that is not told apart; how many bytes were read of it.
    fn in_nest(&mut self, bytes: &[u8]) -> usize {
        if let Some(role) = self.bare {
            let Some(found) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else { return bytes.len() };
            self.bare = None;
            let is_empty = matches!(bytes[found], b'}' | b']');
            match role {
                Role::Filled(kind) if !is_empty => {
                    self.nest_counts = Some(kind);
                    // Its first bracket, and the last one comes.
                    self.count_nest(1);
                }
                Role::Opaque(kind) if !is_empty => self.note_opaque(kind),
                _ => {}
            }
            return found + self.in_nest(&bytes[found..]);
        }
        let found = bytes.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'));
        let Some(found) = found else {
            self.count_nest(bytes.len());
            return bytes.len();
        };
        self.count_nest(found + 1);
        match bytes[found] {
            b'"' => self.text = Some(Text::Nothing),
            b'{' | b'[' => self.nest = self.nest.saturating_add(1),
            _ => {
                self.nest -= 1;
                if self.nest == 0 {
                    self.nest_counts = None;
                }
            }
        }
        found + 1
    }

    fn count_nest(&mut self, bytes: usize) {
        if let Some(kind) = self.nest_counts {
            self.count(kind, bytes as u64);
        }
    }

    /// Goes on in a string; how many bytes were read of it.
    fn in_text(&mut self, bytes: &[u8]) -> usize {
        let read = match self.escape {
            Escape::None => {
                let found = memchr::memchr2(b'"', b'\\', bytes);
                let plain = found.unwrap_or(bytes.len());
                self.note_text(&bytes[..plain]);
                match found.map(|at| bytes[at]) {
                    None => plain,
                    Some(b'"') => {
                        self.count_nest(1);
                        self.end_text();
                        return self.nest_text(plain) + 1;
                    }
                    Some(_) => {
                        self.count_nest(1);
                        self.escape = Escape::Begun;
                        return self.nest_text(plain) + 1;
                    }
                }
            }
            Escape::Begun => {
                let is_unit = bytes[0] == b'u';
                self.escape = if is_unit { Escape::Unit(0, 0) } else { Escape::None };
                if !is_unit {
                    self.note_text(&bytes[..1]);
                }
                1
            }
            Escape::Unit(digits, value) => {
                let digit = char::from(bytes[0]).to_digit(16).unwrap_or(0);
                let value = value << 4 | u16::try_from(digit).unwrap_or(0);
                self.escape = if digits == 3 { Escape::None } else { Escape::Unit(digits + 1, value) };
                if digits == 3 {
                    self.note_unit(value);
                }
                1
            }
        };
        self.nest_text(read)
    }

    /// In a nest whose bytes count, those of its strings do as they are written.
    fn nest_text(&mut self, read: usize) -> usize {
        self.count_nest(read);
        read
    }

    fn note_text(&mut self, text: &[u8]) {
        match self.text {
            Some(Text::Counts(kind)) => self.count(kind, text.len() as u64),
            Some(Text::Opaque(kind)) if !text.is_empty() => {
                self.note_opaque(kind);
                self.text = Some(Text::Nothing);
            }
            Some(Text::Name | Text::Mark) => self.note_word(text),
            Some(Text::Opaque(_) | Text::Nothing) | None => {}
        }
    }

    /// An escaped UTF-16 code unit: as long as what it is in UTF-8, a pair with its first half.
    fn note_unit(&mut self, unit: u16) {
        let length = match unit {
            0..0x80 => 1,
            0x80..0x800 => 2,
            0xd800..0xdc00 => 4,
            0xdc00..0xe000 => 0,
            _ => 3,
        };
        match self.text {
            Some(Text::Counts(kind)) => self.count(kind, length),
            Some(Text::Opaque(kind)) => {
                self.note_opaque(kind);
                self.text = Some(Text::Nothing);
            }
            // A name or a mark that is written so is one of ASCII, or none that is known.
            Some(Text::Name | Text::Mark) => self.note_word(&[u8::try_from(unit).unwrap_or(0)]),
            Some(Text::Nothing) | None => {}
        }
    }

    fn note_word(&mut self, text: &[u8]) {
        let room = LONGEST_WORD.saturating_sub(self.word.len());
        self.word.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn end_text(&mut self) {
        if self.text.take() == Some(Text::Mark) {
            self.read_mark();
        }
    }

    fn read_mark(&mut self) {
        self.mark = (self.map.mark)(&self.word);
        if self.open.len() == 1 {
            self.retold.set_retelling((self.map.retelling)(&self.word));
        }
    }

    /// A word or number of a mark has ended.
    fn end_mark(&mut self) {
        if std::mem::take(&mut self.in_mark) {
            self.read_mark();
        }
    }
}
