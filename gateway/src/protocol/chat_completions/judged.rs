//! What of a body of chat completions, completions or embeddings is judged.
//!
//! Source: OpenAI API reference, "Create chat completion": `tools`, `functions` (deprecated, the caller's), `max_tokens`
//! (deprecated), `max_completion_tokens`, `n`; "Create completion": `best_of`. Groq API reference, `compound_custom`; Vercel AI
//! Gateway, "Provider options".

use crate::protocol::{
    json_read,
    judged::{Judged, JudgedRules, Member},
    messages::look_for_thinking,
    provider_tools::{Runner, Tool, ToolRules},
    routing_fields,
    spelling::Spelling,
};

/// The members that cap the output of a chat; the first one that of a completion.
pub(super) const CAPS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Caps and counts, those of responses too: some servers take them here.
pub(in crate::protocol) const COUNTS: [&str; 5] =
    ["max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"];

/// The rules.
pub(super) const RULES: JudgedRules = JudgedRules {
    spelling: Spelling::One,
    choosing: &["compound_custom", "providerOptions"],
    counts: &COUNTS,
    caps: &routing_fields::CAPS,
    has_tool_calls: false,
    tools: ToolRules::ByType { runner, has_uses: false },
    look,
};

/// Budgets for thinking, which OpenAI itself does not have: Anthropic's endpoint for chats
/// (<https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk>, `thinking`), OpenRouter's `reasoning`
/// (<https://openrouter.ai/docs/guides/best-practices/reasoning-tokens>, `max_tokens`).
fn look(judged: &mut Judged, member: &Member<'_>) {
    look_for_thinking(judged, member);
    if member.name == "reasoning"
        && let Some([Some(budget)]) = json_read::values(member.value(), ["max_tokens"])
    {
        judged.thinks("reasoning.max_tokens", budget);
    }
}

/// Who runs a tool of OpenAI's.
pub(in crate::protocol) fn runner(tool: &Tool<'_>) -> Runner {
    match tool.kind {
        Some("function" | "custom" | "local_shell" | "apply_patch" | "computer_use_preview") => Runner::Caller,
        Some("shell") if tool.is_local() => Runner::Caller,
        Some("namespace") => Runner::Several,
        _ => Runner::Provider,
    }
}
