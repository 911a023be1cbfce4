//! How much of a reply is content: text, reasoning, tool arguments, refusals; never what stands around them.
//!
//! One forward pass over the bytes as they come, in whatever pieces. A dialect says by name which members hold content
//! ([`ContentMap`]); of them the decoded bytes are counted, and the frames (events, elements, documents) that carry any. What
//! is made and is no text (pictures, sound, citations) makes a frame one of content, and its bytes do not count.
//! Nothing is kept of what was counted but the names on the way to it, and sums: what a stream tells once more, whole, counts
//! as far as it is more than what was told of it before.

mod retold;
mod scan;
mod state;

use std::ops::AddAssign;

pub(crate) use self::scan::ContentScan;
use super::sse_event::BYTE_ORDER_MARK;

/// Content of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Events, elements or documents that carried some.
    pub(crate) frames: u64,
    /// Its bytes, escapes decoded.
    pub(crate) bytes: u64,
}

/// Content of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Of the reply itself.
    pub(crate) visible: Amount,
    /// Of the thinking that it shows.
    pub(crate) reasoning: Amount,
}

impl Amount {
    /// Tokens, by the greater of one a frame and a third of the bytes.
    pub(crate) fn tokens(self) -> u64 {
        self.frames.max(self.bytes.div_ceil(3))
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        self.frames = self.frames.saturating_add(more.frames);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

impl AddAssign for Content {
    fn add_assign(&mut self, more: Self) {
        self.visible += more.visible;
        self.reasoning += more.reasoning;
    }
}

impl Content {
    /// True where there is none.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Which text a string is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The reply itself.
    Visible,
    /// The thinking.
    Reasoning,
    /// The thinking once more, under another name: the longer one counts.
    ReasoningAgain,
    /// One or the other, as a [`Role::Mark`] beside it says.
    Marked,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing in it counts.
    Skip,
    /// An object, or an array of such, with this number in the map.
    Node(u8),
    /// A string that counts.
    Text(Kind),
    /// A string that counts, or an array of such or of objects with this number.
    TextOr(Kind, u8),
    /// A string that counts, or an object or array, which counts as it is written.
    Value(Kind),
    /// The same, where an empty object or array says that the rest comes later, and counts nothing.
    Filled(Kind),
    /// What is made and is no text, or is not the model's own writing: it makes its frame one of content, unless it is empty.
    Opaque(Kind),
    /// Says what its object's [`Kind::Marked`] is.
    Mark,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Marked {
    #[default]
    Visible,
    Reasoning,
    /// It is made, and is no text.
    Opaque,
    /// It is no content.
    Nothing,
}

/// How a frame tells once more what others told bit by bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Retelling {
    /// All of what has ended.
    #[default]
    Whole,
    /// What has begun.
    Begun,
    /// Nothing that counts.
    Nothing,
}

/// The number of the object that a document, an event or an element is.
pub(crate) const ROOT: u8 = 0;

/// Where a dialect's replies hold content. Names that are not in it hold none; arrays are what their elements are.
#[derive(Debug)]
pub(crate) struct ContentMap {
    /// In the object with this number, the member of this name is that.
    pub(crate) members: &'static [(u8, &'static str, Role)],
    /// The objects to which marks belong.
    pub(crate) marked: &'static [u8],
    /// Reads a mark.
    pub(crate) mark: fn(&[u8]) -> Marked,
    /// The members of a frame that tell texts once more, each with how far it sums them up: of one number no text is told
    /// twice.
    pub(crate) retold: &'static [(&'static str, u8)],
    /// What a frame with this mark makes of them.
    pub(crate) retelling: fn(&[u8]) -> Retelling,
}

impl ContentMap {
    fn role(&self, node: u8, name: &[u8]) -> Role {
        let found = self.members.iter().find(|(of, known, _)| *of == node && known.as_bytes() == name);
        found.map_or(Role::Skip, |(_, _, role)| *role)
    }

    fn retold(&self, name: &[u8]) -> Option<u8> {
        self.retold.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, level)| *level)
    }
}

/// How frames are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Server-sent events; where in a line the last byte stood.
    Events(Line),
    /// One document, or an array of elements.
    Json,
}

/// Where in a line of a stream the last byte stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Behind so many bytes of a mark with which a stream may begin.
    Start(usize),
    /// Behind so many bytes of `data:`.
    Field(usize),
    /// In data.
    Data,
    /// In a line of no interest.
    Other,
    /// Behind a `\r` that ended a line, which a `\n` may belong to.
    Return,
}

const DATA: &[u8] = b"data:";

/// Counts the content of a reply on its way.
#[derive(Debug)]
pub(crate) struct ContentCounter {
    scan: ContentScan,
    form: Form,
}

impl ContentCounter {
    /// For a stream of events.
    pub(crate) fn events(map: &'static ContentMap) -> Self {
        Self { scan: ContentScan::new(map), form: Form::Events(Line::Start(0)) }
    }

    /// For a document, or an array of elements.
    pub(crate) fn json(map: &'static ContentMap) -> Self {
        Self { scan: ContentScan::new(map), form: Form::Json }
    }

    /// Takes note of what passed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match &mut self.form {
            Form::Json => self.scan.push(bytes),
            Form::Events(line) => push_lines(&mut self.scan, line, bytes),
        }
    }

    /// The content of one whole frame, of which nothing was pushed before.
    pub(crate) fn of_frame(&mut self, document: &[u8]) -> Content {
        self.scan.push(document);
        self.scan.end_frame();
        self.scan.take()
    }

    /// What was counted since this was asked last; what stands in a frame that has not ended counts as one.
    pub(crate) fn take(&mut self) -> Content {
        self.scan.take()
    }
}

fn push_lines(scan: &mut ContentScan, line: &mut Line, mut bytes: &[u8]) {
    while let Some(&byte) = bytes.first() {
        match *line {
            Line::Start(read) if BYTE_ORDER_MARK.get(read) == Some(&byte) => {
                *line = if read + 1 == BYTE_ORDER_MARK.len() { Line::Field(0) } else { Line::Start(read + 1) };
                bytes = &bytes[1..];
            }
            Line::Start(0) => *line = Line::Field(0),
            Line::Field(read) if DATA.get(read) == Some(&byte) => {
                *line = if read + 1 == DATA.len() { Line::Data } else { Line::Field(read + 1) };
                bytes = &bytes[1..];
            }
            Line::Field(0) if matches!(byte, b'\n' | b'\r') => {
                // An empty line ends the event.
                scan.end_frame();
                bytes = &bytes[1..];
            }
            Line::Start(_) | Line::Field(_) => *line = Line::Other,
            Line::Return => {
                *line = Line::Field(0);
                bytes = &bytes[usize::from(byte == b'\n')..];
            }
            Line::Data | Line::Other => {
                let end = memchr::memchr2(b'\n', b'\r', bytes);
                if *line == Line::Data {
                    // Lines are joined by a line end, which is white space to JSON.
                    scan.push(&bytes[..end.unwrap_or(bytes.len())]);
                }
                let Some(end) = end else { return };
                *line = if bytes[end] == b'\r' { Line::Return } else { Line::Field(0) };
                bytes = &bytes[end + 1..];
            }
        }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
