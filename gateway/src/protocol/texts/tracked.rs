//! One text on its way through the rules, from the strings that it is written in to the changes of them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use super::{
    REDACTED,
    literal::{Half, Run, Spelt},
    values::{Told, Values},
};
use crate::content_rules::{ContentRules, Scratch, TextScan};

/// What all texts share that one reader follows.
#[derive(Debug)]
pub(super) struct Desk<'r> {
    pub(super) rules: &'r ContentRules,
    pub(super) scratch: &'r mut Scratch,
    pub(super) edits: &'r mut Edits,
}

/// Changes by where they begin: what they end at, and what stands there then.
pub(super) type Edits = BTreeMap<usize, (usize, Cow<'static, str>)>;

/// The number of the rule that blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block(pub(super) usize);

/// A text, or JSON whose string values are texts.
#[derive(Debug)]
pub(super) struct Tracked {
    values: Option<Values>,
    open: Option<Open>,
    /// Its signature may still come: what is to be redacted waits for it.
    may_be_signed: bool,
    is_signed: bool,
    /// Half a character, of which the other may be in the next piece.
    half: Option<Half>,
}

/// A text that has begun.
#[derive(Debug)]
struct Open {
    scan: TextScan,
    /// Where what is not decided stands, and perhaps some of what is before it.
    runs: VecDeque<Run>,
    length: usize,
    /// Up to here changes were made.
    changed: usize,
    /// What must not be changed.
    signed: Vec<Range<usize>>,
    /// Where something waits for its signature, and because of which rule.
    waits: Option<(usize, usize)>,
}

impl Tracked {
    pub(super) fn new(is_json: bool) -> Self {
        Self { values: is_json.then(Values::new), open: None, may_be_signed: false, is_signed: false, half: None }
    }

    /// One whose signature may come behind it.
    pub(super) fn to_sign() -> Self {
        Self { may_be_signed: true, ..Self::new(false) }
    }

    /// Its signature has come.
    pub(super) fn sign(&mut self) -> Result<(), Block> {
        if !std::mem::take(&mut self.may_be_signed) {
            return Ok(());
        }
        self.is_signed = true;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.signed.push(open.changed..open.length);
        open.waits.map_or(Ok(()), |(_, rule)| Err(Block(rule)))
    }

    /// Goes on with a piece; `is_signed`: it must not be changed.
    pub(super) fn push(&mut self, desk: &mut Desk<'_>, piece: Spelt, is_signed: bool) -> Result<(), Block> {
        if piece.text.is_empty() {
            return Ok(());
        }
        let mut piece = match self.half.take() {
            Some(half) => piece.behind(half),
            None => piece,
        };
        self.half = piece.take_half();
        self.push_whole(desk, piece, is_signed)
    }

    fn push_whole(&mut self, desk: &mut Desk<'_>, piece: Spelt, is_signed: bool) -> Result<(), Block> {
        let told = match &mut self.values {
            None => vec![Told::Text(piece)],
            Some(values) => values.push(&piece),
        };
        self.take(desk, told, is_signed)
    }

    /// It has ended.
    pub(super) fn finish(&mut self, desk: &mut Desk<'_>) -> Result<(), Block> {
        if let Some(half) = self.half.take() {
            self.push_whole(desk, Spelt::of_half(&half), false)?;
        }
        let told = self.values.as_mut().map_or_else(Vec::new, Values::finish);
        self.take(desk, told, false)?;
        self.end_text(desk)
    }

    /// Where the first character stands of which it is open what becomes of it, and the rule because of which it is.
    pub(super) fn open_from(&self, rules: &ContentRules) -> Option<(usize, usize)> {
        let untold = self.values.as_ref().and_then(Values::untold).map(|at| (at, 0));
        let open = self.open.as_ref().and_then(|open| match open.waits {
            Some((at, rule)) => Some((open.place(at), rule)),
            None if open.scan.decided() < open.length => {
                Some((open.place(open.scan.decided()), open.scan.holder(rules)))
            }
            None => None,
        });
        let half = self.half.as_ref().map(|half| (half.at.start, 0));
        open.into_iter().chain(untold).chain(half).min()
    }

    fn take(&mut self, desk: &mut Desk<'_>, told: Vec<Told>, is_signed: bool) -> Result<(), Block> {
        let (is_signed, may_be_signed) = (is_signed || self.is_signed, self.may_be_signed);
        for told in told {
            match told {
                Told::Text(text) => {
                    let open = self.open.get_or_insert_with(|| Open::new(desk.rules));
                    open.push(desk, &text, is_signed, may_be_signed)?;
                }
                Told::End => self.end_text(desk)?,
            }
        }
        Ok(())
    }

    fn end_text(&mut self, desk: &mut Desk<'_>) -> Result<(), Block> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.scan.finish(desk.rules, desk.scratch);
        open.change(desk, false)
    }
}

impl Open {
    fn new(rules: &ContentRules) -> Self {
        Self::of(TextScan::new(rules))
    }

    fn of(scan: TextScan) -> Self {
        Self { scan, runs: VecDeque::new(), length: 0, changed: 0, signed: Vec::new(), waits: None }
    }

    fn push(&mut self, desk: &mut Desk<'_>, piece: &Spelt, is_signed: bool, may_be_signed: bool) -> Result<(), Block> {
        self.note(piece, is_signed);
        self.scan.push(desk.rules, desk.scratch, &piece.text);
        self.change(desk, may_be_signed)
    }

    fn note(&mut self, piece: &Spelt, is_signed: bool) {
        let begin = self.length;
        self.length += piece.text.len();
        self.runs.extend(piece.runs.iter().map(|run| Run { text: run.text + begin, ..*run }));
        if is_signed && begin < self.length {
            self.signed.push(begin..self.length);
        }
    }

    /// Makes the changes that are decided; where it may be signed yet, they wait for that.
    fn change(&mut self, desk: &mut Desk<'_>, may_be_signed: bool) -> Result<(), Block> {
        if let Some(rule) = self.scan.blocked() {
            return Err(Block(rule));
        }
        let decided = self.scan.decided();
        for region in self.scan.regions() {
            let at = region.at.start.max(self.changed)..region.at.end.min(decided);
            if at.is_empty() {
                continue;
            }
            if self.signed.iter().any(|signed| signed.start < at.end && at.start < signed.end) {
                return Err(Block(region.rule));
            }
            if may_be_signed {
                self.waits = Some((at.start, region.rule));
                return Ok(());
            }
            let mut with = if at.start == region.at.start { REDACTED } else { "" };
            for place in places(&self.runs, at) {
                desk.edits.insert(place.start, (place.end, Cow::Borrowed(std::mem::take(&mut with))));
            }
        }
        self.changed = decided;
        self.scan.forget_before(decided);
        while self.runs.front().is_some_and(|run| run.text + run.length <= decided) {
            self.runs.pop_front();
        }
        self.signed.retain(|signed| signed.end > decided);
        Ok(())
    }

    fn place(&self, text: usize) -> usize {
        let run = self.runs.iter().find(|run| text < run.text + run.length);
        run.map_or(0, |run| if run.is_plain { run.at + (text - run.text) } else { run.at })
    }
}

/// Where a stretch of a text stands; what follows each other there is one place.
fn places(runs: &VecDeque<Run>, text: Range<usize>) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut is_within = false;
    for run in runs {
        // What has no length is the rest of the character before.
        if run.length > 0 {
            is_within = run.text < text.end && text.start < run.text + run.length;
        }
        if !is_within {
            continue;
        }
        let place = if run.is_plain {
            let (start, end) = (text.start.max(run.text), text.end.min(run.text + run.length));
            run.at + (start - run.text)..run.at + (end - run.text)
        } else {
            run.at..run.at + run.spelt
        };
        match places.last_mut() {
            Some(last) if last.end == place.start => last.end = place.end,
            _ => places.push(place),
        }
    }
    places
}

/// Judges a text that is there as a whole, written in one string.
pub(super) fn judge_whole(desk: &mut Desk<'_>, text: &Spelt, is_signed: bool) -> Result<(), Block> {
    let Some(scan) = TextScan::of_whole(desk.rules, desk.scratch, &text.text) else { return Ok(()) };
    let mut open = Open::of(scan);
    open.note(text, is_signed);
    open.change(desk, false)
}
