//! A stream on its way through the rules: whole events or elements go on as soon as all texts in them are decided.
//!
//! What is held begins with the first event of which some text is open. Where that gets too much, the stream is blocked, in the
//! name of the rule because of which it is held.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{
    Ends, REPLY, TextMap,
    document::{is_object, judge, judge_unknown, piece_of, type_of},
    find::{Found, Kind, Object, Texts, texts_of},
    tracked::{Block, Desk, Edits, Tracked},
    units::{self, Data},
};
use crate::{
    content_rules::{Blocked, ContentRules, Scratch},
    protocol::Dialect,
};

/// The most that is held back, in bytes.
const MOST_HELD: usize = 64 << 10;

/// What of a stream may go on.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Whole events or elements.
    pub(crate) bytes: Bytes,
    /// The rule that blocks what follows: nothing of it goes on.
    pub(crate) blocked: Option<Blocked>,
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
    held: Vec<u8>,
    base: usize,
    /// Up to here of the stream events are decided.
    decided: usize,
    /// Where events end that are not decided.
    ends: Vec<usize>,
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
            held: Vec::new(),
            base: 0,
            decided: 0,
            ends: Vec::new(),
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
        Passed { bytes: [first.bytes, last.bytes].concat().into(), blocked: last.blocked }
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
            return Passed { bytes: whole, blocked: None };
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
            self.ends.clear();
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
        self.held.drain(..end);
        self.base += end;
        let blocked = judged.err().and_then(|Block(rule)| self.rules.blocked(rule));
        if blocked.is_some() {
            self.is_blocked = true;
            (self.held, self.texts, self.edits) = (Vec::new(), HashMap::new(), Edits::new());
        }
        Passed { bytes: bytes.into(), blocked }
    }

    fn read_all(&mut self, whole: &[u8], begin: usize, is_last: bool) -> Result<(), Block> {
        // What is no text cannot be judged, and half of what is too long to be held neither.
        let text = std::str::from_utf8(whole).map_err(|_| Block(0))?;
        let units = match self.form {
            Form::Events => units::events(text, begin, is_last),
            Form::Array => units::elements(text, begin),
        };
        let units = units.ok_or(Block(0))?;
        for unit in units {
            if let Some(data) = &unit.data {
                self.read(data)?;
            }
            self.ends.push(unit.end);
            self.decide()?;
        }
        Ok(())
    }

    /// Which events are decided now.
    fn decide(&mut self) -> Result<(), Block> {
        let open = self.texts.values().filter_map(|text| text.open_from(&self.rules)).min();
        let Some((from, rule)) = open else {
            self.decided = self.ends.last().copied().unwrap_or(self.decided);
            self.ends.clear();
            return Ok(());
        };
        let gone = self.ends.partition_point(|end| *end <= from);
        if let Some(last) = self.ends.drain(..gone).next_back() {
            self.decided = last;
        }
        let held = self.ends.last().map_or(0, |end| end - self.decided);
        if held > MOST_HELD { Err(Block(rule)) } else { Ok(()) }
    }

    fn read(&mut self, data: &Data<'_>) -> Result<(), Block> {
        if !is_object(&data.text) {
            if data.text.trim_ascii() == "[DONE]" {
                return self.end_texts(|_| true);
            }
            let all = data.spelt();
            return judge_unknown(&mut self.desk(), all);
        }
        let texts = texts_of(self.map, REPLY, &data.text);
        let kind = texts.objects.first().and_then(|root| root.kind.clone()).unwrap_or_default();
        for found in &texts.found {
            let base = data.base_of(found.at.start);
            let is_text = matches!(found.kind, Kind::Text);
            if !self.map.by_place.is_empty()
                && !is_text
                && let Some(place) = self.outer_key(&texts, found)
            {
                // A call ends the texts before it.
                self.end_texts(|key| key.ends_with('=') && key.starts_with(&place))?;
            }
            if !found.how.goes_on {
                let rules = Arc::clone(&self.rules);
                let mut desk = Desk { rules: &rules, scratch: &mut self.scratch, edits: &mut self.edits };
                judge(&mut desk, &data.text, base, &texts, found)?;
                continue;
            }
            let is_json = match found.kind {
                Kind::Json => true,
                Kind::JsonIf(end) => type_of(&texts, found).is_some_and(|kind| kind.ends_with(end)),
                _ => false,
            };
            let key = self.key(&texts, found, is_json);
            let (piece, is_signed) = (piece_of(&data.text, base, found), texts.is_signed(found));
            let rules = Arc::clone(&self.rules);
            let mut desk = Desk { rules: &rules, scratch: &mut self.scratch, edits: &mut self.edits };
            self.texts.entry(key).or_insert_with(|| Tracked::new(is_json)).push(&mut desk, piece, is_signed)?;
        }
        match (self.map.ends)(&kind) {
            Ends::Nothing => Ok(()),
            Ends::All => self.end_texts(|_| true),
            Ends::Place => {
                let mut place = String::new();
                if let Some(root) = texts.objects.first() {
                    self.add_key(root, &mut place);
                }
                self.end_texts(|key| key.starts_with(&place))
            }
        }
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

    /// What the text is called that other events go on with: where its objects are and how they are told apart.
    fn key(&self, texts: &Texts, found: &Found, is_json: bool) -> String {
        let chain: Vec<_> = texts.chain(found.object).collect();
        let mut key = String::new();
        chain.iter().rev().for_each(|object| self.add_key(object, &mut key));
        let thought = if chain.first().is_some_and(|object| object.is_thought()) { "thought " } else { "" };
        key + thought + &found.name + if is_json { "{" } else { "=" }
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
