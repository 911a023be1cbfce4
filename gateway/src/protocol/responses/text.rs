//! Where the texts of responses stand, in requests, replies and events. What later events repeat of a text is one of its own.
//!
//! Reasoning beside which `encrypted_content` stands is signed. What a response repeats of its request (`instructions`, `tools`)
//! was judged with that; what else is not known of it is a text too. Of tools the descriptions and titles are texts.
//!
//! Source: OpenAI API reference, "Responses", "Streaming events".

use crate::protocol::texts::{
    BITS, Ends, OWN, REPLY, REQUEST,
    Role::{Any, Json, JsonIf, Node, Skip, Text, TextOr},
    TextMap,
};

const ITEM: u8 = 2;
const TOOLS: u8 = 3;
const PROMPT: u8 = 4;

pub(super) static MAP: TextMap = TextMap {
    members: &[
        (REQUEST, "input", TextOr(OWN, ITEM)),
        (REQUEST, "instructions", TextOr(OWN, ITEM)),
        (REQUEST, "prompt", Node(PROMPT)),
        (REQUEST, "tools", Node(TOOLS)),
        (REQUEST, "text", Node(TOOLS)),
        (PROMPT, "variables", Any(OWN)),
        (TOOLS, "description", TextOr(OWN, TOOLS)),
        (TOOLS, "title", TextOr(OWN, TOOLS)),
        (TOOLS, "server_description", TextOr(OWN, TOOLS)),
        (REPLY, "output", Node(ITEM)),
        (REPLY, "instructions", Skip),
        (REPLY, "metadata", Skip),
        (REPLY, "prompt", Skip),
        (REPLY, "prompt_cache_key", Skip),
        (REPLY, "prompt_cache_retention", Skip),
        (REPLY, "reasoning", Skip),
        (REPLY, "safety_identifier", Skip),
        (REPLY, "tool_choice", Skip),
        (REPLY, "tools", Skip),
        (REPLY, "usage", Skip),
        (REPLY, "user", Skip),
        (REPLY, "data", Node(ITEM)),
        (REPLY, "item", Node(ITEM)),
        (REPLY, "part", Any(OWN)),
        (REPLY, "annotation", Any(OWN)),
        (REPLY, "response", Node(REPLY)),
        (REPLY, "error", Any(OWN)),
        (REPLY, "message", Text(OWN)),
        (REPLY, "incomplete_details", Any(OWN)),
        (REPLY, "output_text", Text(OWN)),
        (REPLY, "delta", JsonIf(BITS, "arguments.delta")),
        (REPLY, "text", TextOr(OWN, TOOLS)),
        (REPLY, "refusal", Text(OWN)),
        (REPLY, "transcript", Text(OWN)),
        (REPLY, "code", Text(OWN)),
        (REPLY, "input", Text(OWN)),
        (REPLY, "arguments", Json(OWN)),
        (ITEM, "arguments", Json(OWN)),
        (ITEM, "name", Skip),
        (ITEM, "namespace", Skip),
        (ITEM, "server_label", Skip),
        (ITEM, "container_id", Skip),
        (ITEM, "phase", Skip),
        (ITEM, "result", Skip),
        (ITEM, "tools", Node(TOOLS)),
        (ITEM, "created_by", Skip),
    ],
    others: &[(REPLY, Any(OWN)), (ITEM, Any(OWN)), (TOOLS, Node(TOOLS))],
    by_place: &[],
    calls: &[],
    ends: |kind| match kind {
        "response.completed" | "response.incomplete" | "response.failed" | "error" => Ends::All,
        kind if kind.strip_suffix(".done").is_some() => Ends::Place,
        _ => Ends::Nothing,
    },
    by_type: true,
};
