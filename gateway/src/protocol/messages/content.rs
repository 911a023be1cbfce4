//! Where a message and its stream hold content. Results of tools that the provider runs are none of the model's writing, and
//! thinking that is redacted or signed has no text.
//!
//! Source: Anthropic API reference, "Messages", `content`; "Streaming messages".

use crate::protocol::content::{
    ContentMap,
    Kind::{Reasoning, Visible},
    Marked, ROOT,
    Role::{Node, Text, Value},
};

const BLOCK: u8 = 1;
/// What a block of a stream begins with, and what is added to it: its tool's input begins empty.
const DELTA: u8 = 2;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "content", Node(BLOCK)),
        (ROOT, "content_block", Node(DELTA)),
        (ROOT, "delta", Node(DELTA)),
        (BLOCK, "text", Text(Visible)),
        (BLOCK, "thinking", Text(Reasoning)),
        (BLOCK, "input", Value(Visible)),
        (DELTA, "text", Text(Visible)),
        (DELTA, "thinking", Text(Reasoning)),
        (DELTA, "partial_json", Text(Visible)),
    ],
    marked: &[],
    mark: |_| Marked::Visible,
};
