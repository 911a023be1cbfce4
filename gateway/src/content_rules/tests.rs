//! The reference: what a plain search over the whole of a text finds.

use std::ops::Range;

use icu_normalizer::ComposingNormalizerBorrowed;
use proptest::prelude::*;
use regex_automata::nfa::thompson::pikevm::PikeVM;

use super::{text_scan::Region, *};

/// Rules with these expressions and longest finds.
pub(crate) fn rules(list: &[(&str, ContentAction, Option<usize>)]) -> ContentRules {
    let policy: PolicyId = "pol_00000000000000000000000001".parse().unwrap();
    let rule = |(pattern, action, max_length): &(&str, ContentAction, Option<usize>)| ContentRule {
        policy,
        name: (*pattern).to_owned(),
        pattern: (*pattern).to_owned(),
        action: *action,
        max_length: *max_length,
    };
    ContentRules::new(list.iter().map(rule).collect()).unwrap()
}

fn redacted(text: &str, regions: &[Region]) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for Region { at, .. } in regions {
        out += &text[from..at.start];
        out += "[R]";
        from = at.end;
    }
    out + &text[from..]
}

/// What comes of a text in pieces of so many characters; `None` where it is blocked. Nothing that was decided changes.
fn scanned(rules: &ContentRules, text: &str, sizes: &[usize]) -> Option<String> {
    let (mut scan, mut scratch) = (TextScan::new(rules), Scratch::default());
    let chars: Vec<char> = text.chars().collect();
    let (mut rest, mut sizes) = (&chars[..], sizes.iter().cycle());
    let mut promised: Vec<(usize, Vec<Range<usize>>)> = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        scan.push(rules, &mut scratch, &rest[..size].iter().collect::<String>());
        rest = &rest[size..];
        let known = scan.regions().iter().map(|region| region.at.clone()).collect();
        promised.push((scan.decided(), known));
    }
    scan.finish(rules, &mut scratch);
    if scan.blocked().is_some() {
        return None;
    }
    assert_eq!((scan.decided(), scan.pushed()), (text.len(), text.len()));
    let covered = |regions: &[Range<usize>], at: usize| {
        regions.iter().find(|region| region.contains(&at)).map(|region| region.start)
    };
    let last: Vec<_> = scan.regions().iter().map(|region| region.at.clone()).collect();
    for (decided, known) in promised {
        assert!((0..decided).all(|at| covered(&known, at) == covered(&last, at)), "{decided} {known:?} {last:?}");
    }
    Some(redacted(text, scan.regions()))
}

/// What a rule finds in `form`, by the plainest means: each place after the other, each length, with the whole as context.
fn plain_finds(pattern: &str, longest: Option<usize>, form: &str) -> Vec<Range<usize>> {
    let Some(longest) = longest else {
        let regex = PikeVM::new(pattern).unwrap();
        let mut cache = regex.create_cache();
        return regex.find_iter(&mut cache, form).map(|find| find.range()).filter(|find| !find.is_empty()).collect();
    };
    // Preferred among those that are short enough is the greedy one in the expressions that this is used with.
    let (mut finds, mut from) = (Vec::new(), 0);
    while from < form.len() {
        let ends = (from + 1..=form.len().min(from + longest)).rev().filter(|end| form.is_char_boundary(*end));
        let regex = PikeVM::new(&format!(r"\A(?:{pattern})\z")).unwrap();
        let mut cache = regex.create_cache();
        let found =
            ends.into_iter().find(|end| form.is_char_boundary(from) && regex.is_match(&mut cache, &form[from..*end]));
        match found {
            Some(end) => {
                finds.push(from..end);
                from = end;
            }
            None => from += 1,
        }
    }
    finds
}

/// The text's characters, each segment with what its form is.
fn expected(list: &[(&str, ContentAction, Option<usize>)], text: &str) -> Option<String> {
    let normalizer = ComposingNormalizerBorrowed::new_nfc();
    let form = normalizer.normalize(text).into_owned();
    // Which byte of the form comes from which segment of the text: by the forms of ever longer beginnings.
    let mut segments: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let (mut text_at, mut form_at) = (0, 0);
    for (end, _) in text.char_indices().skip(1).chain([(text.len(), ' ')]) {
        let (head, tail) = (normalizer.normalize(&text[..end]), normalizer.normalize(&text[end..]));
        let (head, tail) = (head.as_ref(), tail.as_ref());
        if end == text.len()
            || format!("{head}{tail}") == form
                && (text[..end].ends_with(['!', ' ', '\n']) || !is_mark(text[end..].chars().next().unwrap()))
        {
            segments.push((text_at..end, form_at..head.len()));
            (text_at, form_at) = (end, head.len());
        }
    }
    let mut regions: Vec<Range<usize>> = Vec::new();
    for (pattern, action, longest) in list {
        for find in plain_finds(pattern, *longest, &form) {
            if *action == Block {
                return None;
            }
            let place = |at: usize, is_end: bool| {
                let of = if is_end { at - 1 } else { at };
                let (text_of, form_of) = segments.iter().find(|(_, form)| form.contains(&of)).unwrap();
                if text[text_of.clone()] == form[form_of.clone()] {
                    text_of.start + (at - form_of.start)
                } else if is_end {
                    text_of.end
                } else {
                    text_of.start
                }
            };
            regions.push(place(find.start, false)..place(find.end, true));
        }
    }
    regions.sort_by_key(|region| (region.start, region.end));
    let mut merged: Vec<Region> = Vec::new();
    for at in regions {
        match merged.last_mut() {
            Some(region) if at.start < region.at.end => region.at.end = region.at.end.max(at.end),
            _ => merged.push(Region { at, rule: 0 }),
        }
    }
    Some(redacted(text, &merged))
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

use ContentAction::{Block, Redact};

const BOUNDED: [&str; 14] = [
    "ab{2}c",
    "a|ab|bc",
    r"\bab\b",
    r"^a|b$",
    r"(?m)^a.?$",
    "é",
    "[a-cé]{1,3}",
    r"\w\W",
    r"(?i)AB",
    "(ab|a)(c|bcd)?",
    r"\Bb",
    r"(?-u:\b)a.",
    "a{0,3}b",
    "c??b",
];
const CAPPED: [(&str, usize); 5] = [("a+b", 3), ("[ab]+c", 4), ("b.*", 3), (r"c\s*a", 5), ("a+", 2)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_what_the_whole_gives(
        picked in prop::collection::vec((0usize..19, prop::bool::weighted(0.1)), 1..4),
        text in "[abcd! \n\u{301}e\u{e9}é]{0,16}",
        sizes in prop::collection::vec(1usize..5, 1..5),
    ) {
        let list: Vec<_> = picked
            .into_iter()
            .map(|(number, blocks)| {
                let action = if blocks { Block } else { Redact };
                match number.checked_sub(BOUNDED.len()) {
                    None => (BOUNDED[number], action, None),
                    Some(number) => (CAPPED[number].0, action, Some(CAPPED[number].1)),
                }
            })
            .collect();
        let rules = rules(&list);
        let wanted = expected(&list, &text);
        prop_assert_eq!(scanned(&rules, &text, &sizes), wanted.clone());
        prop_assert_eq!(scanned(&rules, &text, &[]), wanted.clone());
        let whole = TextScan::of_whole(&rules, &mut Scratch::default(), &text);
        let whole = match whole {
            None => Some(text.clone()),
            Some(scan) => scan.blocked().is_none().then(|| redacted(&text, scan.regions())),
        };
        prop_assert_eq!(whole, wanted);
    }
}

/// How much of a text is still open after it.
fn open(rules: &ContentRules, text: &str) -> usize {
    let mut scan = TextScan::new(rules);
    scan.push(rules, &mut Scratch::default(), text);
    scan.pushed() - scan.decided()
}

#[test]
fn no_more_is_held_than_what_is_open() {
    let key =
        rules(&[("sk-[a-z0-9]{20}", Redact, None), (r"secret.*key", Block, Some(16)), (r"\bfoo\b", Redact, None)]);
    for (text, held) in [
        ("nothing of it", 0),
        ("a sk-abc", 6),
        ("a sk-abc!", 0),
        ("sssss", 2),
        ("a secret is told", 14),
        ("a secret is told to many of us", 17),
        ("a secret is told to many of us\n", 0),
        ("a foo", 3),
        ("a foo ", 0),
        ("food!", 0),
    ] {
        assert_eq!(open(&key, text), held, "{text}");
    }
    // What could be composed with more.
    assert_eq!(open(&rules(&[("é", Redact, None)]), "cafe"), 1);
    assert_eq!(open(&rules(&[("é", Redact, None)]), "caf "), 0);
}

#[test]
fn a_pattern_in_another_form_finds_what_it_means() {
    for pattern in ["cafe\u{301}", "caf\u{e9}"] {
        for text in ["a cafe\u{301}", "a caf\u{e9}"] {
            let found = scanned(&rules(&[(pattern, Redact, None)]), text, &[1]);
            assert_eq!(found.as_deref(), Some("a [R]"), "{pattern:?} in {text:?}");
        }
    }
}

#[test]
fn a_rule_that_cannot_be_used_is_refused() {
    let policy: PolicyId = "pol_00000000000000000000000001".parse().unwrap();
    for (pattern, max_length, ok) in [("a+", None, false), ("a+", Some(9), true), ("(", None, false), ("a", None, true)]
    {
        let rule = ContentRule { policy, name: "x".into(), pattern: pattern.into(), action: Block, max_length };
        assert_eq!(ContentRules::new(vec![rule]).is_ok(), ok, "{pattern}");
    }
}

#[test]
fn a_pattern_that_repeats_is_fast_enough() {
    let rules = rules(&[("[a-z]+@[a-z]+", Redact, Some(64)), ("(a|b)*c", Redact, Some(64))]);
    let text = "abcdefgh ".repeat(20_000);
    let mut scan = TextScan::new(&rules);
    let mut scratch = Scratch::default();
    for piece in text.as_bytes().chunks(7) {
        scan.push(&rules, &mut scratch, std::str::from_utf8(piece).unwrap());
    }
    scan.finish(&rules, &mut scratch);
    assert_eq!(scan.decided(), text.len());
}
