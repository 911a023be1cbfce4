//! What lists of patterns have in common, as one list: how several lists of allowed models are shown as one.
//!
//! It never shows more than all of them allow. Where what two patterns have in common cannot be written as patterns, or only as
//! very many, it shows less; what decides ([`super::decide`]) asks each list, and not this.

use std::collections::BTreeSet;

use super::globs::{Glob, Token, Work};

/// The most steps that finding what two patterns have in common takes.
const MOST_STEPS: usize = 2_000;
/// The most that is looked at for all lists, in places of patterns: short ones are all compared, as many long ones as may be
/// written are not.
const MOST_WORK: usize = 100_000_000;
/// The most patterns that are shown.
const MOST_SHOWN: usize = 512;

/// What is in every one of `lists`; `None` where there is none.
pub(super) fn common<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Option<Vec<String>> {
    let mut lists = lists.into_iter();
    let first = lists.next()?;
    let mut rest = lists.peekable();
    if rest.peek().is_none() {
        // As it was written.
        return Some(first.to_vec());
    }
    let read = |list: &[String]| list.iter().map(|text| Glob::new(text)).collect::<Vec<_>>();
    let (mut shown, mut work) = (read(first), Work::new(MOST_WORK));
    for list in rest {
        let list = read(list);
        let both: BTreeSet<Glob> = shown
            .iter()
            .flat_map(|one| list.iter().map(move |other| (one, other)))
            .map_while(|(one, other)| work.is_left_after(1).then(|| meet(one, other, &mut work)))
            .flatten()
            .take(MOST_SHOWN)
            .collect();
        shown = both.into_iter().collect();
    }
    Some(widest(&shown).iter().map(Glob::to_string).collect())
}

/// Those that no other one covers, as far as that is seen with so much work.
fn widest(globs: &[Glob]) -> Vec<Glob> {
    let mut work = Work::new(MOST_WORK);
    let mut is_covered = |glob: &Glob| globs.iter().any(|other| other != glob && covers(other, glob, &mut work));
    globs.iter().filter(|glob| !is_covered(glob)).cloned().collect()
}

/// True where every model that `narrow` means is meant by `wide`.
fn covers(wide: &Glob, narrow: &Glob, work: &mut Work) -> bool {
    match (wide.names_provider(), narrow.names_provider()) {
        _ if wide.0 == [Token::Run] => true,
        (true, true) | (false, false) => wide.covers(narrow, work),
        (false, true) => model_part(narrow).is_some_and(|(_, model)| wide.covers(&model, work)),
        // Whatever provider stands before it.
        (true, false) => {
            let any = [Token::One, Token::Run, Token::This('/')].into_iter().chain(narrow.0.iter().copied());
            wide.covers(&Glob::of(any), work)
        }
    }
}

/// The two parts of a pattern that names the provider, where its first part can be nothing else.
fn model_part(glob: &Glob) -> Option<(Glob, Glob)> {
    let at = glob.0.iter().position(|token| *token == Token::This('/'))?;
    let (provider, model) = (&glob.0[..at], &glob.0[at + 1..]);
    // A wildcard there may stand for a `/` and what is behind it.
    let is_plain = provider.iter().all(|token| matches!(token, Token::This(_)));
    is_plain.then(|| (Glob(provider.to_vec()), Glob(model.to_vec())))
}

/// Patterns for what both mean.
fn meet(one: &Glob, other: &Glob, work: &mut Work) -> Vec<Glob> {
    if covers(one, other, work) {
        return vec![other.clone()];
    }
    if covers(other, one, work) {
        return vec![one.clone()];
    }
    match (one.names_provider(), other.names_provider()) {
        // Without `/` on both sides what both mean has none.
        (true, true) | (false, false) => overlap(one, other, work),
        (true, false) => below_provider(one, other, work),
        (false, true) => below_provider(other, one, work),
    }
}

/// What `at` (of a provider) has in common with `model` (of any).
fn below_provider(at: &Glob, model: &Glob, work: &mut Work) -> Vec<Glob> {
    let Some((provider, its)) = model_part(at) else { return Vec::new() };
    let whole = |model: Glob| Glob::of(provider.0.iter().copied().chain([Token::This('/')]).chain(model.0));
    overlap(&its, model, work).into_iter().map(whole).collect()
}

/// Patterns for the texts that both match.
fn overlap(one: &Glob, other: &Glob, work: &mut Work) -> Vec<Glob> {
    let (mut found, mut steps) = (BTreeSet::new(), MOST_STEPS);
    meet_tokens(&one.0, &other.0, &mut Vec::new(), &mut found, &mut steps);
    // What that came to, and what is written down of it.
    work.is_left_after(MOST_STEPS - steps + found.iter().map(|glob: &Glob| glob.0.len()).sum::<usize>());
    found.into_iter().collect()
}

fn meet_tokens(one: &[Token], other: &[Token], begun: &mut Vec<Token>, found: &mut BTreeSet<Glob>, steps: &mut usize) {
    let Some(left) = steps.checked_sub(1) else { return };
    *steps = left;
    let mut go = |token: Option<Token>, one: &[Token], other: &[Token]| {
        begun.extend(token);
        meet_tokens(one, other, begun, found, steps);
        begun.truncate(begun.len() - usize::from(token.is_some()));
    };
    match (one.split_first(), other.split_first()) {
        (None, None) => {
            found.insert(Glob::of(begun.iter().copied()));
        }
        (Some((Token::Run, rest)), None) => go(None, rest, other),
        (None, Some((Token::Run, rest))) => go(None, one, rest),
        (Some((Token::Run, one_rest)), Some((Token::Run, other_rest))) => {
            go(Some(Token::Run), one_rest, other);
            go(Some(Token::Run), one, other_rest);
        }
        (Some((Token::Run, one_rest)), Some((token, other_rest))) => {
            go(None, one_rest, other);
            go(Some(*token), one, other_rest);
        }
        (Some((token, one_rest)), Some((Token::Run, other_rest))) => {
            go(None, one, other_rest);
            go(Some(*token), one_rest, other);
        }
        (Some((Token::One, one_rest)), Some((token, other_rest)))
        | (Some((token, one_rest)), Some((Token::One, other_rest))) => {
            go(Some(*token), one_rest, other_rest);
        }
        (Some((Token::This(a), one_rest)), Some((Token::This(b), other_rest))) if a == b => {
            go(Some(Token::This(*a)), one_rest, other_rest);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::globs::Model, *};

    fn shown(lists: &[&[&str]]) -> Option<Vec<String>> {
        let lists: Vec<Vec<String>> =
            lists.iter().map(|list| list.iter().map(|text| (*text).to_owned()).collect()).collect();
        common(lists.iter().map(Vec::as_slice))
    }

    #[test]
    fn lists_are_shown_as_what_is_in_all() {
        for (lists, expected) in [
            (&[&["b", "a"][..]][..], &["b", "a"][..]),
            (&[&["a", "b"], &["b", "c"]], &["b"]),
            (&[&["a"], &["b"]], &[]),
            (&[&["openai/*", "anthropic/*"], &["anthropic/*"]], &["anthropic/*"]),
            (&[&["openai/*"], &["openai/gpt-4o", "x"]], &["openai/gpt-4o", "openai/x"]),
            (&[&["openai:*"], &["gpt-4o"]], &["openai/gpt-4o"]),
            (&[&["gpt-*"], &["*-mini"]], &["gpt-*-mini", "gpt-mini"]),
            (&[&["*/gpt*"], &["gpt-4"]], &["gpt-4"]),
            (&[&["*"], &["openai/gpt*"]], &["openai/gpt*"]),
            (&[&["a*"], &["*b"], &["?c?"]], &["acb"]),
            (&[&["openai/*"], &["*gpt*"]], &["openai/*gpt*"]),
        ] {
            assert_eq!(shown(lists).unwrap(), expected, "{lists:?}");
        }
        assert_eq!(shown(&[]), None);
    }

    #[test]
    fn as_much_as_can_be_written_is_looked_at_within_bounds() {
        let list = |end: char| (0..512).map(|at| format!("*{}{end}{at:03}*", "a".repeat(507))).collect::<Vec<_>>();
        let lists = [list('b'), list('?'), list('*')];
        let began = bitrouter_proto::clock::monotonic_now();
        let shown = common(lists.iter().map(Vec::as_slice)).unwrap();
        assert!(shown.len() <= MOST_SHOWN);
        // All pairs take more than a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        // What is usual is compared whole.
        let usual =
            |provider: &str| (0..512).map(|at| format!("{provider}/model-{at}-of-some-length")).collect::<Vec<_>>();
        let all = [usual("openai"), vec!["openai/*".to_owned()], usual("openai")];
        assert_eq!(common(all.iter().map(Vec::as_slice)).unwrap().len(), 512);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_allowed_by_every_list(
            lists in prop::collection::vec(prop::collection::vec("[ab*?/]{1,4}", 1..3), 1..4),
            provider in "[ab]{1,2}", id in "[ab/]{0,4}",
        ) {
            let model = Model { provider: &provider, id: &id };
            let allows = |list: &[String]| list.iter().any(|text| Glob::new(text).allows(model));
            let common = common(lists.iter().map(Vec::as_slice)).unwrap();
            prop_assert!(!allows(&common) || lists.iter().all(|list| allows(list)), "{common:?}");
        }

        #[test]
        fn without_providers_nothing_is_left_out(
            one in "[ab*?]{1,5}", other in "[ab*?]{1,5}", id in "[ab]{0,6}",
        ) {
            let model = Model { provider: "p", id: &id };
            let both = [vec![one.clone()], vec![other.clone()]];
            let common = common(both.iter().map(Vec::as_slice)).unwrap();
            let shown = common.iter().any(|text| Glob::new(text).allows(model));
            prop_assert_eq!(shown, Glob::new(&one).allows(model) && Glob::new(&other).allows(model));
        }
    }
}
