//! Where the texts of contents stand, in requests, replies and chunks, in either spelling of their names.
//!
//! In a stream the texts of a candidate are one, and those of its thoughts are another, as long as a chunk has one part of each; a
//! call ends both. An argument that comes in pieces is one text by its call and path. A thought whose part has a signature is
//! signed. Of tools and schemas the descriptions and titles are texts. What is not known of a reply is a text too.
//!
//! Source: Gemini API reference, `Content`, `Part`, `GenerateContentResponse`, `EmbedContentRequest`, `CountTokensRequest`; Vertex
//! AI, `FunctionCall.partialArgs`.

use crate::protocol::texts::{
    BITS, Ends, OWN, REPLY, REQUEST,
    Role::{Any, Data, Json, Node, Skip, Text, TextOr},
    TextMap,
};

const CONTENT: u8 = 2;
const PART: u8 = 3;
const CALL: u8 = 4;
const CODE: u8 = 5;
const CANDIDATE: u8 = 6;
const TOOLS: u8 = 7;
const GROUNDING: u8 = 8;
const BLOB: u8 = 9;
/// An argument that comes in pieces.
const ARGUMENT: u8 = 10;

pub(super) static MAP: TextMap = TextMap {
    members: &[
        (REQUEST, "contents", TextOr(OWN, CONTENT)),
        (REQUEST, "content", TextOr(OWN, CONTENT)),
        (REQUEST, "systemInstruction", TextOr(OWN, CONTENT)),
        (REQUEST, "system_instruction", TextOr(OWN, CONTENT)),
        (REQUEST, "requests", Node(REQUEST)),
        (REQUEST, "generateContentRequest", Node(REQUEST)),
        (REQUEST, "generate_content_request", Node(REQUEST)),
        (REQUEST, "title", Text(OWN)),
        (REQUEST, "tools", Node(TOOLS)),
        (REQUEST, "generationConfig", Node(TOOLS)),
        (REQUEST, "generation_config", Node(TOOLS)),
        (TOOLS, "description", TextOr(OWN, TOOLS)),
        (TOOLS, "title", TextOr(OWN, TOOLS)),
        (CONTENT, "parts", TextOr(BITS, PART)),
        (PART, "text", Text(BITS)),
        (PART, "inlineData", Node(BLOB)),
        (PART, "inline_data", Node(BLOB)),
        (PART, "videoMetadata", Skip),
        (PART, "video_metadata", Skip),
        (PART, "mediaResolution", Skip),
        (PART, "media_resolution", Skip),
        (PART, "functionCall", Node(CALL)),
        (PART, "function_call", Node(CALL)),
        (PART, "functionResponse", Node(CALL)),
        (PART, "function_response", Node(CALL)),
        (PART, "toolCall", Node(CALL)),
        (PART, "toolResponse", Node(CALL)),
        (PART, "executableCode", Node(CODE)),
        (PART, "executable_code", Node(CODE)),
        (PART, "codeExecutionResult", Node(CODE)),
        (PART, "code_execution_result", Node(CODE)),
        (CALL, "args", Json(OWN)),
        (CALL, "response", Json(OWN)),
        (CALL, "parts", Node(PART)),
        (CALL, "partialArgs", Node(ARGUMENT)),
        (CALL, "partial_args", Node(ARGUMENT)),
        (CALL, "scheduling", Skip),
        (ARGUMENT, "stringValue", Text(BITS)),
        (ARGUMENT, "string_value", Text(BITS)),
        (BLOB, "data", Data),
        (CODE, "language", Skip),
        (CODE, "outcome", Skip),
        (CODE, "code", Text(OWN)),
        (CODE, "output", Text(OWN)),
        (REPLY, "candidates", Node(CANDIDATE)),
        (REPLY, "error", Any(OWN)),
        (REPLY, "promptFeedback", Node(GROUNDING)),
        (REPLY, "usageMetadata", Skip),
        (REPLY, "promptTokensDetails", Skip),
        (REPLY, "cacheTokensDetails", Skip),
        (CANDIDATE, "safetyRatings", Skip),
        (CANDIDATE, "urlContextMetadata", Node(GROUNDING)),
        (CANDIDATE, "groundingAttributions", Node(GROUNDING)),
        (CANDIDATE, "content", Node(CONTENT)),
        (CANDIDATE, "finishMessage", Text(OWN)),
        (CANDIDATE, "groundingMetadata", Node(GROUNDING)),
        (CANDIDATE, "citationMetadata", Node(GROUNDING)),
        (GROUNDING, "blockReasonMessage", Text(OWN)),
        (GROUNDING, "webSearchQueries", Text(OWN)),
        (GROUNDING, "text", Text(OWN)),
        (GROUNDING, "title", Text(OWN)),
        (GROUNDING, "renderedContent", Text(OWN)),
    ],
    others: &[
        (REPLY, Any(OWN)),
        (CANDIDATE, Any(OWN)),
        (CONTENT, Any(OWN)),
        (PART, Any(OWN)),
        (CALL, Any(OWN)),
        (CODE, Any(OWN)),
        (TOOLS, Node(TOOLS)),
        (GROUNDING, Node(GROUNDING)),
    ],
    by_place: &[CANDIDATE],
    calls: &[CALL],
    ends: |_| Ends::Nothing,
    by_type: false,
};
