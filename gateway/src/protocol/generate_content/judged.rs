//! What of a body of Google's is judged.
//!
//! Source: Gemini API reference, `models.generateContent` (`tools`, `serviceTier`), `GenerationConfig` (`maxOutputTokens`,
//! `candidateCount`, `thinkingConfig`, `responseModalities`, `speechConfig`, `imageConfig`); Vertex AI API reference,
//! `GenerationConfig` (`routingConfig`, `modelConfig`, `modelSelectionConfig`: they choose among models).

use super::parts::FREE;
use crate::protocol::{
    json_read,
    judged::{Judged, JudgedRules, Member, says_something},
    modalities,
    parts::Kind,
    provider_tools::ToolRules,
    spelling::Spelling,
};

/// The object that holds the caps, and the member that caps the output.
pub(super) const CONFIG: &str = "generation_config";
pub(super) const CAP: &str = "max_output_tokens";

/// Both spellings of each name are one.
pub(super) const SPELLING: Spelling = Spelling::Two { free: &FREE };

/// What else is looked at in [`CONFIG`].
const CANDIDATES: &str = "candidate_count";
const THINKING: &str = "thinking_config";
const MODALITIES: &str = "response_modalities";
const SPEECH: &str = "speech_config";
const IMAGE: &str = "image_config";

/// What chooses among models there.
const CHOOSING: [&str; 3] = ["routing_config", "model_config", "model_selection_config"];

/// The rules.
pub(super) const RULES: JudgedRules = JudgedRules {
    spelling: SPELLING,
    choosing: &[],
    counts: &[],
    caps: &[CONFIG],
    has_tool_calls: false,
    tools: ToolRules::ByMember(&["function_declarations", "computer_use"]),
    look,
};

fn look(judged: &mut Judged, member: &Member<'_>) {
    let raw = member.value();
    if !member.is(CONFIG) || raw == "null" {
        return;
    }
    let found = json_read::members(raw, |found: &mut Vec<(String, &str)>, name, at| {
        if let Ok(name) = std::str::from_utf8(name)
            && let Some(value) = raw.get(at)
            && is_known(name)
        {
            found.push((name.to_owned(), value));
        }
    });
    let Ok(found) = found else {
        // No cap can be put into what is no object.
        judged.bad_number.get_or_insert("generationConfig");
        return;
    };
    for (name, value) in found {
        let place = || format!("{}.{name}", member.name);
        if SPELLING.is(&name, CAP) {
            judged.count("maxOutputTokens", value);
        } else if SPELLING.is(&name, CANDIDATES) {
            judged.count("candidateCount", value);
        } else if SPELLING.is(&name, MODALITIES) {
            modalities::read(judged, &place(), value);
        } else if SPELLING.is(&name, THINKING) {
            let budgets = json_read::values(value, ["thinkingBudget", "thinking_budget"]).unwrap_or_default();
            for budget in budgets.into_iter().flatten() {
                judged.thinks("thinkingBudget", budget);
            }
        } else if says_something(value) {
            match () {
                () if SPELLING.is(&name, SPEECH) => judged.wants(Kind::Audio, &place()),
                () if SPELLING.is(&name, IMAGE) => judged.wants(Kind::Image, &place()),
                () => judged.chooses(place),
            }
        }
    }
}

fn is_known(name: &str) -> bool {
    [CAP, CANDIDATES, THINKING, MODALITIES, SPEECH, IMAGE]
        .iter()
        .chain(&CHOOSING)
        .any(|listed| SPELLING.is(name, listed))
}
