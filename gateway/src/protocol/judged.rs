//! What policies, budgets and credit need to know of a body: what in it is ambiguous, what chooses another model or tier than
//! the one that was judged, what has a cost without a bound, and where its caps stand. Read only where one of them applies.
//!
//! What each dialect has of its own stands in its folder, as [`JudgedRules`].

use std::ops::Range;

use super::{
    modalities::{self, Wanted},
    output_asked,
    provider_tools::{self, ProviderTool, ToolRules},
    repeated,
    spelling::Spelling,
};

/// How many uses a provider's tools get where the caller bounds them by nothing: what is spliced in as `max_tool_calls`.
pub(crate) const TOOL_CALLS: u64 = 8;

/// What chooses another model, tier, payer or place, at the top of a body of any dialect. OpenAI API reference
/// (`service_tier`), Anthropic API reference (`service_tier`, `speed`, `inference_geo`, `fallbacks`), OpenRouter API reference
/// (`models`, `route`, `provider`, `plugins`, `preset`), which speaks all dialects but Google's.
const CHOOSING: [&str; 9] =
    ["models", "fallbacks", "route", "provider", "plugins", "preset", "service_tier", "speed", "inference_geo"];

/// Tiers that cost no more than the price of the manifest.
const PLAIN_TIERS: [&str; 5] = ["auto", "default", "standard", "standard_only", "flex"];

/// What has a cost without a bound, at the top of a body of any dialect.
const UNBOUNDED: [&str; 4] = ["background", "mcp_servers", "web_search_options", "search_parameters"];

/// What one dialect says of its bodies.
pub(super) struct JudgedRules {
    pub(super) spelling: Spelling,
    /// What chooses in this dialect besides, at the top.
    pub(super) choosing: &'static [&'static str],
    /// Members at the top that are caps or counts.
    pub(super) counts: &'static [&'static str],
    /// Members at the top that are replaced where the output is capped, those of other dialects among them.
    pub(super) caps: &'static [&'static str],
    /// `max_tool_calls` bounds the uses of all tools.
    pub(super) has_tool_calls: bool,
    pub(super) tools: ToolRules,
    /// Looks into a member of the top that means something in this dialect alone.
    pub(super) look: fn(&mut Judged, &Member<'_>),
}

/// A member at the top of a body.
pub(super) struct Member<'t> {
    pub(super) text: &'t str,
    /// As it stands there, escapes decoded.
    pub(super) name: &'t str,
    pub(super) at: Range<usize>,
    pub(super) spelling: Spelling,
}

impl<'t> Member<'t> {
    pub(super) fn is(&self, listed: &str) -> bool {
        self.spelling.is(self.name, listed)
    }

    pub(super) fn value(&self) -> &'t str {
        self.text.get(self.at.clone()).unwrap_or_default()
    }
}

/// Where a member stands that is replaced where the call is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CapPlace {
    /// Its name in the list of its dialect.
    pub(super) name: &'static str,
    /// It is spelt as it is there.
    pub(super) as_listed: bool,
    /// Its value.
    pub(super) at: Range<usize>,
}

/// What was found out of a body that is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// A member that stands twice in one object, at whatever depth; of Google's both spellings are one name. Nothing else that
    /// is said here holds then. 400.
    pub(crate) repeated: Option<String>,
    /// The first cap or count that is no integer from 1 to 2^31−1 (a budget for thinking may also be 0 or -1, which say whether
    /// there is one). 400, but for a call that is not bounded.
    pub(crate) bad_number: Option<&'static str>,
    /// `stream` says neither yes nor no: who takes what for a wish is not ours to guess. 400.
    pub(crate) is_stream_unclear: bool,
    /// The first member that chooses another model, tier, payer or place, as it stands there; of a tool with its place
    /// (`tools[1].model`). 403 under a rule for models, 402 under budget or credit.
    pub(crate) choosing: Option<String>,
    /// A reply is made that nobody waits for. 402 under budget or credit, 400 under any other policy.
    pub(crate) background: bool,
    /// The first member whose cost has no bound, as it stands there; `background` among them, tools not. 402 under budget or
    /// credit.
    pub(crate) unbounded: Option<String>,
    /// What the provider runs itself. Bounded where the manifest prices `kind`, and its own uses or those of all are bounded.
    pub(crate) tools: Vec<ProviderTool>,
    /// Another service looks things up for the model, or puts texts before the caller's.
    pub(super) has_plugins: bool,
    /// What the reply is to be besides text, each kind once. 402 under budget or credit where it has no price.
    pub(crate) wanted: Vec<Wanted>,
    /// How many uses of all tools together the caller allows, in a dialect that has such a bound.
    pub(crate) max_tool_calls: Option<u64>,
    /// The tokens for thinking that are stated: no cap may be at or below them.
    pub(crate) thinking: Option<u64>,
    /// Where the caps stand, in the order of the body.
    pub(super) caps: Vec<CapPlace>,
}

impl Judged {
    /// How often `tool` may be used at most, by its own bound and that of all: the caller's, else `tool_calls`, which is spliced
    /// in. `None` where nothing bounds it.
    pub(crate) fn uses_of(&self, tool: &ProviderTool, tool_calls: Option<u64>) -> Option<u64> {
        let of_all = self.max_tool_calls.or(tool_calls);
        tool.uses.into_iter().chain(of_all).min()
    }

    /// True where the provider may bring in more than the body holds.
    pub(crate) fn brings_more(&self) -> bool {
        self.has_plugins || self.unbounded.is_some() || !self.tools.is_empty()
    }

    /// Notes what a member says that is a cap or a count; `None` where it says none.
    pub(super) fn count(&mut self, name: &'static str, raw: &str) -> Option<u64> {
        if raw == "null" {
            return None;
        }
        let count = output_asked::cap(raw);
        if count.is_none() {
            self.bad_number.get_or_insert(name);
        }
        count
    }

    /// Notes the tokens that are stated for thinking: 0 is none, and -1 as many as the model likes.
    pub(super) fn thinks(&mut self, name: &'static str, raw: &str) {
        match raw {
            "null" | "0" | "-1" => {}
            _ => self.thinking = self.count(name, raw).max(self.thinking),
        }
    }

    /// Notes what chooses.
    pub(super) fn chooses(&mut self, name: impl FnOnce() -> String) {
        if self.choosing.is_none() {
            self.choosing = Some(name());
        }
    }

    fn member(&mut self, rules: &JudgedRules, member: &Member<'_>) {
        let (name, raw) = (member.name, member.value());
        let find = |list: &'static [&'static str]| rules.spelling.find(name, list);
        if let Some(listed) = find(&CHOOSING).or_else(|| find(rules.choosing)) {
            if says_something(raw) && !is_plain_choice(listed, raw) {
                self.has_plugins |= matches!(listed, "plugins" | "preset");
                self.chooses(|| name.to_owned());
            }
        } else if let Some(listed) = find(&UNBOUNDED) {
            let is_background = listed == "background" && !matches!(raw, "null" | "false");
            self.background |= is_background;
            if is_background || (listed != "background" && says_something(raw)) {
                self.unbounded.get_or_insert_with(|| name.to_owned());
            }
        } else if let Some(listed) = find(rules.counts) {
            self.count(listed, raw);
        } else if name == "stream" {
            self.is_stream_unclear = !matches!(raw, "true" | "false" | "null");
        } else if member.is("tools") {
            provider_tools::read(self, rules.tools, member);
        } else if rules.has_tool_calls && name == "max_tool_calls" {
            self.max_tool_calls = self.count("max_tool_calls", raw);
        } else {
            modalities::look(self, member);
        }
        if let Some(name) = find(rules.caps) {
            self.caps.push(CapPlace { name, as_listed: member.name == name, at: member.at.clone() });
        }
        (rules.look)(self, member);
    }
}

/// False for `null` and an empty list.
pub(super) fn says_something(raw: &str) -> bool {
    let is_empty = raw.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start() == "]");
    raw != "null" && !is_empty
}

/// True where a member that can choose says what holds anyway.
fn is_plain_choice(listed: &str, raw: &str) -> bool {
    let said = super::routing_fields::string(raw);
    match (listed, said.as_deref()) {
        ("service_tier", Some(tier)) => PLAIN_TIERS.contains(&tier),
        ("speed", Some(speed)) => speed == "standard",
        _ => false,
    }
}

/// Reads a body that was found to be one JSON object.
pub(super) fn read(text: &str, rules: &JudgedRules) -> Judged {
    let mut judged = Judged::default();
    let repeated = repeated::scan(text, rules.spelling, |name, at| {
        judged.member(rules, &Member { text, name, at, spelling: rules.spelling });
    });
    judged.repeated = repeated;
    judged
}

#[cfg(test)]
#[path = "judged_tests.rs"]
mod tests;
