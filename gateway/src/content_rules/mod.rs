//! Content rules: expressions, and what becomes of a text in which one of them finds something. Pure: texts in, places out.
//!
//! **What a rule finds.** A rule reads the text in Unicode's form C (UAX #15) and all of it: where a text is cut into pieces
//! makes no difference. From the text's beginning, or the end of the find before, on: the next find begins at the first place
//! where the expression matches some text that is not empty and not longer than the rule's longest find, and is the one among
//! those that the expression prefers (leftmost-first, as in Perl). Where the rule names no longest find, that is what
//! `find_iter` of the crate `regex` gives, its empty finds aside. Look-around (`^`, `\b`, …) sees all of the text.
//!
//! **How.** `compiled` is an expression as an automaton; `search` runs one over a text on its way and knows from where on
//! something is still open: a find can begin there, so that no more than this is held back. `normal` makes form C of pieces and
//! knows which place in it is which in the text; `text_scan` runs all rules over one text.

mod compiled;
mod normal;
mod relaxed;
mod search;
mod text_scan;

use bitrouter_proto::account::{PolicyId, policy::ContentAction};

use self::{compiled::CompiledRule, relaxed::Quick};
pub(crate) use self::{search::Scratch, text_scan::TextScan};

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRule {
    /// Whose rule it is.
    pub policy: PolicyId,
    /// What it is called.
    pub name: String,
    /// What it looks for, in the syntax of the crate `regex`.
    pub pattern: String,
    /// What becomes of what it finds.
    pub action: ContentAction,
    /// The longest text that it finds, in bytes of form C; `None` where the expression has a bound of its own.
    pub max_length: Option<usize>,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content rule `{name}` of {policy} cannot be used: {reason}")]
pub struct ContentRuleError {
    /// Whose rule it is.
    pub policy: PolicyId,
    /// What it is called.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All rules that are in force for a call, ready to be used.
#[derive(Debug)]
pub struct ContentRules {
    rules: Vec<CompiledRule>,
    quick: Option<Quick>,
    /// A find of some rule can begin with a character that is not ASCII.
    begins_beyond_ascii: bool,
}

/// The rule that blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Whose rule it is.
    pub policy: PolicyId,
    /// What it is called.
    pub rule: String,
}

impl ContentRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// An expression is none, is too large, or its finds have no bound.
    pub fn new(rules: Vec<ContentRule>) -> Result<Self, ContentRuleError> {
        let rules: Vec<_> = rules.into_iter().map(CompiledRule::new).collect::<Result<_, _>>()?;
        let begins_beyond_ascii = rules.iter().any(|rule| (0x80..=0xff).any(|byte| rule.begins_with(byte)));
        Ok(Self { quick: Quick::new(&rules), begins_beyond_ascii, rules })
    }

    /// True where there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn begins_with(&self, byte: u8) -> bool {
        self.rules.iter().any(|rule| rule.begins_with(byte))
    }

    /// False where no rule finds anything in this text in form C; a quick look.
    fn may_find(&self, text: &str) -> bool {
        !self.rules.is_empty() && self.quick.as_ref().is_none_or(|quick| quick.may_find(text))
    }

    /// Whose the rule with this number is.
    pub(crate) fn blocked(&self, rule: usize) -> Option<Blocked> {
        let rule = &self.rules.get(rule)?.rule;
        Some(Blocked { policy: rule.policy, rule: rule.name.clone() })
    }
}

#[cfg(test)]
pub(crate) mod tests;
