//! The table of SDKs that are tried: which script, whose dialect, which cells. A line here is tried in CI and, in other cuts, by `make soak`.

use super::Cells;
use crate::dialects::Vendor;

/// What every place has to answer.
const COMMON: &[&str] = &["plain", "stream", "image", "error"];
/// What only a scripted provider does: the provider `demo` calls no tools and stalls on nobody.
const SCRIPTED: &[&str] = &["tools", "parallel_tools", "abort"];

const fn of(
    vendor: Vendor,
    script: &'static str,
    both: &'static [&'static str],
    scripted: &'static [&'static str],
) -> Cells {
    Cells { vendor, script, argument: "", both: [COMMON, both], scripted: [SCRIPTED, scripted] }
}

const fn ai(
    vendor: Vendor,
    argument: &'static str,
    both: &'static [&'static str],
    scripted: &'static [&'static str],
) -> Cells {
    Cells { argument, ..of(vendor, "ai.mjs", both, scripted) }
}

/// `openai` of PyPI: chat completions.
pub const OPENAI_CHAT_PYTHON: Cells = of(
    Vendor::OpenAi,
    "openai_chat_cells.py",
    &["stream_async", "structured_output", "embeddings", "models"],
    &["thinking", "completions"],
);
/// `openai` of PyPI: responses.
pub const OPENAI_RESPONSES_PYTHON: Cells =
    of(Vendor::OpenAi, "openai_responses_cells.py", &["structured_output", "count"], &["thinking", "stored"]);
/// `anthropic` of PyPI.
pub const ANTHROPIC_PYTHON: Cells = of(
    Vendor::Anthropic,
    "anthropic_cells.py",
    &["stream_async", "structured_output", "count", "models"],
    &["thinking", "beta"],
);
/// `google-genai` of PyPI.
pub const GOOGLE_PYTHON: Cells = of(
    Vendor::Google,
    "google_cells.py",
    &["stream_async", "structured_output", "embeddings", "count", "models"],
    &["thinking"],
);
/// `openai` of npm: chat completions.
pub const OPENAI_CHAT_NODE: Cells =
    of(Vendor::OpenAi, "openai_chat.mjs", &["structured_output", "embeddings", "models"], &["thinking", "completions"]);
/// `openai` of npm: responses.
pub const OPENAI_RESPONSES_NODE: Cells =
    of(Vendor::OpenAi, "openai_responses.mjs", &["structured_output", "count"], &["thinking", "stored"]);
/// `@anthropic-ai/sdk` of npm.
pub const ANTHROPIC_NODE: Cells =
    of(Vendor::Anthropic, "anthropic.mjs", &["structured_output", "count", "models"], &["thinking", "beta"]);
/// `@google/genai` of npm.
pub const GOOGLE_NODE: Cells =
    of(Vendor::Google, "google.mjs", &["structured_output", "embeddings", "count", "models"], &["thinking"]);
/// `ai` with `@ai-sdk/openai`, responses (its default).
pub const AI_OPENAI_RESPONSES: Cells =
    ai(Vendor::OpenAi, "openai-responses", &["embeddings"], &["structured_output", "thinking"]);
/// `ai` with `@ai-sdk/openai`, chat completions.
pub const AI_OPENAI_CHAT: Cells = ai(Vendor::OpenAi, "openai-chat", &["embeddings"], &["structured_output"]);
/// `ai` with `@ai-sdk/openai-compatible`.
pub const AI_COMPATIBLE: Cells = ai(Vendor::OpenAi, "compatible", &["embeddings"], &["structured_output", "thinking"]);
/// `ai` with `@ai-sdk/anthropic`.
pub const AI_ANTHROPIC: Cells = ai(Vendor::Anthropic, "anthropic", &[], &["structured_output", "thinking"]);
/// `ai` with `@ai-sdk/google`.
pub const AI_GOOGLE: Cells = ai(Vendor::Google, "google", &["embeddings"], &["structured_output", "thinking"]);

/// All of them.
pub const ALL: [Cells; 13] = [
    OPENAI_CHAT_PYTHON,
    OPENAI_RESPONSES_PYTHON,
    ANTHROPIC_PYTHON,
    GOOGLE_PYTHON,
    OPENAI_CHAT_NODE,
    OPENAI_RESPONSES_NODE,
    ANTHROPIC_NODE,
    GOOGLE_NODE,
    AI_OPENAI_RESPONSES,
    AI_OPENAI_CHAT,
    AI_COMPATIBLE,
    AI_ANTHROPIC,
    AI_GOOGLE,
];
