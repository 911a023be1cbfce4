//! What of a body of responses is judged.
//!
//! Source: OpenAI API reference, "Create a model response": `tools`, `max_tool_calls`, `max_output_tokens`, `background`.

use crate::protocol::{
    chat_completions::{COUNTS, runner},
    judged::JudgedRules,
    provider_tools::ToolRules,
    spelling::Spelling,
};

/// The member that caps the output.
pub(super) const CAP: &str = "max_output_tokens";

/// The member that bounds the uses of what the provider runs.
pub(super) const TOOL_CALLS: &str = "max_tool_calls";

/// The rules.
pub(super) const RULES: JudgedRules = JudgedRules {
    spelling: Spelling::One,
    choosing: &["providerOptions"],
    counts: &COUNTS,
    caps: &["max_tokens", "max_completion_tokens", CAP, TOOL_CALLS],
    has_tool_calls: true,
    tools: ToolRules::ByType { runner, has_uses: false },
    look: |_, _| (),
};
