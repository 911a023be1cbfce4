//! What a request holds besides text, and what it only names: media with their lengths, ids of what a provider has stored, how
//! many messages, tools, wishes to cache. Each dialect says in its own folder where these stand.

use std::ops::Range;

use super::{
    routing_fields,
    walk::{Value, Visitor, walk},
};

/// The most ids of one body that are kept.
const MOST_NAMES: usize = 1_024;

/// A kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Audio,
    /// Documents, and what is of no kind that is known.
    File,
    Video,
}

impl Kind {
    /// The kind of a media type (RFC 6838); `None` for text, which is as long as it is.
    fn of_type(media_type: &str) -> Option<Self> {
        let begins = |with: &str| media_type.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        Some(match () {
            () if begins("image/") => Self::Image,
            () if begins("audio/") => Self::Audio,
            () if begins("video/") => Self::Video,
            () if begins("text/") => return None,
            () => Self::File,
        })
    }
}

/// The media of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Media {
    /// How many stand in the body or are linked to.
    pub(crate) count: u64,
    /// The bytes of those that stand in the body, as they are written there.
    pub(crate) base64: u64,
}

/// What names something that a provider has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// What replies leave behind: responses, their output items, containers, conversations.
    Reply,
    /// What no call here makes: files, vector stores, caches, stored prompts.
    Other,
    /// A link, which leads to something stored where its host is the provider's own.
    Link,
}

/// An id, or a link, that a body names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The member that names it.
    pub(crate) member: &'static str,
    pub(crate) reference: Reference,
    /// Where the text stands in the body, in quotes. Empty where what stands there is no text.
    pub(crate) at: Range<usize>,
}

impl Named {
    /// The id in `body`; empty where it is no text.
    pub(crate) fn id<'b>(&self, body: &'b [u8]) -> std::borrow::Cow<'b, str> {
        let raw = body.get(self.at.clone()).and_then(|raw| std::str::from_utf8(raw).ok());
        raw.and_then(routing_fields::string).unwrap_or_default()
    }
}

/// What stands in a body besides text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyParts {
    media: [Media; 4],
    /// In their order.
    pub(crate) names: Vec<Named>,
    /// It names more than are kept.
    pub(crate) has_more_names: bool,
    pub(crate) messages: u64,
    pub(crate) has_tools: bool,
    /// A cache is asked to keep something.
    pub(crate) asks_cache: bool,
    /// For an hour.
    pub(crate) asks_cache_1h: bool,
    /// How many texts are to be continued.
    pub(crate) prompts: u64,
}

impl BodyParts {
    /// The media of one kind.
    pub(crate) const fn media(&self, kind: Kind) -> Media {
        self.media[kind as usize]
    }

    pub(super) fn add(&mut self, kind: Kind, base64: u64) {
        let media = &mut self.media[kind as usize];
        media.count += 1;
        media.base64 += base64;
    }

    pub(super) fn add_all(&mut self, kind: Kind, more: Media) {
        let media = &mut self.media[kind as usize];
        media.count += more.count;
        media.base64 += more.base64;
    }

    pub(super) fn name(&mut self, member: &'static str, reference: Reference, at: Range<usize>) {
        if self.names.len() < MOST_NAMES {
            self.names.push(Named { member, reference, at });
        } else {
            self.has_more_names = true;
        }
    }
}

/// Where a value stands, as far as that says what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    /// Nowhere in particular.
    #[default]
    Any,
    /// A list of messages or of what takes their place, at the top.
    Messages,
    /// One of those.
    Message,
    Tools,
    /// What is to be continued, at the top.
    Prompt,
    Image,
    Audio,
    Video,
    File,
    /// Anthropic's `source`, Google's `inlineData`.
    Source,
    /// Google's `fileData`.
    Linked,
    /// `cache_control`.
    Cache,
    /// A list of ids, or an object with one, under this member.
    Ids(&'static str, Reference),
}

/// What is kept of an object or array that is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) place: Place,
    /// Its `id`.
    pub(super) id: Range<usize>,
    /// Its `type`, as far as it matters.
    pub(super) kind: Option<Kind>,
    pub(super) is_reference: bool,
    /// It has a `type` or a `role`.
    pub(super) says_what_it_is: bool,
    /// What it holds is text, however it is written.
    pub(super) is_text: bool,
    /// Of its media: their kind, as their type says; how many, and their bytes.
    pub(super) media_kind: Option<Kind>,
    pub(super) media: Media,
}

impl Open {
    pub(super) fn at(place: Place) -> Self {
        Self { place, ..Self::default() }
    }
}

/// A walk through one body.
pub(super) struct PartsWalk<'t, D> {
    pub(super) text: &'t str,
    pub(super) parts: BodyParts,
    pub(super) dialect: D,
}

/// What a dialect makes of a value.
pub(super) enum Known {
    /// It means what it does in all of them.
    Common,
    /// Its own; what is kept of it where it is to be looked into.
    Own(Option<Open>),
}

/// Where one dialect keeps what the others keep elsewhere.
pub(super) trait PartsOf: Sized {
    /// Names under which callers write what they like: nothing in there means anything.
    fn is_free(&self, name: &str, value: &Value) -> bool;

    /// A value under a name.
    fn value(&self, walk: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Known;

    /// An object is closed.
    fn closed(&self, _parts: &mut BodyParts, _open: &Open, _within: &mut Open) {}
}

/// The body, and what was found in it until now.
pub(super) struct Reader<'t, 'p> {
    pub(super) text: &'t str,
    pub(super) parts: &'p mut BodyParts,
}

impl Reader<'_, '_> {
    /// The text in a value, escapes decoded.
    pub(super) fn string(&self, value: &Value) -> Option<std::borrow::Cow<'_, str>> {
        match value {
            Value::Text(at) => routing_fields::string(&self.text[at.clone()]),
            Value::Object | Value::Array | Value::Scalar(_) => None,
        }
    }

    pub(super) fn is_null(&self, value: &Value) -> bool {
        matches!(value, Value::Scalar(at) if &self.text[at.clone()] == "null")
    }

    /// Media in a member that holds a `data:` URL (RFC 2397), or links to them. A data URL of text is text.
    pub(super) fn add_url(&mut self, kind: Kind, value: &Value) {
        let Value::Text(at) = value else { return };
        let inner = &self.text[at.start + 1..at.end - 1];
        let Some(head) = inner.get(..5).filter(|head| head.eq_ignore_ascii_case("data:")) else {
            self.parts.add(kind, 0);
            return;
        };
        let head_end = inner.find(',').unwrap_or(head.len());
        let about = &inner[head.len()..head_end.max(head.len())];
        match Kind::of_type(about) {
            None => {}
            Some(told) => {
                // What is not said at all is of the kind of its place.
                let kind = if told == Kind::File { kind } else { told };
                let is_base64 = about.rsplit(';').next().is_some_and(|last| last.eq_ignore_ascii_case("base64"));
                let bytes = if is_base64 { inner.len().saturating_sub(head_end + 1) } else { 0 };
                self.parts.add(kind, bytes as u64);
            }
        }
    }

    /// The same where the member may also hold the bytes alone.
    pub(super) fn add_data(&mut self, kind: Kind, value: &Value) {
        let Value::Text(at) = value else { return };
        let inner = &self.text[at.start + 1..at.end - 1];
        if inner.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("data:")) {
            self.add_url(kind, value);
        } else {
            self.parts.add(kind, inner.len() as u64);
        }
    }

    /// What `value` names: a text, a list of texts, or an object with an `id`.
    pub(super) fn add_name(&mut self, member: &'static str, reference: Reference, value: &Value) -> Option<Open> {
        match value {
            Value::Text(at) if at.len() > 2 => self.parts.name(member, reference, at.clone()),
            Value::Object | Value::Array => return Some(Open::at(Place::Ids(member, reference))),
            // What is no id is the provider's to judge.
            Value::Text(_) | Value::Scalar(_) => {}
        }
        None
    }
}

impl<D: PartsOf> Visitor<Open> for PartsWalk<'_, D> {
    fn value(&mut self, within: &mut Open, name: Option<&str>, value: &Value) -> Option<Open> {
        let mut reader = Reader { text: self.text, parts: &mut self.parts };
        let Some(name) = name else { return element(&mut reader, within, value) };
        if self.dialect.is_free(name, value) {
            return None;
        }
        match self.dialect.value(&mut reader, within, name, value) {
            Known::Own(open) => open,
            Known::Common => common(&mut reader, within, name, value),
        }
    }

    fn closed(&mut self, open: Open, within: &mut Open) {
        self.dialect.closed(&mut self.parts, &open, within);
        if open.is_reference && !open.id.is_empty() {
            self.parts.name("item_reference", Reference::Reply, open.id);
        }
    }
}

/// An element of a list.
fn element(reader: &mut Reader<'_, '_>, within: &mut Open, value: &Value) -> Option<Open> {
    match within.place {
        Place::Messages => {
            reader.parts.messages += 1;
            Some(Open::at(Place::Message))
        }
        Place::Tools => {
            reader.parts.has_tools = true;
            Some(Open::at(Place::Any))
        }
        Place::Prompt => {
            // A list of numbers is one text; of texts or of lists of numbers, as many.
            let is_text = !matches!(value, Value::Scalar(_));
            reader.parts.prompts += u64::from(is_text);
            None
        }
        Place::Ids(member, reference) => reader.add_name(member, reference, value),
        _ => Some(Open::at(Place::Any)),
    }
}

/// What means the same wherever it stands.
fn common(reader: &mut Reader<'_, '_>, within: &mut Open, name: &str, value: &Value) -> Option<Open> {
    let is_top = within.place == Place::Top;
    match name {
        "type" => {
            within.says_what_it_is |= matches!(value, Value::Text(_));
            match reader.string(value).as_deref() {
                Some("item_reference") => within.is_reference = true,
                Some("image") => within.kind = Some(Kind::Image),
                Some("document") => within.kind = Some(Kind::File),
                Some("text" | "content") => within.is_text = true,
                _ => {}
            }
        }
        "role" => within.says_what_it_is |= matches!(value, Value::Text(_)),
        "id" => match within.place {
            Place::Ids(member, reference) => return reader.add_name(member, reference, value),
            _ => {
                if let Value::Text(at) = value {
                    within.id = at.clone();
                }
            }
        },
        "tools" | "functions" if is_top => return Some(Open::at(Place::Tools)),
        "cache_control" => {
            reader.parts.asks_cache |= !reader.is_null(value);
            return Some(Open::at(Place::Cache));
        }
        "ttl" if within.place == Place::Cache => {
            reader.parts.asks_cache_1h |= reader.string(value).as_deref() == Some("1h");
        }
        "previous_response_id" if is_top => return reader.add_name("previous_response_id", Reference::Reply, value),
        "conversation" if is_top => return reader.add_name("conversation", Reference::Reply, value),
        "container" => return container(reader, "container", value),
        "container_id" => return reader.add_name("container_id", Reference::Reply, value),
        "file_id" => return reader.add_name("file_id", Reference::Other, value),
        "file_ids" => return reader.add_name("file_ids", Reference::Other, value),
        "vector_store_ids" => return reader.add_name("vector_store_ids", Reference::Other, value),
        "connector_id" => return reader.add_name("connector_id", Reference::Other, value),
        "cachedContent" | "cached_content" => return reader.add_name("cachedContent", Reference::Other, value),
        "skills" => return skills(reader, value),
        "skill_id" => return reader.add_name("skills", Reference::Other, value),
        "fileUri" | "file_uri" => {
            if let Value::Text(at) = value {
                reader.parts.name("fileUri", Reference::Link, at.clone());
            }
        }
        _ => {}
    }
    Some(Open::at(Place::Any))
}

/// The media type of a source: its kind, or that it is text.
pub(super) fn media_type(reader: &Reader<'_, '_>, source: &mut Open, value: &Value) {
    if let Some(said) = reader.string(value) {
        source.media_kind = Kind::of_type(&said);
        source.is_text |= source.media_kind.is_none();
    }
}

/// A container by its id, or what one is to be made of, which may name files.
fn container(reader: &mut Reader<'_, '_>, member: &'static str, value: &Value) -> Option<Open> {
    match value {
        Value::Object => Some(Open::at(Place::Ids(member, Reference::Reply))),
        _ => reader.add_name(member, Reference::Reply, value),
    }
}

/// Skills are the provider's or somebody's own; whichever, none is made here.
fn skills(reader: &mut Reader<'_, '_>, value: &Value) -> Option<Open> {
    match value {
        Value::Array => Some(Open::at(Place::Ids("skills", Reference::Other))),
        _ => reader.add_name("skills", Reference::Other, value),
    }
}

/// What stands in `text`, by the rules of one dialect.
pub(super) fn read<D: PartsOf>(text: &str, dialect: D) -> BodyParts {
    let mut reader = PartsWalk { text, parts: BodyParts::default(), dialect };
    walk(text, &mut Open { place: Place::Top, ..Open::default() }, &mut reader);
    reader.parts
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
