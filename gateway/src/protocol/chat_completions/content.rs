//! Where a chat completion, a chunk of one and a completion hold content.
//!
//! Source: OpenAI API reference, objects "chat completion" and "chat completion chunk"; `reasoning_content` is DeepSeek's,
//! `reasoning`, `reasoning_details` and `images` OpenRouter's (some servers send several of these), parts of the kind `thinking` are Mistral's.

use crate::protocol::content::{
    ContentMap,
    Kind::{Reasoning, ReasoningAgain, Visible},
    Marked, ROOT, Retelling,
    Role::{Node, Opaque, Text, TextOr, Value},
};

const CHOICE: u8 = 1;
const MESSAGE: u8 = 2;
const PART: u8 = 3;
const THOUGHT: u8 = 4;
const CALL: u8 = 5;
const FUNCTION: u8 = 6;
const AUDIO: u8 = 7;
const DETAIL: u8 = 8;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "choices", Node(CHOICE)),
        (CHOICE, "delta", Node(MESSAGE)),
        (CHOICE, "message", Node(MESSAGE)),
        (CHOICE, "text", Text(Visible)),
        (CHOICE, "reasoning", Text(Reasoning)),
        (CHOICE, "reasoning_content", Text(ReasoningAgain)),
        (MESSAGE, "content", TextOr(Visible, PART)),
        (MESSAGE, "refusal", Text(Visible)),
        (MESSAGE, "reasoning", Text(Reasoning)),
        (MESSAGE, "reasoning_content", Text(ReasoningAgain)),
        (MESSAGE, "reasoning_text", Text(ReasoningAgain)),
        (MESSAGE, "thinking", Text(ReasoningAgain)),
        (MESSAGE, "reasoning_details", Node(DETAIL)),
        (MESSAGE, "tool_calls", Node(CALL)),
        (MESSAGE, "function_call", Node(FUNCTION)),
        (MESSAGE, "audio", Node(AUDIO)),
        (MESSAGE, "images", Opaque(Visible)),
        (PART, "text", Text(Visible)),
        (PART, "refusal", Text(Visible)),
        (PART, "image_url", Opaque(Visible)),
        (PART, "thinking", TextOr(Reasoning, THOUGHT)),
        (THOUGHT, "text", Text(Reasoning)),
        (DETAIL, "text", Text(ReasoningAgain)),
        (DETAIL, "summary", Text(ReasoningAgain)),
        (DETAIL, "data", Opaque(Reasoning)),
        (CALL, "function", Node(FUNCTION)),
        (CALL, "custom", Node(FUNCTION)),
        (FUNCTION, "arguments", Value(Visible)),
        (FUNCTION, "input", Text(Visible)),
        (AUDIO, "transcript", Text(Visible)),
        (AUDIO, "data", Opaque(Visible)),
    ],
    marked: &[],
    mark: |_| Marked::Visible,
    retold: &[],
    retelling: |_| Retelling::Whole,
};
