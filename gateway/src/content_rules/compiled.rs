//! One rule, its expression compiled.

use bitrouter_proto::account::policy::ContentAction;
use icu_normalizer::ComposingNormalizerBorrowed;
use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_syntax::{Parser, hir::Hir};

use super::{ContentRule, ContentRuleError};

/// The most that an expression takes compiled, in bytes.
const COMPILED: usize = 1 << 20;

/// A rule that is ready to be used.
#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) rule: ContentRule,
    /// The expression as it was read.
    pub(super) expression: Hir,
    pub(super) nfa: NFA,
    /// The bytes with which a find can begin.
    first: Box<[bool; 256]>,
    /// The longest find, in bytes.
    pub(super) longest: usize,
    /// The expression matches longer texts than that.
    pub(super) is_capped: bool,
    /// It looks at what stands around a find.
    pub(super) looks_around: bool,
}

impl CompiledRule {
    pub(super) fn new(rule: ContentRule) -> Result<Self, ContentRuleError> {
        match compile(&rule.pattern) {
            Ok((expression, nfa)) => {
                let own = expression.properties().maximum_len();
                let Some(longest) = rule.max_length.or(own) else {
                    return Err(wrong(&rule, "its finds have no longest one"));
                };
                Ok(Self {
                    first: first_bytes(&nfa),
                    longest,
                    is_capped: own.is_none_or(|own| own > longest),
                    looks_around: !nfa.look_set_any().is_empty(),
                    expression,
                    nfa,
                    rule,
                })
            }
            Err(reason) => Err(wrong(&rule, &reason)),
        }
    }

    pub(super) fn begins_with(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    pub(super) fn blocks(&self) -> bool {
        self.rule.action == ContentAction::Block
    }
}

fn wrong(rule: &ContentRule, reason: &str) -> ContentRuleError {
    ContentRuleError { policy: rule.policy, name: rule.name.clone(), reason: reason.to_owned() }
}

fn compile(pattern: &str) -> Result<(Hir, NFA), String> {
    // Texts are looked at in this form, so nothing else would ever be found.
    let pattern = ComposingNormalizerBorrowed::new_nfc().normalize(pattern);
    let expression = Parser::new().parse(&pattern).map_err(|error| error.to_string())?;
    let config = thompson::Config::new().nfa_size_limit(Some(COMPILED)).which_captures(WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(&expression);
    Ok((expression, nfa.map_err(|error| error.to_string())?))
}

/// The bytes with which a text begins that `nfa` matches, whatever stands around it.
fn first_bytes(nfa: &NFA) -> Box<[bool; 256]> {
    let mut first = Box::new([false; 256]);
    let mut seen = vec![false; nfa.states().len()];
    let mut open = vec![nfa.start_anchored()];
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.as_usize()], true) {
            continue;
        }
        let mut note = |start: u8, end: u8| (start..=end).for_each(|byte| first[usize::from(byte)] = true);
        match nfa.state(id) {
            State::ByteRange { trans } => note(trans.start, trans.end),
            State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| note(trans.start, trans.end)),
            State::Dense(dense) => {
                (0..=255).filter(|byte| dense.matches_byte(*byte).is_some()).for_each(|byte| note(byte, byte));
            }
            State::Look { next, .. } | State::Capture { next, .. } => open.push(*next),
            State::Union { alternates } => open.extend(alternates.iter()),
            State::BinaryUnion { alt1, alt2 } => open.extend([*alt1, *alt2]),
            State::Fail | State::Match { .. } => {}
        }
    }
    first
}
