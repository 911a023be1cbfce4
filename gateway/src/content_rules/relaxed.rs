//! A quick look at a whole text: does any rule find anything in it at all? Nearly always none does.
//!
//! One lazy automaton for all rules, their look-around left away: it says yes too often, and never no where a rule finds
//! something.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

use regex_automata::{
    Input,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson::{self, WhichCaptures},
    util::pool::Pool,
};
use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::compiled::CompiledRule;

/// Expressions that take more than this together, in bytes, are not looked at together.
const LARGEST: usize = 16 << 20;

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// The automaton of all rules.
pub(super) struct Quick {
    dfa: DFA,
    caches: Pool<Cache, NewCache>,
}

impl fmt::Debug for Quick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quick")
    }
}

impl Quick {
    /// `None` where there is no rule, or too much of them.
    pub(super) fn new(rules: &[CompiledRule]) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let relaxed: Vec<Hir> = rules.iter().map(|rule| relaxed(&rule.expression)).collect();
        let config = thompson::Config::new().nfa_size_limit(Some(LARGEST)).which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&relaxed).ok()?;
        let config = DFA::config().skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let new: NewCache = {
            let dfa = dfa.clone();
            Box::new(move || dfa.create_cache())
        };
        Some(Self { dfa, caches: Pool::new(new) })
    }

    /// False where no rule finds anything in `text`.
    pub(super) fn may_find(&self, text: &str) -> bool {
        let mut cache = self.caches.get();
        let found = self.dfa.try_search_fwd(&mut cache, &Input::new(text).earliest(true));
        !matches!(found, Ok(None))
    }
}

/// The expression without its look-around.
fn relaxed(expression: &Hir) -> Hir {
    match expression.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub: Box::new(relaxed(sub)) })
        }
        HirKind::Capture(group) => relaxed(&group.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(relaxed).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(relaxed).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => expression.clone(),
    }
}
