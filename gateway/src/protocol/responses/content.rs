//! Where a response and its stream hold content. In a stream that is `delta`, whatever the event is about; what later events
//! repeat of it is not counted again.
//!
//! Source: OpenAI API reference, object "response", `output`; "Streaming events".

use crate::protocol::content::{
    ContentMap,
    Kind::{self, Reasoning, Visible},
    Marked, ROOT,
    Role::{Mark, Node, Text},
};

const ITEM: u8 = 1;
const PART: u8 = 2;
const SUMMARY: u8 = 3;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "type", Mark),
        (ROOT, "delta", Text(Kind::Marked)),
        (ROOT, "output", Node(ITEM)),
        (ITEM, "content", Node(PART)),
        (ITEM, "summary", Node(SUMMARY)),
        (ITEM, "arguments", Text(Visible)),
        (ITEM, "input", Text(Visible)),
        (ITEM, "code", Text(Visible)),
        (PART, "type", Mark),
        (PART, "text", Text(Kind::Marked)),
        (PART, "refusal", Text(Visible)),
        (PART, "transcript", Text(Visible)),
        (SUMMARY, "text", Text(Reasoning)),
    ],
    marked: &[ROOT, PART],
    mark,
};

/// What the type of an event or of a part of a message says: reasoning has it in its name, and sound is no text.
fn mark(kind: &[u8]) -> Marked {
    if memchr::memmem::find(kind, b"reasoning").is_some() {
        Marked::Reasoning
    } else if kind.ends_with(b"audio.delta") {
        Marked::Nothing
    } else {
        Marked::Visible
    }
}
