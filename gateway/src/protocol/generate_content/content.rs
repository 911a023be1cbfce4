//! Where content holds what the model wrote: parts of candidates, of which `thought` says that it is no part of the reply.
//!
//! Source: Gemini API reference, `Candidate`, `Part`.

use crate::protocol::content::{
    ContentMap,
    Kind::{self, Visible},
    Marked, ROOT,
    Role::{Mark, Node, Text, Value},
};

const CANDIDATE: u8 = 1;
const CONTENT: u8 = 2;
const PART: u8 = 3;
const CALL: u8 = 4;
const CODE: u8 = 5;

pub(super) static MAP: ContentMap = ContentMap {
    members: &[
        (ROOT, "candidates", Node(CANDIDATE)),
        (CANDIDATE, "content", Node(CONTENT)),
        (CONTENT, "parts", Node(PART)),
        (PART, "text", Text(Kind::Marked)),
        (PART, "thought", Mark),
        (PART, "functionCall", Node(CALL)),
        (PART, "executableCode", Node(CODE)),
        (CALL, "args", Value(Visible)),
        (CODE, "code", Text(Visible)),
    ],
    marked: &[PART],
    mark: |thought| if thought == b"true" { Marked::Reasoning } else { Marked::Visible },
};
