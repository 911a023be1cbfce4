//! Where a message and its stream hold content. Results of tools that the provider runs are none of the model's writing, and a
//! signature is none at all. Thinking that is redacted is no text, as a citation: what it cites is the caller's.
//!
//! Source: Anthropic API reference, "Messages", `content`; "Streaming messages"; "Citations".

use crate::protocol::content::{
    ContentMap,
    Kind::{Reasoning, Visible},
    Marked, ROOT, Retelling,
    Role::{Filled, Node, Opaque, Text, Value},
};

const BLOCK: u8 = 1;
/// What is added to a block of a stream.
const DELTA: u8 = 2;
/// What a block of a stream begins with: its tool's input begins empty, unless nothing follows.
const START: u8 = 3;
const MESSAGE: u8 = 4;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "content", Node(BLOCK)),
        (ROOT, "message", Node(MESSAGE)),
        (ROOT, "content_block", Node(START)),
        (ROOT, "delta", Node(DELTA)),
        (BLOCK, "text", Text(Visible)),
        (BLOCK, "thinking", Text(Reasoning)),
        (BLOCK, "input", Value(Visible)),
        (BLOCK, "data", Opaque(Reasoning)),
        (MESSAGE, "content", Node(BLOCK)),
        (START, "text", Text(Visible)),
        (START, "thinking", Text(Reasoning)),
        (START, "input", Filled(Visible)),
        (START, "data", Opaque(Reasoning)),
        (DELTA, "text", Text(Visible)),
        (DELTA, "thinking", Text(Reasoning)),
        (DELTA, "partial_json", Text(Visible)),
        (DELTA, "citation", Opaque(Visible)),
    ],
    marked: &[],
    mark: |_| Marked::Visible,
    retold: &[],
    retelling: |_| Retelling::Whole,
};
