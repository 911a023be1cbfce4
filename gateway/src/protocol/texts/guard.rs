//! A stream on its way through the rules: whole events or elements go on as soon as all texts in them are decided.
//!
//! What is held begins with the first event of which some text is open. Where that gets too much, the stream is blocked, in the
//! name of the rule because of which it is held. Of lines that are no data, names and ids of events are texts, and all others
//! lose theirs: what is left of a comment keeps the connection alive.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    Ends, REPLY, Signed, TextMap,
    document::{is_object, judge, judge_unknown, piece_of, type_of},
    find::{Found, Kind, Texts, texts_of},
    literal::Spelt,
    object::Object,
    tracked::{Block, Desk, Edits, Tracked, judge_whole},
    units::{self, Aside, Data},
};
use crate::{
    content_rules::{Blocked, ContentRules, Scratch},
    protocol::Dialect,
};

/// The most text that is held back, in bytes.
const MOST_HELD: usize = 64 << 10;
/// The most bytes of events in which it stands: room for that much text in the small events in which providers write.
const MOST_EVENTS_HELD: usize = 4 << 20;

/// What of a stream may go on.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Whole events or elements.
    pub(crate) bytes: Bytes,
    /// The rule that blocks what follows: nothing of it goes on.
    pub(crate) blocked: Option<Blocked>,
    /// What of the events that were taken follows, as it came.
    pub(crate) withheld: Bytes,
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Server-sent events.
    Events,
    /// The elements of one JSON array.
    Array,
}

/// A stream on its way.
#[derive(Debug)]
pub(crate) struct ReplyGuard {
    rules: Arc<ContentRules>,
    map: &'static TextMap,
    form: Form,
    scratch: Scratch,
    edits: Edits,
    texts: HashMap<String, Tracked>,
    /// What has not gone on, from `base` on, a place in the stream.
    held: BytesMut,
    base: usize,
    /// Up to here of the stream events are decided.
    decided: usize,
    /// Where events end that are not decided, and how much text is in each; how much in all of them.
    ends: VecDeque<(usize, usize)>,
    text_held: usize,
    is_blocked: bool,
}

impl ReplyGuard {
    /// A stream in this dialect.
    pub(crate) fn new(rules: Arc<ContentRules>, dialect: Dialect, form: Form) -> Self {
        Self {
            rules,
            map: dialect.rules().texts(),
            form,
            scratch: Scratch::default(),
            edits: Edits::new(),
            texts: HashMap::new(),
            held: BytesMut::new(),
            base: 0,
            decided: 0,
            ends: VecDeque::new(),
            text_held: 0,
            is_blocked: false,
        }
    }

    /// Takes whole events, and what stands between them; what may go on of these and of those that were held.
    pub(crate) fn push(&mut self, whole: Bytes) -> Passed {
        self.take(whole, false)
    }

    /// Takes the last of a stream that has ended, whose last event may lack its empty line; all that may go on.
    pub(crate) fn push_last(&mut self, rest: Bytes) -> Passed {
        let first = self.take(rest, true);
        if first.blocked.is_some() {
            return first;
        }
        let last = self.finish();
        Passed { bytes: [first.bytes, last.bytes].concat().into(), ..last }
    }

    /// What was taken and has not gone on.
    pub(crate) fn into_held(self) -> Bytes {
        Bytes::from(self.held)
    }

    fn take(&mut self, whole: Bytes, is_last: bool) -> Passed {
        if whole.is_empty() || self.is_blocked {
            return Passed::default();
        }
        let begin = self.base + self.held.len();
        let was_empty = self.held.is_empty();
        let judged = self.read_all(&whole, begin, is_last);
        if judged.is_ok() && was_empty && self.ends.is_empty() && self.edits.is_empty() {
            self.base = begin + whole.len();
            self.decided = self.base;
            return Passed { bytes: whole, ..Passed::default() };
        }
        self.held.extend_from_slice(&whole);
        self.pass(judged)
    }

    /// The stream ends, or is to be ended: each text that is open ends here.
    pub(crate) fn finish(&mut self) -> Passed {
        if self.is_blocked {
            return Passed::default();
        }
        let judged = self.end_texts(|_| true);
        if judged.is_ok() {
            self.decided = self.base + self.held.len();
            self.clear_ends();
        }
        self.pass(judged)
    }

    /// What is decided goes on.
    fn pass(&mut self, judged: Result<(), Block>) -> Passed {
        let end = self.decided.max(self.base) - self.base;
        let mut bytes = Vec::with_capacity(end);
        let mut from = 0;
        let later = self.edits.split_off(&(self.base + end));
        for (start, (to, with)) in std::mem::replace(&mut self.edits, later) {
            bytes.extend_from_slice(&self.held[from..start - self.base]);
            bytes.extend_from_slice(with.as_bytes());
            from = to - self.base;
        }
        bytes.extend_from_slice(&self.held[from..end]);
        self.held.advance(end);
        self.base += end;
        let blocked = judged.err().and_then(|Block(rule)| self.rules.blocked(rule));
        let withheld = blocked.as_ref().map_or_else(Bytes::new, |_| Bytes::copy_from_slice(&self.held));
        if blocked.is_some() {
            self.is_blocked = true;
            (self.held, self.texts, self.edits) = (BytesMut::new(), HashMap::new(), Edits::new());
        }
        Passed { bytes: bytes.into(), blocked, withheld }
    }

    fn read_all(&mut self, whole: &[u8], begin: usize, is_last: bool) -> Result<(), Block> {
        // What is no text cannot be judged, and half of what is too long to be held neither.
        let text = std::str::from_utf8(whole).map_err(|_| Block(0))?;
        let units = match self.form {
            Form::Events => units::events(text, begin, is_last),
            Form::Array => units::elements(text, begin),
        };
        let units = units.ok_or(Block(0))?;
        let asides = if self.form == Form::Events { units::asides(text, begin) } else { Vec::new() };
        let mut asides = asides.into_iter().peekable();
        for unit in units {
            while let Some(aside) = asides.next_if(|aside| aside.at < unit.end) {
                self.read_aside(&aside)?;
            }
            let text = unit.data.as_ref().map_or(Ok(0), |data| self.read(data))?;
            self.ends.push_back((unit.end, text));
            self.text_held += text;
            self.decide()?;
        }
        Ok(())
    }

    /// A line that is no data.
    fn read_aside(&mut self, aside: &Aside<'_>) -> Result<(), Block> {
        if !aside.is_kept {
            self.edits.insert(aside.at, (aside.at + aside.text.len(), Cow::Borrowed(aside.instead)));
            return Ok(());
        }
        let mut text = Spelt::default();
        text.add_plain(aside.text, aside.at);
        judge_whole(&mut self.desk(), &text, false)
    }

    /// Which events are decided now.
    fn decide(&mut self) -> Result<(), Block> {
        let open = self.texts.values().filter_map(|text| text.open_from(&self.rules)).min();
        let Some((from, rule)) = open else {
            self.decided = self.ends.back().map_or(self.decided, |(end, _)| *end);
            self.clear_ends();
            return Ok(());
        };
        while let Some((end, text)) = self.ends.pop_front_if(|(end, _)| *end <= from) {
            self.decided = end;
            self.text_held -= text;
        }
        let held = self.ends.back().map_or(0, |(end, _)| end - self.decided);
        if self.text_held > MOST_HELD || held > MOST_EVENTS_HELD { Err(Block(rule)) } else { Ok(()) }
    }

    fn clear_ends(&mut self) {
        self.ends.clear();
        self.text_held = 0;
    }

    /// Reads the data of an event, or an element; how much text is in it, in bytes.
    fn read(&mut self, data: &Data<'_>) -> Result<usize, Block> {
        if !is_object(&data.text) {
            if data.text.trim_ascii() == "[DONE]" {
                return self.end_texts(|_| true).map(|()| 0);
            }
            let all = data.spelt();
            return judge_unknown(&mut self.desk(), all).map(|()| data.text.len());
        }
        let texts = texts_of(self.map, REPLY, &data.text);
        let kind = texts.objects.first().and_then(|root| root.kind.clone()).unwrap_or_default();
        self.end_calls(&texts, |call| call.is_named)?;
        // Elements of this event that nothing tells apart, by the texts that they go on with: each is another text.
        let mut elements: HashMap<String, usize> = HashMap::new();
        let mut length = 0;
        for found in &texts.found {
            let base = data.base_of(found.at.start);
            let is_in_call = texts.chain(found.object).any(|object| self.map.calls.contains(&object.node));
            if !self.map.by_place.is_empty()
                && (is_in_call || matches!(found.kind, Kind::Json | Kind::JsonIf(_) | Kind::Values))
                && let Some(place) = self.outer_key(&texts, found)
            {
                // A call ends the texts before it.
                self.end_texts(|key| key.ends_with('=') && key.starts_with(&place))?;
            }
            let is_signed = texts.is_signed(found) || found.how.signed == Signed::InStreams;
            let rules = Arc::clone(&self.rules);
            if !found.how.goes_on {
                if !matches!(found.kind, Kind::Data | Kind::File) {
                    length += found.at.len();
                }
                let mut desk = Desk { rules: &rules, scratch: &mut self.scratch, edits: &mut self.edits };
                judge(&mut desk, &data.text, base, &texts, found, texts.is_signed(found))?;
                continue;
            }
            let is_json = match found.kind {
                Kind::Json => true,
                Kind::JsonIf(end) => type_of(&texts, found).is_some_and(|kind| kind.ends_with(end)),
                _ => false,
            };
            let what = match (is_json, is_in_call) {
                (true, _) => '{',
                (false, true) => '~',
                (false, false) => '=',
            };
            let key = self.key(&texts, found, what);
            if let Some(element) = texts.element(found)
                && elements.insert(key.clone(), element).is_some_and(|before| before != element)
            {
                self.end_texts(|other| other == key)?;
            }
            let piece = piece_of(&data.text, base, found);
            length += piece.text.len();
            let new = || if found.how.signed == Signed::Behind { Tracked::to_sign() } else { Tracked::new(is_json) };
            let mut desk = Desk { rules: &rules, scratch: &mut self.scratch, edits: &mut self.edits };
            self.texts.entry(key).or_insert_with(new).push(&mut desk, piece, is_signed)?;
        }
        self.sign_texts(&texts)?;
        self.end_calls(&texts, |call| !call.goes_on)?;
        match (self.map.ends)(&kind) {
            Ends::Nothing => {}
            Ends::All => self.end_texts(|_| true)?,
            Ends::Place => {
                let mut place = String::new();
                if let Some(root) = texts.objects.first() {
                    self.add_key(root, &mut place);
                }
                self.end_texts(|key| key.starts_with(&place))?;
            }
        }
        Ok(length)
    }

    /// Ends the texts in calls which are of that kind.
    fn end_calls(&mut self, texts: &Texts, is: impl Fn(&Object) -> bool) -> Result<(), Block> {
        if self.map.calls.is_empty() {
            return Ok(());
        }
        for (number, call) in texts.objects.iter().enumerate() {
            if self.map.calls.contains(&call.node) && is(call) {
                let key = self.place(texts, number);
                self.end_texts(|of| of.starts_with(&key))?;
            }
        }
        Ok(())
    }

    /// Signatures that have come are those of the texts before them in their place.
    fn sign_texts(&mut self, texts: &Texts) -> Result<(), Block> {
        for (number, _) in texts.objects.iter().enumerate().filter(|(_, object)| object.signs()) {
            let place = self.place(texts, number);
            let mut signed = self.texts.iter_mut().filter(|(key, _)| key.starts_with(&place));
            signed.try_for_each(|(_, text)| text.sign())?;
        }
        Ok(())
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk { rules: &self.rules, scratch: &mut self.scratch, edits: &mut self.edits }
    }

    fn end_texts(&mut self, which: impl Fn(&str) -> bool) -> Result<(), Block> {
        let mut keys: Vec<String> = self.texts.keys().filter(|key| which(key)).cloned().collect();
        keys.sort_unstable();
        let mut judged = Ok(());
        for key in keys {
            if let Some(mut text) = self.texts.remove(&key) {
                let ended = text.finish(&mut self.desk());
                judged = judged.and(ended);
            }
        }
        judged
    }

    /// What the text is called that other events go on with: where its objects are, how they are told apart, and what it is.
    fn key(&self, texts: &Texts, found: &Found, what: char) -> String {
        let mut key = self.place(texts, found.object);
        let is_thought = texts.objects.get(found.object).is_some_and(Object::is_thought);
        key += if is_thought { "thought " } else { "" };
        key += &found.name;
        key.push(what);
        key
    }

    /// The beginning of the keys of all texts in the object with this number.
    fn place(&self, texts: &Texts, object: usize) -> String {
        let chain: Vec<_> = texts.chain(object).collect();
        let mut key = String::new();
        chain.iter().rev().for_each(|object| self.add_key(object, &mut key));
        key
    }

    /// The key of the choice or candidate that a text is in.
    fn outer_key(&self, texts: &Texts, found: &Found) -> Option<String> {
        let chain: Vec<_> = texts.chain(found.object).collect();
        let [.., outer, root] = &chain[..] else { return None };
        let mut key = String::new();
        self.add_key(root, &mut key);
        self.add_key(outer, &mut key);
        Some(key)
    }

    fn add_key(&self, object: &Object, key: &mut String) {
        if self.map.by_type && object.parent.is_none() {
            let kind = object.kind.as_deref().unwrap_or_default();
            *key += kind.strip_suffix(".delta").or(kind.strip_suffix(".done")).unwrap_or(kind);
        }
        if object.node == super::ANY {
            *key += &object.name;
        } else {
            *key += &object.node.to_string();
        }
        for (name, value) in &object.ids {
            *key += ",";
            *key += name;
            *key += ":";
            *key += value;
        }
        if object.ids.is_empty() && self.map.by_place.contains(&object.node) {
            *key += ",index:";
            *key += &object.place.unwrap_or(0).to_string();
        }
        *key += "/";
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "guard_place_tests.rs"]
mod place_tests;
