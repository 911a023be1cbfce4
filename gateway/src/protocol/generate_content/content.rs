//! Where content holds what the model wrote: parts of candidates, of which `thought` says that it is no part of the reply.
//! Each name in either spelling.
//!
//! What code printed that the model had run is none of its writing.
//!
//! Source: Gemini API reference, `Candidate`, `Part`, "Code execution"; Vertex AI, `FunctionCall.partialArgs`.

use crate::protocol::content::{
    ContentMap,
    Kind::{self, Visible},
    Marked, ROOT, Retelling,
    Role::{Mark, Node, Opaque, Text, Value},
};

const CANDIDATE: u8 = 1;
const CONTENT: u8 = 2;
const PART: u8 = 3;
const CALL: u8 = 4;
const CODE: u8 = 5;
/// An argument that comes in pieces.
const ARGUMENT: u8 = 6;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "candidates", Node(CANDIDATE)),
        (CANDIDATE, "content", Node(CONTENT)),
        (CONTENT, "parts", Node(PART)),
        (PART, "text", Text(Kind::Marked)),
        (PART, "thought", Mark),
        (PART, "functionCall", Node(CALL)),
        (PART, "function_call", Node(CALL)),
        (PART, "toolCall", Node(CALL)),
        (PART, "tool_call", Node(CALL)),
        (PART, "executableCode", Node(CODE)),
        (PART, "executable_code", Node(CODE)),
        (PART, "codeExecutionResult", Opaque(Visible)),
        (PART, "code_execution_result", Opaque(Visible)),
        (PART, "inlineData", Opaque(Visible)),
        (PART, "inline_data", Opaque(Visible)),
        (PART, "fileData", Opaque(Visible)),
        (PART, "file_data", Opaque(Visible)),
        (CALL, "args", Value(Visible)),
        (CALL, "partialArgs", Node(ARGUMENT)),
        (CALL, "partial_args", Node(ARGUMENT)),
        (ARGUMENT, "stringValue", Text(Visible)),
        (ARGUMENT, "string_value", Text(Visible)),
        (ARGUMENT, "jsonPath", Opaque(Visible)),
        (ARGUMENT, "json_path", Opaque(Visible)),
        (CODE, "code", Text(Visible)),
    ],
    marked: &[PART],
    mark: |thought| if thought == b"true" { Marked::Reasoning } else { Marked::Visible },
    retold: &[],
    retelling: |_| Retelling::Whole,
};
