//! One rule over one text on its way.
//!
//! The automaton is run by its states (Thompson's way), because a lazy table of them cannot be kept from one piece to the next
//! by many texts, and does not know where what is open has begun. Nothing is done for a byte with which no find begins as long
//! as nothing is open.
//!
//! Two steps. *Searching* follows every place where a find may have begun, each state of the automaton with the first such
//! place, so that it is known from where on something is open; where finds have a longest one, with the last such place too,
//! because that is the one which is still short enough. Where something ends, a find begins for certain. *Extending* then
//! follows the places where it can begin, one by one, to the end that the expression prefers.

use std::ops::Range;

use regex_automata::{
    nfa::thompson::{NFA, State},
    util::primitives::StateID,
};

use super::compiled::CompiledRule;

/// A state of the automaton, and where what led to it has begun.
type Thread = (StateID, usize);

/// What there is of a text in form C.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'t> {
    /// Its bytes; at least one character before the first place that matters, where there is one.
    pub(super) bytes: &'t [u8],
    /// Where in the text they begin.
    pub(super) base: usize,
    /// Nothing follows.
    pub(super) is_end: bool,
}

impl Window<'_> {
    fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes[at - self.base]
    }
}

/// Room to work in; nothing in it lasts.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// By state: the last closure in which it was reached.
    seen: Vec<u32>,
    closure: u32,
    open: Vec<StateID>,
    closed: Vec<Thread>,
    survivors: Vec<Thread>,
    next: Vec<Thread>,
}

/// What a match means for the rest of a closure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnMatch {
    /// Nothing.
    GoOn,
    /// What comes later is not preferred.
    Cut,
}

impl Scratch {
    fn begin_closure(&mut self, nfa: &NFA) {
        if self.seen.len() < nfa.states().len() {
            self.seen.resize(nfa.states().len(), 0);
        }
        self.closure = self.closure.wrapping_add(1);
        if self.closure == 0 {
            self.seen.fill(0);
            self.closure = 1;
        }
    }

    /// Adds to `closed` the states that read a byte and are reached from `thread` without one; true where it matches.
    fn follow(
        &mut self,
        rule: &CompiledRule,
        (state, start): Thread,
        window: Window<'_>,
        at: usize,
        on: OnMatch,
    ) -> bool {
        let mut matches = false;
        self.open.push(state);
        while let Some(id) = self.open.pop() {
            if std::mem::replace(&mut self.seen[id.as_usize()], self.closure) == self.closure {
                continue;
            }
            match rule.nfa.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => self.closed.push((id, start)),
                State::Look { look, next } => {
                    if rule.nfa.look_matcher().matches(*look, window.bytes, at - window.base) {
                        self.open.push(*next);
                    }
                }
                State::Union { alternates } => self.open.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => self.open.extend([*alt2, *alt1]),
                State::Capture { next, .. } => self.open.push(*next),
                State::Fail => {}
                State::Match { .. } => {
                    matches = true;
                    if on == OnMatch::Cut {
                        self.open.clear();
                    }
                }
            }
        }
        matches
    }

    /// Puts into `next` what is behind the states in `closed` after `byte`, as far as that is no longer than `longest`.
    fn step(&mut self, rule: &CompiledRule, byte: u8, at: usize, longest: usize) {
        self.next.clear();
        for (id, start) in self.closed.drain(..) {
            let to = match rule.nfa.state(id) {
                State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                State::Sparse(sparse) => sparse.matches_byte(byte),
                State::Dense(dense) => dense.matches_byte(byte),
                _ => None,
            };
            if let Some(to) = to
                && at + 1 - start <= longest
            {
                self.next.push((to, start));
            }
        }
    }
}

/// How far one rule has come.
#[derive(Debug)]
pub(super) struct RuleScan {
    at: usize,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// What is open, by its first place, and by its last one where that matters.
    Search { first: Vec<Thread>, last: Vec<Thread> },
    /// A find that begins at `start`, or behind it and before `until`.
    Extend { start: usize, until: usize, threads: Vec<Thread>, best: Option<usize> },
}

/// What became of a step.
enum Step {
    /// It goes on.
    On,
    /// More must be known.
    Wait,
    /// A find ends here, or more than one.
    Ends,
}

impl RuleScan {
    pub(super) fn new() -> Self {
        Self { at: 0, mode: Mode::Search { first: Vec::new(), last: Vec::new() } }
    }

    /// Before this place everything is decided.
    pub(super) fn held_from(&self, rule: &CompiledRule) -> usize {
        match &self.mode {
            Mode::Search { first, .. } => {
                let open = first.first().map_or(self.at, |(_, start)| *start);
                open.max(self.at.saturating_sub(rule.longest))
            }
            Mode::Extend { start, .. } => *start,
        }
    }

    /// Goes on as far as there is text; true where the rule blocks.
    pub(super) fn advance(
        &mut self,
        rule: &CompiledRule,
        window: Window<'_>,
        scratch: &mut Scratch,
        finds: &mut Vec<Range<usize>>,
    ) -> bool {
        loop {
            match &mut self.mode {
                Mode::Search { first, last } => {
                    if first.is_empty() {
                        let rest = &window.bytes[self.at - window.base..];
                        let skipped = rest.iter().position(|byte| rule.begins_with(*byte));
                        self.at += skipped.unwrap_or(rest.len());
                    }
                    match search(rule, window, scratch, self.at, first, last) {
                        Step::On => self.at += 1,
                        Step::Wait => return false,
                        Step::Ends if rule.blocks() => return true,
                        Step::Ends => {
                            let open = first.first().map_or(self.at, |(_, start)| *start);
                            let start = open.max(self.at.saturating_sub(rule.longest));
                            self.extend_from(rule, window, start, self.at);
                        }
                    }
                }
                Mode::Extend { start, threads, best, .. } => {
                    match extend(rule, window, scratch, self.at, *start, threads, best) {
                        Step::On => self.at += 1,
                        Step::Wait => return false,
                        Step::Ends => self.end_extend(rule, window, finds),
                    }
                }
            }
        }
    }

    /// Follows a find from the first place from `start` on where one may begin.
    fn extend_from(&mut self, rule: &CompiledRule, window: Window<'_>, start: usize, until: usize) {
        let start = (start..until).find(|at| rule.begins_with(window.byte(*at)));
        self.at = start.unwrap_or(until);
        self.mode = match start {
            Some(start) => {
                let threads = vec![(rule.nfa.start_anchored(), start)];
                Mode::Extend { start, until, threads, best: None }
            }
            None => Mode::Search { first: Vec::new(), last: Vec::new() },
        };
    }

    fn end_extend(&mut self, rule: &CompiledRule, window: Window<'_>, finds: &mut Vec<Range<usize>>) {
        let Mode::Extend { start, until, best, .. } = self.mode else { return };
        match best {
            Some(end) => {
                finds.push(start..end);
                self.at = end;
                self.mode = Mode::Search { first: Vec::new(), last: Vec::new() };
            }
            None => self.extend_from(rule, window, start + 1, until),
        }
    }
}

/// One place of a search: does something end here, and what is open behind it?
fn search(
    rule: &CompiledRule,
    window: Window<'_>,
    scratch: &mut Scratch,
    at: usize,
    first: &mut Vec<Thread>,
    last: &mut Vec<Thread>,
) -> Step {
    let is_last = at == window.end();
    if is_last && (first.is_empty() || rule.looks_around && !window.is_end) {
        return Step::Wait;
    }
    if rule.is_capped {
        // Of what is open the last place counts here, so what begins now comes first.
        scratch.begin_closure(&rule.nfa);
        scratch.closed.clear();
        let mut ends = false;
        for thread in &*last {
            ends |= scratch.follow(rule, *thread, window, at, OnMatch::GoOn);
        }
        if ends {
            return Step::Ends;
        }
        if !is_last {
            let byte = window.byte(at);
            if rule.begins_with(byte) {
                std::mem::swap(&mut scratch.closed, &mut scratch.survivors);
                scratch.closed.clear();
                scratch.begin_closure(&rule.nfa);
                scratch.follow(rule, (rule.nfa.start_anchored(), at), window, at, OnMatch::GoOn);
                let Scratch { seen, closure, closed, survivors, .. } = &mut *scratch;
                closed.extend(survivors.iter().filter(|(id, _)| seen[id.as_usize()] != *closure));
            }
            scratch.step(rule, byte, at, rule.longest);
            std::mem::swap(last, &mut scratch.next);
        }
    }
    scratch.begin_closure(&rule.nfa);
    scratch.closed.clear();
    let mut ends = false;
    for thread in &*first {
        ends |= scratch.follow(rule, *thread, window, at, OnMatch::GoOn);
    }
    if ends && !rule.is_capped {
        return Step::Ends;
    }
    if is_last {
        if scratch.closed.is_empty() || window.is_end {
            first.clear();
            last.clear();
        }
        return Step::Wait;
    }
    let byte = window.byte(at);
    if rule.begins_with(byte) {
        scratch.follow(rule, (rule.nfa.start_anchored(), at), window, at, OnMatch::GoOn);
    }
    // By its first place nothing is too long: another one that led to the same state may be a later one.
    scratch.step(rule, byte, at, usize::MAX);
    std::mem::swap(first, &mut scratch.next);
    Step::On
}

/// One place of a find that began at `start`.
fn extend(
    rule: &CompiledRule,
    window: Window<'_>,
    scratch: &mut Scratch,
    at: usize,
    start: usize,
    threads: &mut Vec<Thread>,
    best: &mut Option<usize>,
) -> Step {
    let is_last = at == window.end();
    if is_last && rule.looks_around && !window.is_end {
        return Step::Wait;
    }
    scratch.begin_closure(&rule.nfa);
    scratch.closed.clear();
    // A find is not empty: what would be one is passed over, and cuts nothing.
    let on = if at == start { OnMatch::GoOn } else { OnMatch::Cut };
    for thread in &*threads {
        if scratch.follow(rule, *thread, window, at, on) && on == OnMatch::Cut {
            *best = Some(at);
            break;
        }
    }
    if scratch.closed.is_empty() || at - start >= rule.longest || is_last && window.is_end {
        return Step::Ends;
    }
    if is_last {
        return Step::Wait;
    }
    scratch.step(rule, window.byte(at), at, rule.longest);
    std::mem::swap(threads, &mut scratch.next);
    if threads.is_empty() { Step::Ends } else { Step::On }
}
