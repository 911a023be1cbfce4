//! All rules over one text that comes in pieces: what is decided, what is to be redacted, whether it is blocked.

use std::ops::Range;

use super::{
    ContentRules,
    normal::Normal,
    search::{RuleScan, Scratch, Window},
};

/// A stretch of the text that is to be redacted; finds that overlap are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Where it stands in the text.
    pub(crate) at: Range<usize>,
    /// The number of the rule that found its beginning.
    pub(crate) rule: usize,
}

/// One text on its way. Places are bytes of the text as it was pushed.
#[derive(Debug)]
pub(crate) struct TextScan {
    normal: Normal,
    rules: Vec<RuleScan>,
    /// In their order; those that end before what is decided may have been dropped.
    regions: Vec<Region>,
    decided: usize,
    pushed: usize,
    blocked: Option<usize>,
}

impl TextScan {
    /// A text that begins.
    pub(crate) fn new(rules: &ContentRules) -> Self {
        Self {
            normal: Normal::default(),
            rules: rules.rules.iter().map(|_| RuleScan::new()).collect(),
            regions: Vec::new(),
            decided: 0,
            pushed: 0,
            blocked: None,
        }
    }

    /// All of a text at once; `None` where no rule finds anything in it.
    pub(crate) fn of_whole(rules: &ContentRules, scratch: &mut Scratch, text: &str) -> Option<Self> {
        let mut normal = Normal::default();
        normal.push(text);
        normal.finish();
        if !rules.may_find(normal.form()) {
            return None;
        }
        let mut scan = Self { normal, pushed: text.len(), ..Self::new(rules) };
        scan.advance(rules, scratch, true);
        (scan.blocked.is_some() || !scan.regions.is_empty()).then_some(scan)
    }

    /// Takes a piece.
    pub(crate) fn push(&mut self, rules: &ContentRules, scratch: &mut Scratch, piece: &str) {
        if self.blocked.is_none() && !piece.is_empty() {
            self.pushed += piece.len();
            self.normal.push(piece);
            self.advance(rules, scratch, false);
        }
    }

    /// The text has ended: all of it is decided.
    pub(crate) fn finish(&mut self, rules: &ContentRules, scratch: &mut Scratch) {
        if self.blocked.is_none() {
            self.normal.finish();
            self.advance(rules, scratch, true);
        }
    }

    /// Before this place everything is decided: it is in a region that is known, or no rule redacts it.
    pub(crate) fn decided(&self) -> usize {
        self.decided
    }

    /// The length of the text so far.
    #[cfg(test)]
    pub(super) fn pushed(&self) -> usize {
        self.pushed
    }

    /// The number of the rule that blocks.
    pub(crate) fn blocked(&self) -> Option<usize> {
        self.blocked
    }

    /// What is to be redacted: all of it that begins before what is decided, but for what was forgotten.
    pub(crate) fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The rule because of which the least is decided.
    pub(crate) fn holder(&self, rules: &ContentRules) -> usize {
        let open = self.rules.iter().zip(&rules.rules).map(|(scan, rule)| scan.held_from(rule)).enumerate();
        open.min_by_key(|(_, from)| *from).map_or(0, |(rule, _)| rule)
    }

    /// Forgets regions that end before this place, which is decided.
    pub(crate) fn forget_before(&mut self, at: usize) {
        let gone = self.regions.iter().take_while(|region| region.at.end <= at).count();
        // The last one may still grow by what overlaps it.
        self.regions.drain(..gone.min(self.regions.len().saturating_sub(1)));
    }

    fn advance(&mut self, rules: &ContentRules, scratch: &mut Scratch, is_end: bool) {
        let window = Window { bytes: self.normal.form().as_bytes(), base: self.normal.base(), is_end };
        let mut finds = Vec::new();
        let mut held = self.normal.end();
        for (number, (scan, rule)) in self.rules.iter_mut().zip(&rules.rules).enumerate() {
            if scan.advance(rule, window, scratch, &mut finds) {
                self.blocked = Some(number);
                return;
            }
            held = held.min(scan.held_from(rule));
            for find in finds.drain(..) {
                add(&mut self.regions, Region { at: self.normal.text_of(find), rule: number });
            }
        }
        self.decided = if held < self.normal.end() {
            self.normal.begin_of(held)
        } else if is_end || self.tail_is_clear(rules) {
            self.pushed
        } else {
            self.normal.read()
        };
        self.normal.forget_before(held);
    }

    /// No find can begin in what is held back because more may be composed with it.
    fn tail_is_clear(&self, rules: &ContentRules) -> bool {
        let tail = self.normal.tail();
        tail.is_empty() || !rules.begins_beyond_ascii && !tail.bytes().any(|byte| rules.begins_with(byte))
    }
}

/// Adds a find to the regions, which stay in their order: those that it overlaps become one with it.
fn add(regions: &mut Vec<Region>, mut find: Region) {
    let from = regions.partition_point(|region| region.at.end <= find.at.start);
    let to = regions.partition_point(|region| region.at.start < find.at.end);
    for region in regions.drain(from..to.max(from)) {
        if region.at.start <= find.at.start {
            find.rule = region.rule;
        }
        find.at = find.at.start.min(region.at.start)..find.at.end.max(region.at.end);
    }
    regions.insert(from, find);
}
