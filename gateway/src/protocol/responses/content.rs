//! Where a response and its stream hold content. In a stream that is `delta`, whatever the event is about, and what later events
//! tell once more of it: each of these sums up those before, so that only what no delta told is counted then.
//!
//! Source: OpenAI API reference, object "response", `output`; "Streaming events".

use crate::protocol::content::{
    ContentMap,
    Kind::{self, Reasoning, Visible},
    Marked, ROOT, Retelling,
    Role::{Mark, Node, Opaque, Text, TextOr},
};

const ITEM: u8 = 1;
const PART: u8 = 2;
const SUMMARY: u8 = 3;
const RESPONSE: u8 = 4;
/// What a call of a tool without arguments does.
const ACTION: u8 = 5;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "type", Mark),
        (ROOT, "delta", Text(Kind::Marked)),
        (ROOT, "partial_image_b64", Opaque(Visible)),
        (ROOT, "text", Text(Kind::Marked)),
        (ROOT, "refusal", Text(Visible)),
        (ROOT, "arguments", Text(Visible)),
        (ROOT, "input", Text(Visible)),
        (ROOT, "code", Text(Kind::Marked)),
        (ROOT, "transcript", Text(Visible)),
        (ROOT, "diff", Text(Visible)),
        (ROOT, "command", Text(Visible)),
        (ROOT, "part", Node(PART)),
        (ROOT, "item", Node(ITEM)),
        (ROOT, "response", Node(RESPONSE)),
        (ROOT, "output", Node(ITEM)),
        (RESPONSE, "output", Node(ITEM)),
        (ITEM, "content", Node(PART)),
        (ITEM, "summary", Node(SUMMARY)),
        (ITEM, "arguments", Text(Visible)),
        (ITEM, "input", Text(Visible)),
        (ITEM, "code", Text(Visible)),
        (ITEM, "result", Opaque(Visible)),
        (ITEM, "action", Node(ACTION)),
        (ITEM, "operation", Node(ACTION)),
        (ACTION, "type", Opaque(Visible)),
        (ACTION, "command", TextOr(Visible, ACTION)),
        (ACTION, "commands", TextOr(Visible, ACTION)),
        (ACTION, "diff", Text(Visible)),
        (ACTION, "query", TextOr(Visible, ACTION)),
        (ACTION, "text", TextOr(Visible, ACTION)),
        (PART, "type", Mark),
        (PART, "text", Text(Kind::Marked)),
        (PART, "refusal", Text(Visible)),
        (PART, "transcript", Text(Visible)),
        (PART, "data", Opaque(Visible)),
        (SUMMARY, "text", Text(Reasoning)),
    ],
    marked: &[ROOT, PART],
    mark,
    retold: &[
        ("text", 0),
        ("refusal", 0),
        ("arguments", 0),
        ("input", 0),
        ("code", 0),
        ("transcript", 0),
        ("diff", 0),
        ("command", 0),
        ("part", 1),
        ("item", 2),
        ("response", 3),
    ],
    retelling,
};

/// What the type of an event or of a part of a message says: reasoning has it in its name, or is a summary; sound is no text.
fn mark(kind: &[u8]) -> Marked {
    if kind == b"summary_text" || memchr::memmem::find(kind, b"reasoning").is_some() {
        Marked::Reasoning
    } else if kind.ends_with(b"audio.delta") {
        Marked::Opaque
    } else if kind == b"error" {
        Marked::Nothing
    } else {
        Marked::Visible
    }
}

/// An item or a part that is added may be empty yet, and a response that runs repeats what its items have told.
fn retelling(kind: &[u8]) -> Retelling {
    if kind.ends_with(b".added") {
        Retelling::Begun
    } else if kind.ends_with(b".created") || kind.ends_with(b".in_progress") || kind.ends_with(b".queued") {
        Retelling::Nothing
    } else {
        Retelling::Whole
    }
}
