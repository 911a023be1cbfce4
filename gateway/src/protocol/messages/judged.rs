//! What of a body of messages is judged.
//!
//! Source: Anthropic API reference, "Create a Message": `tools` (those without a `type`, and of `type` `custom`, are the
//! caller's, and of Anthropic's own those that are named as client tools), `thinking`, `max_tokens`.

use crate::protocol::{
    chat_completions::COUNTS,
    json_read,
    judged::{Judged, JudgedRules, Member},
    provider_tools::{Runner, Tool, ToolRules},
    routing_fields::{self, string},
    spelling::Spelling,
};

/// The member that caps the output.
pub(super) const CAP: &str = "max_tokens";

/// What begins so the caller runs, or only looks among the caller's own tools.
const CALLERS: [&str; 5] = ["bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_"];

/// The rules.
pub(super) const RULES: JudgedRules = JudgedRules {
    spelling: Spelling::One,
    choosing: &["providerOptions"],
    counts: &COUNTS,
    caps: &routing_fields::CAPS,
    has_tool_calls: false,
    tools: ToolRules::ByType { runner, has_uses: true },
    look,
};

fn runner(tool: &Tool<'_>) -> Runner {
    match tool.kind {
        None | Some("custom") => Runner::Caller,
        Some(kind) if CALLERS.iter().any(|begin| kind.starts_with(begin)) => Runner::Caller,
        Some(_) => Runner::Provider,
    }
}

/// A budget for thinking; servers that take Anthropic's models in a chat know it there too.
pub(in crate::protocol) fn look(judged: &mut Judged, member: &Member<'_>) {
    if member.name == "thinking"
        && let Some([Some(kind), Some(budget)]) = json_read::values(member.value(), ["type", "budget_tokens"])
        && string(kind).as_deref() == Some("enabled")
    {
        judged.thinks("budget_tokens", budget);
    }
}
