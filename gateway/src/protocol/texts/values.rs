//! JSON that stands within a text and comes in pieces: the string values in it, each a text of its own.
//!
//! As far as the text is JSON, its string values are texts, escapes decoded; names, numbers and words are none. From the first
//! character on with which it is none, the rest is one text. Read leniently within strings: a control character or an escape
//! that is none stands for itself, as many readers have it.

use std::ops::Range;

use super::literal::{Spelt, pair, simple};

/// A nest that is deeper than this is taken for no JSON.
const DEEPEST: usize = 1024;

/// Where in the grammar the last character stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value is due; the array may end instead.
    Value { may_end: bool },
    /// A name is due; the object may end instead.
    Name { may_end: bool },
    /// A colon is due.
    Colon,
    /// A comma or an end is due.
    Behind,
    /// In a number or a word.
    Word,
    /// In a string.
    Text,
    /// Behind a backslash.
    Escape,
    /// Behind so many digits of an escaped code unit.
    Unit(u8, u16),
    /// It is no JSON any more.
    Rest,
}

/// What is told of it.
#[derive(Debug)]
pub(super) enum Told {
    /// A text begins or goes on.
    Text(Spelt),
    /// It has ended.
    End,
}

/// The JSON as far as it has come.
#[derive(Debug)]
pub(super) struct Values {
    state: State,
    /// Whether each open nest is an object.
    open: Vec<bool>,
    /// The string is a name.
    is_name: bool,
    /// What an escape that has not ended is written in.
    places: Vec<Range<usize>>,
    /// The first half of a pair whose second half may follow, and what it is written in.
    high: Option<(u16, Vec<Range<usize>>)>,
    /// The word or number that has not ended.
    word: Spelt,
}

impl Values {
    pub(super) fn new() -> Self {
        Self {
            state: State::Value { may_end: false },
            open: Vec::new(),
            is_name: false,
            places: Vec::new(),
            high: None,
            word: Spelt::default(),
        }
    }

    /// Where something begins that may be a part of a text and is not told yet.
    pub(super) fn untold(&self) -> Option<usize> {
        let high = self.high.as_ref().and_then(|(_, places)| places.first());
        let word = self.word.runs.first().map(|run| run.at);
        high.or(self.places.first()).map(|place| place.start).or(word)
    }

    /// Takes a piece; tells what it has of texts.
    pub(super) fn push(&mut self, piece: &Spelt) -> Vec<Told> {
        let (mut told, mut now) = (Vec::new(), Spelt::default());
        let mut before = None;
        for run in &piece.runs {
            if run.length == 0 {
                now.add_rest(before, run);
                continue;
            }
            before = Some(run.at);
            let text = &piece.text[run.text..run.text + run.length];
            if run.is_plain {
                self.push_plain(text, run.at, &mut now, &mut told);
            } else if let Some(c) = text.chars().next() {
                self.step(Char { c, at: run.at..run.at + run.spelt, is_plain: false }, &mut now, &mut told);
            }
        }
        flush(&mut now, &mut told);
        told
    }

    /// Nothing follows: what was not told yet.
    pub(super) fn finish(&mut self) -> Vec<Told> {
        let (mut told, mut now) = (Vec::new(), Spelt::default());
        self.give_up_high(&mut now);
        self.places.clear();
        self.word = Spelt::default();
        flush(&mut now, &mut told);
        told
    }

    fn push_plain(&mut self, text: &str, at: usize, now: &mut Spelt, told: &mut Vec<Told>) {
        let mut from = 0;
        while let Some(c) = text[from..].chars().next() {
            let rest = &text[from..];
            let length = match self.state {
                State::Rest => rest.len(),
                State::Text if self.high.is_none() => {
                    memchr::memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len())
                }
                _ => 0,
            };
            if length > 0 {
                if !self.is_name {
                    now.add_plain(&rest[..length], at + from);
                }
                from += length;
                continue;
            }
            let begin = at + from;
            from += c.len_utf8();
            self.step(Char { c, at: begin..at + from, is_plain: true }, now, told);
        }
    }

    fn step(&mut self, read: Char, now: &mut Spelt, told: &mut Vec<Told>) {
        match self.state {
            State::Text => self.in_text(&read, now, told),
            State::Escape => {
                self.places.push(read.at.clone());
                if read.c == 'u' {
                    self.state = State::Unit(0, 0);
                    return;
                }
                self.state = State::Text;
                self.give_up_high(now);
                let places = std::mem::take(&mut self.places);
                match u8::try_from(read.c).ok().and_then(simple) {
                    _ if self.is_name => {}
                    Some(c) => now.add_char(c, &places),
                    None => {
                        now.add_char('\\', &places[..places.len() - 1]);
                        read.add_to(now);
                    }
                }
            }
            State::Unit(digits, value) => {
                let Some(digit) = read.c.to_digit(16).and_then(|digit| u16::try_from(digit).ok()) else {
                    // It is no escape after all.
                    self.state = State::Text;
                    self.give_up_high(now);
                    let places = std::mem::take(&mut self.places);
                    self.add(char::REPLACEMENT_CHARACTER, &places, now);
                    return self.in_text(&read, now, told);
                };
                self.places.push(read.at);
                let value = value << 4 | digit;
                if digits < 3 {
                    self.state = State::Unit(digits + 1, value);
                } else {
                    self.state = State::Text;
                    self.end_unit(value, now);
                }
            }
            State::Rest => read.add_to(now),
            _ => self.structure(&read, now),
        }
    }

    fn in_text(&mut self, read: &Char, now: &mut Spelt, told: &mut Vec<Told>) {
        match read.c {
            '\\' => {
                self.state = State::Escape;
                self.places.push(read.at.clone());
            }
            '"' => {
                self.give_up_high(now);
                if self.is_name {
                    self.state = State::Colon;
                } else {
                    self.state = State::Behind;
                    flush(now, told);
                    told.push(Told::End);
                }
            }
            _ => {
                self.give_up_high(now);
                if !self.is_name {
                    read.add_to(now);
                }
            }
        }
    }

    fn end_unit(&mut self, unit: u16, now: &mut Spelt) {
        let mut places = std::mem::take(&mut self.places);
        if let Some((high, before)) = self.high.take() {
            if let Some(c) = pair(high, unit) {
                let all = [before, places].concat();
                return self.add(c, &all, now);
            }
            self.add(char::REPLACEMENT_CHARACTER, &before, now);
        }
        match char::from_u32(u32::from(unit)) {
            Some(c) => self.add(c, &places, now),
            None if unit < 0xdc00 => self.high = Some((unit, std::mem::take(&mut places))),
            None => self.add(char::REPLACEMENT_CHARACTER, &places, now),
        }
    }

    /// The second half of a pair does not follow.
    fn give_up_high(&mut self, now: &mut Spelt) {
        if let Some((_, places)) = self.high.take() {
            self.add(char::REPLACEMENT_CHARACTER, &places, now);
        }
    }

    fn add(&self, c: char, places: &[Range<usize>], now: &mut Spelt) {
        if !self.is_name {
            now.add_char(c, places);
        }
    }

    /// A character outside of strings.
    fn structure(&mut self, read: &Char, now: &mut Spelt) {
        if self.state == State::Word {
            let goes_on = read.c.is_ascii_alphanumeric() || matches!(read.c, '+' | '-' | '.');
            if goes_on {
                read.add_to(&mut self.word);
                if !is_word_or_number(&self.word.text) {
                    self.give_up(None, now);
                }
                return;
            }
            self.word = Spelt::default();
            self.state = State::Behind;
        }
        let c = read.c;
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            return;
        }
        let is_object = self.open.last().copied();
        match (self.state, c) {
            (State::Value { .. }, '"') => (self.state, self.is_name) = (State::Text, false),
            (State::Value { .. }, '{' | '[') if self.open.len() < DEEPEST => {
                self.open.push(c == '{');
                self.state = if c == '{' { State::Name { may_end: true } } else { State::Value { may_end: true } };
            }
            // A lone number or word is as well a text.
            (State::Value { .. }, '-' | '0'..='9' | 't' | 'f' | 'n') if is_object.is_some() => {
                self.state = State::Word;
                read.add_to(&mut self.word);
            }
            (State::Name { .. }, '"') => (self.state, self.is_name) = (State::Text, true),
            (State::Colon, ':') => self.state = State::Value { may_end: false },
            (State::Behind, ',') if is_object.is_some() => {
                self.state = if is_object == Some(true) {
                    State::Name { may_end: false }
                } else {
                    State::Value { may_end: false }
                };
            }
            (State::Behind | State::Name { may_end: true }, '}') if is_object == Some(true) => self.close(),
            (State::Behind | State::Value { may_end: true }, ']') if is_object == Some(false) => self.close(),
            _ => self.give_up(Some(read), now),
        }
    }

    fn close(&mut self) {
        self.open.pop();
        self.state = State::Behind;
    }

    /// It is no JSON: the word that was read and all that follows is one text.
    fn give_up(&mut self, read: Option<&Char>, now: &mut Spelt) {
        (self.state, self.is_name) = (State::Rest, false);
        *now = std::mem::take(&mut self.word);
        if let Some(read) = read {
            read.add_to(now);
        }
    }
}

/// A character, and where it stands.
#[derive(Clone, Debug)]
struct Char {
    c: char,
    at: Range<usize>,
    is_plain: bool,
}

impl Char {
    fn add_to(&self, text: &mut Spelt) {
        if self.is_plain {
            text.add_plain(self.c.encode_utf8(&mut [0; 4]), self.at.start);
        } else {
            text.add_char(self.c, std::slice::from_ref(&self.at));
        }
    }
}

fn flush(now: &mut Spelt, told: &mut Vec<Told>) {
    if !now.text.is_empty() {
        told.push(Told::Text(std::mem::take(now)));
    }
}

/// True for the beginning of a word that JSON knows, and for what is a number or may become one.
fn is_word_or_number(text: &str) -> bool {
    let is_number =
        || text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    ["true", "false", "null"].iter().any(|word| word.starts_with(text))
        || text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && is_number()
}
