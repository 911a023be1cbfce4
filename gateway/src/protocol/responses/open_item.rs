//! An item of a response's output on its way: what of it has come, and the events that make an end of what has not.
//!
//! Source: OpenAI API reference, "Streaming events"; object "response", `output`.

use serde_json::{Map, Value, json};

use crate::protocol::{json_read, routing_fields::string};

/// What is kept of one response, in bytes: its texts, and its items as events told them.
const MOST_KEPT: usize = 1 << 20;
/// As many parts of an item are told apart.
const MOST_PARTS: usize = 1 << 10;

/// What may still be kept. Once something did not fit, nothing that follows is put behind the gap.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST_KEPT)
    }
}

impl Room {
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// As much of `text` as fits.
    fn take_of<'t>(&mut self, text: &'t str) -> &'t str {
        let fits = &text[..text.floor_char_boundary(self.0)];
        self.take(text.len());
        fits
    }

    fn give(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes).min(MOST_KEPT);
    }
}

/// The list of an item that a part stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Content,
    Summary,
}

impl List {
    const ALL: [Self; 2] = [Self::Content, Self::Summary];

    /// Its member of an item.
    const fn member(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Summary => "summary",
        }
    }

    /// What events of a part of it are called, without what happens to the part.
    const fn event(self) -> &'static str {
        match self {
            Self::Content => "content_part",
            Self::Summary => "reasoning_summary_part",
        }
    }

    /// The member of events that holds the index of a part of it.
    const fn index(self) -> &'static str {
        match self {
            Self::Content => "content_index",
            Self::Summary => "summary_index",
        }
    }
}

/// A text that comes in events of its own.
#[derive(Debug)]
struct Text {
    /// The events' name, without what happens in them.
    event: &'static str,
    /// The member that it becomes.
    member: &'static str,
    /// The type of the part that it is, and the list of the part; none where it is its item's own.
    part: Option<(List, &'static str)>,
}

static TEXTS: [Text; 8] = [
    Text { event: "output_text", member: "text", part: Some((List::Content, "output_text")) },
    Text { event: "refusal", member: "refusal", part: Some((List::Content, "refusal")) },
    Text { event: "reasoning_text", member: "text", part: Some((List::Content, "reasoning_text")) },
    Text { event: "reasoning_summary_text", member: "text", part: Some((List::Summary, "summary_text")) },
    Text { event: "function_call_arguments", member: "arguments", part: None },
    Text { event: "mcp_call_arguments", member: "arguments", part: None },
    Text { event: "custom_tool_call_input", member: "input", part: None },
    Text { event: "code_interpreter_call_code", member: "code", part: None },
];

/// A text as far as it has come.
#[derive(Debug)]
struct Written {
    of: &'static Text,
    so_far: String,
    /// Its own event said that it is done.
    is_done: bool,
}

impl Written {
    fn new(of: &'static Text) -> Self {
        Self { of, so_far: String::new(), is_done: false }
    }

    /// Its own event that it is done.
    fn done(&self) -> Value {
        let mut event = json!({ "type": format!("response.{}.done", self.of.event), self.of.member: self.so_far });
        if self.of.event == "output_text" {
            event["logprobs"] = json!([]);
        }
        event
    }
}

/// A part of an item.
#[derive(Debug)]
struct Part {
    list: List,
    index: u64,
    /// It, as an event told it; the last one where it is done.
    told: String,
    /// Its text, until it is done.
    text: Option<Written>,
    is_done: bool,
}

impl Part {
    fn value(&self) -> Value {
        let mut part = object(&self.told);
        if let Some(text) = &self.text {
            part.insert(text.of.member.to_owned(), text.so_far.clone().into());
        }
        part.into()
    }
}

/// An event, as far as it concerns an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemEvent<'e> {
    /// Its type.
    pub(super) kind: &'e str,
    /// The index of the part that it concerns, where it does.
    pub(super) part_index: u64,
    pub(super) part: Option<&'e str>,
    pub(super) delta: Option<&'e str>,
}

/// An item.
#[derive(Debug)]
pub(super) struct OpenItem {
    pub(super) index: u64,
    /// It, as an event told it; the last one where it is done.
    told: String,
    /// In the order of their lists and indexes.
    parts: Vec<Part>,
    /// Its own text.
    input: Option<Written>,
    is_done: bool,
}

impl OpenItem {
    /// It begins; `None` where there is no room for it.
    pub(super) fn new(index: u64, told: &str, room: &mut Room) -> Option<Self> {
        room.take(told.len()).then(|| Self {
            index,
            told: told.to_owned(),
            parts: Vec::new(),
            input: None,
            is_done: false,
        })
    }

    /// It is done, and is what is told now, where there is room for that.
    pub(super) fn end(&mut self, told: &str, room: &mut Room) {
        self.is_done = true;
        let texts = self.parts.iter().filter_map(|part| part.text.as_ref()).chain(&self.input);
        let kept = texts.map(|text| text.so_far.len()).chain(self.parts.iter().map(|part| part.told.len()));
        room.give(kept.sum::<usize>() + self.told.len());
        if room.take(told.len()) {
            told.clone_into(&mut self.told);
            (self.parts, self.input) = (Vec::new(), None);
        }
    }

    /// Takes note of an event that concerns it.
    pub(super) fn note(&mut self, event: ItemEvent<'_>, room: &mut Room) {
        let name = event.kind.strip_prefix("response.").and_then(|name| name.rsplit_once('.'));
        let Some((name, happened)) = name else { return };
        if let Some(list) = List::ALL.into_iter().find(|list| list.event() == name) {
            let part = event.part.unwrap_or("{}");
            match happened {
                "added" => self.begin_part(list, event.part_index, part, room),
                "done" => self.end_part(list, event.part_index, part, room),
                _ => {}
            }
        } else if let Some(text) = TEXTS.iter().find(|text| text.event == name) {
            let Some(written) = self.written(text, event.part_index, room) else { return };
            match (happened, event.delta.and_then(string)) {
                ("delta", Some(delta)) => written.so_far.push_str(room.take_of(&delta)),
                ("done", _) => written.is_done = true,
                _ => {}
            }
        }
    }

    fn part(&mut self, list: List, index: u64) -> Option<&mut Part> {
        let at = self.parts.binary_search_by_key(&(list, index), |part| (part.list, part.index)).ok()?;
        self.parts.get_mut(at)
    }

    fn begin_part(&mut self, list: List, index: u64, told: &str, room: &mut Room) {
        let Err(at) = self.parts.binary_search_by_key(&(list, index), |part| (part.list, part.index)) else { return };
        if self.parts.len() == MOST_PARTS || !room.take(told.len()) {
            return;
        }
        let kind = json_read::values(told, ["type"]).and_then(|[kind]| string(kind?)).unwrap_or_default();
        let text = TEXTS.iter().find(|text| text.part == Some((list, &*kind))).map(|of| {
            // It may begin with some of its text.
            let begin = json_read::values(told, [of.member]).and_then(|[begin]| string(begin?)).unwrap_or_default();
            Written { so_far: room.take_of(&begin).to_owned(), ..Written::new(of) }
        });
        self.parts.insert(at, Part { list, index, told: told.to_owned(), text, is_done: false });
    }

    fn end_part(&mut self, list: List, index: u64, told: &str, room: &mut Room) {
        let Some(part) = self.part(list, index) else { return };
        part.is_done = true;
        room.give(part.told.len() + part.text.as_ref().map_or(0, |text| text.so_far.len()));
        if room.take(told.len()) {
            told.clone_into(&mut part.told);
            part.text = None;
        }
    }

    /// The text that an event concerns. A part that did not say that it begins begins with it.
    fn written(&mut self, text: &'static Text, index: u64, room: &mut Room) -> Option<&mut Written> {
        let Some((list, kind)) = text.part else {
            return Some(self.input.get_or_insert_with(|| Written::new(text)));
        };
        if self.part(list, index).is_none() {
            let mut told = json!({ "type": kind });
            if kind == "output_text" {
                told["annotations"] = json!([]);
                told["logprobs"] = json!([]);
            }
            self.begin_part(list, index, &told.to_string(), room);
        }
        self.part(list, index)?.text.as_mut()
    }

    /// It, as far as it has come.
    pub(super) fn value(&self) -> Value {
        let mut item = object(&self.told);
        for list in List::ALL {
            let parts: Vec<Value> = self.parts.iter().filter(|part| part.list == list).map(Part::value).collect();
            if !parts.is_empty() {
                item.insert(list.member().to_owned(), parts.into());
            }
        }
        if let Some(input) = &self.input {
            item.insert(input.of.member.to_owned(), input.so_far.clone().into());
        }
        if !self.is_done {
            item.insert("status".to_owned(), "incomplete".into());
        }
        item.into()
    }

    /// Puts the events that make an end of what of it is open.
    pub(super) fn finish(&self, put: &mut impl FnMut(Value)) {
        if self.is_done {
            return;
        }
        let id = object(&self.told).remove("id").unwrap_or_else(|| "".into());
        let mut put = |mut event: Value| {
            event["output_index"] = self.index.into();
            put(event);
        };
        for part in self.parts.iter().filter(|part| !part.is_done) {
            let text = part.text.as_ref().filter(|text| !text.is_done).map(Written::done);
            let done = json!({ "type": format!("response.{}.done", part.list.event()), "part": part.value() });
            for mut event in text.into_iter().chain([done]) {
                event["item_id"] = id.clone();
                event[part.list.index()] = part.index.into();
                put(event);
            }
        }
        if let Some(input) = self.input.as_ref().filter(|input| !input.is_done) {
            let mut event = input.done();
            event["item_id"] = id;
            put(event);
        }
        put(json!({ "type": "response.output_item.done", "item": self.value() }));
    }
}

/// The object that a value is; an empty one where it is none.
fn object(raw: &str) -> Map<String, Value> {
    serde_json::from_str(raw).unwrap_or_default()
}
