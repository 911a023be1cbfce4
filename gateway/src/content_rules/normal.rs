//! Unicode's form C (UAX #15) of a text that comes in pieces, and which place in it is which in the text.
//!
//! A text is cut before each character that nothing before it can be composed with, and behind what is composed with nothing: what stands between two cuts has a form of
//! its own. Only what stands behind the last cut is held, nearly always one character.

use std::{collections::VecDeque, ops::Range};

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;

/// True where nothing before `c` is composed with it, or ordered around it.
#[expect(
    deprecated,
    reason = "no property of Unicode's own says it: starters and letters can be composed with what is before them"
)]
fn begins_segment(c: char) -> bool {
    // These begin with a mark when they are decomposed, and are no marks themselves.
    const BEGIN_WITH_A_MARK: [char; 3] = ['\u{f73}', '\u{f75}', '\u{f81}'];
    use icu_properties::props::SegmentStarter;
    c.is_ascii() || CodePointSetData::new::<SegmentStarter>().contains(c) && !BEGIN_WITH_A_MARK.contains(&c)
}

/// True where it is known that nothing which follows `c` is composed with it.
fn is_inert(c: char) -> bool {
    // Of ASCII, letters and these have composed forms.
    c.is_ascii() && !c.is_ascii_alphabetic() && !matches!(c, '<' | '=' | '>')
}

/// A stretch of the text, and its form.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Where it is in the text.
    text: usize,
    text_length: usize,
    /// Where it is in its form.
    normal: usize,
    normal_length: usize,
    /// Both are the same, byte by byte; otherwise it is one piece.
    is_same: bool,
}

/// A text on its way.
#[derive(Debug, Default)]
pub(super) struct Normal {
    /// What is behind the last cut.
    tail: String,
    /// The length of the text before the tail.
    read: usize,
    /// Its form, from `base` on.
    form: String,
    base: usize,
    runs: VecDeque<Run>,
}

impl Normal {
    /// Takes a piece.
    pub(super) fn push(&mut self, piece: &str) {
        if piece.chars().next_back().is_some_and(is_inert) {
            let before = std::mem::take(&mut self.tail);
            return if before.is_empty() { self.add(piece) } else { self.add(&(before + piece)) };
        }
        let Some(cut) = piece.char_indices().rev().find(|(_, c)| begins_segment(*c)).map(|(at, _)| at) else {
            self.tail.push_str(piece);
            return;
        };
        let mut before = std::mem::take(&mut self.tail);
        if before.is_empty() {
            self.add(&piece[..cut]);
        } else {
            before.push_str(&piece[..cut]);
            self.add(&before);
        }
        before.clear();
        before.push_str(&piece[cut..]);
        self.tail = before;
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        self.add(&tail);
    }

    /// Its form so far, from [`Normal::base`] on.
    pub(super) fn form(&self) -> &str {
        &self.form
    }

    /// Where what there is of its form begins.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// The length of the text whose form is known.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    /// What is held.
    pub(super) fn tail(&self) -> &str {
        &self.tail
    }

    /// The end of the form so far.
    pub(super) fn end(&self) -> usize {
        self.base + self.form.len()
    }

    /// Where in the text the character begins of which this place in its form is a part.
    pub(super) fn begin_of(&self, normal: usize) -> usize {
        match self.run_at(normal) {
            Some(run) if run.is_same => run.text + (normal - run.normal),
            Some(run) => run.text,
            None => self.read,
        }
    }

    /// What of the text this stretch of its form is, which is not empty.
    pub(super) fn text_of(&self, normal: Range<usize>) -> Range<usize> {
        let end = match self.run_at(normal.end.saturating_sub(1)) {
            Some(run) if run.is_same => run.text + (normal.end - run.normal),
            Some(run) => run.text + run.text_length,
            None => self.read,
        };
        self.begin_of(normal.start)..end
    }

    /// Drops what is before this place in the form, but for the character before it.
    pub(super) fn forget_before(&mut self, normal: usize) {
        let known = normal.saturating_sub(self.base).min(self.form.len());
        let Some((keep, _)) = self.form[..known].char_indices().next_back() else { return };
        // A move for every few bytes would cost more than what is kept.
        if keep < 256 {
            return;
        }
        self.form.drain(..keep);
        self.base += keep;
        while self.runs.front().is_some_and(|run| run.normal + run.normal_length <= self.base) {
            self.runs.pop_front();
        }
    }

    fn run_at(&self, normal: usize) -> Option<Run> {
        let at = self.runs.partition_point(|run| run.normal + run.normal_length <= normal);
        self.runs.get(at).copied()
    }

    /// Adds the form of what stands between cuts.
    fn add(&mut self, text: &str) {
        let normalizer = ComposingNormalizerBorrowed::new_nfc();
        if text.is_ascii() || normalizer.is_normalized(text) {
            return self.add_run(text, text, true);
        }
        let (mut begin, mut after_inert) = (0, false);
        for (at, c) in text.char_indices() {
            if at > begin && (after_inert || begins_segment(c)) {
                self.add_segment(&text[begin..at]);
                begin = at;
            }
            after_inert = is_inert(c);
        }
        self.add_segment(&text[begin..]);
    }

    fn add_segment(&mut self, segment: &str) {
        let form = ComposingNormalizerBorrowed::new_nfc().normalize(segment);
        self.add_run(segment, &form, form == segment);
    }

    fn add_run(&mut self, text: &str, form: &str, is_same: bool) {
        if text.is_empty() {
            return;
        }
        let run =
            Run { text: self.read, text_length: text.len(), normal: self.end(), normal_length: form.len(), is_same };
        self.read += text.len();
        self.form.push_str(form);
        match self.runs.back_mut() {
            Some(last) if last.is_same && is_same => {
                last.text_length += run.text_length;
                last.normal_length += run.normal_length;
            }
            _ => self.runs.push_back(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form_of(text: &str, cuts: &[usize]) -> String {
        let (mut normal, mut form) = (Normal::default(), String::new());
        let chars: Vec<char> = text.chars().collect();
        let mut rest = &chars[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let size = cuts.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            normal.push(&rest[..size].iter().collect::<String>());
            rest = &rest[size..];
        }
        normal.finish();
        assert_eq!(normal.read(), text.len());
        form.push_str(normal.form());
        form
    }

    proptest! {
        /// Marks, composed letters, parts of Hangul syllables, vowel signs of Indic scripts, marks that are composed of marks.
        #[test]
        fn the_form_is_the_same_for_all_pieces(
            text in "[a-e<= \u{e9}\u{300}\u{301}\u{323}\u{327}\u{344}\u{1100}\u{1161}\u{11a8}\u{ac00}\u{9c7}\u{9be}\u{f73}\u{f71}\u{f72}\u{212b}\u{1e0a}\u{4e00}\u{2126}]{0,24}",
            cuts in prop::collection::vec(1usize..5, 1..5),
        ) {
            let expected = ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
            prop_assert_eq!(form_of(&text, &cuts), expected.clone());
            prop_assert_eq!(form_of(&text, &[]), expected);
        }

        #[test]
        fn the_form_of_any_text_is_the_same(text in "\\PC{0,24}", cuts in prop::collection::vec(1usize..5, 1..5)) {
            let expected = ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
            prop_assert_eq!(form_of(&text, &cuts), expected);
        }
    }
}
