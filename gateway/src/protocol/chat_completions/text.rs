//! Where the texts of chat completions, completions and embeddings stand, in requests, replies and chunks.
//!
//! A tool call ends the texts of its choice before it: what follows it is another text. Of tools the descriptions and titles
//! are texts, at any depth of their schemas. Reasoning that a provider tells with its signature (`reasoning_details` is
//! OpenRouter's, `thinking_blocks` LiteLLM's) is signed where that is there, and in a stream as long as it has not come. What is
//! not known of a reply is a text too.
//!
//! Source: OpenAI API reference, "Create chat completion", "Create completion", "Create embeddings".

use crate::protocol::texts::{
    BITS, Ends, OWN, REPLY, REQUEST,
    Role::{Any, Json, Node, Skip, Text, TextOr},
    SIGNED_BITS, TextMap,
};

const MESSAGE: u8 = 2;
const CALL: u8 = 3;
const FUNCTION: u8 = 4;
const CHOICE: u8 = 5;
const TOOLS: u8 = 6;
const PREDICTION: u8 = 7;
const AUDIO: u8 = 8;

pub(super) static MAP: TextMap = TextMap {
    members: &[
        (REQUEST, "messages", Node(MESSAGE)),
        (REQUEST, "prompt", Text(OWN)),
        (REQUEST, "suffix", Text(OWN)),
        (REQUEST, "instruction", Text(OWN)),
        (REQUEST, "input", Any(OWN)),
        (REQUEST, "tools", Node(TOOLS)),
        (REQUEST, "functions", Node(TOOLS)),
        (REQUEST, "response_format", Node(TOOLS)),
        (REQUEST, "prediction", Node(PREDICTION)),
        (PREDICTION, "content", Any(OWN)),
        (TOOLS, "description", TextOr(OWN, TOOLS)),
        (TOOLS, "title", TextOr(OWN, TOOLS)),
        (REPLY, "choices", Node(CHOICE)),
        (REPLY, "error", Any(OWN)),
        (REPLY, "search_results", Any(OWN)),
        (REPLY, "usage", Skip),
        (REPLY, "prompt_filter_results", Skip),
        (CHOICE, "content_filter_results", Skip),
        (CHOICE, "delta", Node(MESSAGE)),
        (CHOICE, "message", Node(MESSAGE)),
        (CHOICE, "text", Text(BITS)),
        (MESSAGE, "name", Text(OWN)),
        (MESSAGE, "content", Any(BITS)),
        (MESSAGE, "tool_calls", Node(CALL)),
        (MESSAGE, "function_call", Node(FUNCTION)),
        (MESSAGE, "audio", Node(AUDIO)),
        (MESSAGE, "reasoning_details", Any(SIGNED_BITS)),
        (MESSAGE, "thinking_blocks", Any(SIGNED_BITS)),
        (CALL, "function", Node(FUNCTION)),
        (CALL, "custom", Node(FUNCTION)),
        (FUNCTION, "arguments", Json(BITS)),
        (FUNCTION, "input", Text(BITS)),
        (AUDIO, "transcript", Text(BITS)),
    ],
    others: &[(REPLY, Any(OWN)), (CHOICE, Any(OWN)), (MESSAGE, Any(BITS)), (TOOLS, Node(TOOLS))],
    by_place: &[CHOICE, CALL],
    calls: &[],
    ends: |_| Ends::Nothing,
    by_type: false,
};
