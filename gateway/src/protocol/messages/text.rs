//! Where the texts of messages stand, in requests, replies and events.
//!
//! Thinking is signed where it has a signature, which in a stream comes behind it. What is not known of a reply is a text too. Of tools the descriptions, titles and examples are texts.
//!
//! Source: Anthropic API reference, "Messages", "Streaming messages"; "Count tokens".

use crate::protocol::texts::{
    BITS, BITS_TO_SIGN, Ends, OWN, REPLY, REQUEST,
    Role::{Any, Data, Json, Node, Skip, Text, TextOr},
    TextMap,
};

const MESSAGE: u8 = 2;
/// A block of content, what a stream begins one with, and what it adds to it.
const BLOCK: u8 = 3;
const TOOLS: u8 = 4;
const SOURCE: u8 = 5;

pub(super) static MAP: TextMap = TextMap {
    members: &[
        (REQUEST, "system", TextOr(OWN, BLOCK)),
        (REQUEST, "messages", Node(MESSAGE)),
        (REQUEST, "tools", Node(TOOLS)),
        (REQUEST, "output_format", Node(TOOLS)),
        (REQUEST, "output_config", Node(TOOLS)),
        (MESSAGE, "content", TextOr(OWN, BLOCK)),
        (TOOLS, "description", TextOr(OWN, TOOLS)),
        (TOOLS, "title", TextOr(OWN, TOOLS)),
        (TOOLS, "input_examples", Json(OWN)),
        (REPLY, "content", Node(BLOCK)),
        (REPLY, "content_block", Node(BLOCK)),
        (REPLY, "delta", Node(BLOCK)),
        (REPLY, "message", Node(REPLY)),
        (REPLY, "error", Any(OWN)),
        (REPLY, "usage", Skip),
        (BLOCK, "text", Text(BITS)),
        (BLOCK, "thinking", Text(BITS_TO_SIGN)),
        (BLOCK, "partial_json", Json(BITS)),
        (BLOCK, "input", Json(OWN)),
        (BLOCK, "content", TextOr(OWN, BLOCK)),
        (BLOCK, "source", Node(SOURCE)),
        (BLOCK, "signature", Skip),
        (BLOCK, "stop_reason", Skip),
        (BLOCK, "tool_use_id", Skip),
        (BLOCK, "id", Skip),
        (BLOCK, "type", Skip),
        (BLOCK, "name", Skip),
        (BLOCK, "data", Skip),
        (BLOCK, "url", Skip),
        (BLOCK, "cache_control", Skip),
        (BLOCK, "encrypted_content", Skip),
        (BLOCK, "container", Skip),
        (SOURCE, "data", Data),
        (SOURCE, "content", TextOr(OWN, BLOCK)),
    ],
    others: &[(REPLY, Any(OWN)), (BLOCK, Any(OWN)), (TOOLS, Node(TOOLS))],
    by_place: &[],
    calls: &[],
    ends: |kind| match kind {
        "content_block_stop" => Ends::Place,
        "message_stop" | "error" => Ends::All,
        _ => Ends::Nothing,
    },
    by_type: false,
};
