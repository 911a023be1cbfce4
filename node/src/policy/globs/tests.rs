//! What patterns match: cases, and agreement with a matcher that tries everything.

use proptest::prelude::*;

use super::*;

fn model<'a>(provider: &'a str, id: &'a str) -> Model<'a> {
    Model { provider, id }
}

#[test]
fn what_allows_compares_exactly() {
    for (pattern, provider, id, fits) in [
        ("gpt-4o", "openai", "gpt-4o", true),
        ("gpt-4o", "azure", "gpt-4o", true),
        ("gpt-4o", "openai", "GPT-4o", false),
        ("gpt-4o", "openai", "gpt-4o-mini", false),
        ("gpt-4o", "openrouter", "openai/gpt-4o", false),
        ("gpt-4o", "openai", "gpt-4o:free", false),
        ("gpt-4o", "openai", "gpt-4o@2026", false),
        ("gpt-*", "openai", "gpt-4o:free", true),
        ("openai/gpt-4o", "openai", "gpt-4o", true),
        ("openai:gpt-4o", "openai", "gpt-4o", true),
        ("openai/gpt-4o", "azure", "gpt-4o", false),
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o", false),
        ("openai/*", "openai", "gpt-4o", true),
        ("openai/*", "openai", "", true),
        ("*/gpt-4o", "openrouter", "openai/gpt-4o", true),
        ("*:free", "openrouter", "meta/llama:free", true),
        ("openrouter:meta/llama:free", "openrouter", "meta/llama:free", true),
        ("*", "a", "b/c:d", true),
        ("?", "a", "b", true),
        ("?", "a", "bc", false),
        ("?", "a", "é", true),
        ("gpt-?o", "openai", "gpt-4o", true),
        ("**", "a", "", true),
        ("*a*b*c*", "p", "xxaxxbxxcxx", true),
        ("*a*b*c*", "p", "xxcxxbxxaxx", false),
        ("", "p", "m", false),
    ] {
        assert_eq!(Glob::new(pattern).allows(model(provider, id)), fits, "{pattern} {provider} {id}");
    }
}

#[test]
fn what_denies_looks_behind_every_spelling() {
    for (pattern, provider, id, fits) in [
        ("gpt-4o", "openai", "gpt-4o", true),
        ("gpt-4o", "openai", "GPT-4O", true),
        ("GPT-4o", "openai", "gpt-4o", true),
        ("gpt-4o", "openrouter", "openai/gpt-4o", true),
        ("gpt-4o", "openrouter", "openai/gpt-4o:free", true),
        ("gpt-4o", "openai", "gpt-4o@2026-01-01", true),
        ("gpt-4o", "openai", "gpt-4o:a:b", true),
        ("gpt-4o:a", "openai", "gpt-4o:a:b", true),
        ("gpt-4o", "openai", "gpt-4o-mini", false),
        ("gpt-4o", "openai", "my-gpt-4o", false),
        ("openai/gpt-4o", "openai", "gpt-4o", true),
        ("OpenAI:gpt-4o", "openai", "gpt-4o@x", true),
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o", true),
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o:free", true),
        ("openrouter/gpt-4o", "openrouter", "openai/gpt-4o:free", true),
        ("openai/gpt-4o", "azure", "gpt-4o", false),
        ("gpt-4o:free", "openrouter", "gpt-4o:free", true),
        ("gpt-4o:free", "openrouter", "openai/gpt-4o:free", true),
        ("gpt-4o:free", "openrouter", "openai/gpt-4o", false),
        ("openai/*", "openai", "anything", true),
        ("openai/*", "azure", "anything", false),
        ("openai/", "openai", ":x", true),
        ("openai", "openai", "gpt-4o", false),
        ("a", "p", "x/a@b/c", false),
    ] {
        assert_eq!(Glob::denying(pattern).denies(model(provider, id)), fits, "{pattern} {provider} {id}");
    }
}

#[test]
fn matching_is_never_exponential() {
    let pattern = Glob::new(&"*a".repeat(256));
    let name = "a".repeat(255) + "b" + &"a".repeat(256);
    assert!(pattern.matches(&name));
    assert!(!Glob::new(&("*a".repeat(255) + "c")).matches(&name));
    assert!(!Glob::denying(&"*a".repeat(256)).denies(model("p", &":".repeat(512))));
}

#[test]
fn one_pattern_covers_another() {
    for (wide, narrow, covers) in [
        ("*", "a", true),
        ("*", "*", true),
        ("a*", "ab", true),
        ("a*", "ab*c", true),
        ("a?", "ab", true),
        ("a?", "a*", false),
        ("*?", "?*", true),
        ("?*", "*", false),
        ("a*c", "ac", true),
        ("a*c", "a*b", false),
        ("*a*", "xa?", true),
    ] {
        assert_eq!(Glob::new(wide).covers(&Glob::new(narrow), &mut Work::new(1_000)), covers, "{wide} {narrow}");
    }
}

/// The same by trying everything.
fn simple(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&'*', pattern_rest)), rest) => {
            simple(pattern_rest, text) || rest.is_some_and(|(_, text_rest)| simple(pattern, text_rest))
        }
        (Some((&'?', pattern_rest)), Some((_, text_rest))) => simple(pattern_rest, text_rest),
        (Some((wanted, pattern_rest)), Some((found, text_rest))) => {
            same(*wanted) == same(*found) && simple(pattern_rest, text_rest)
        }
        (Some(_), None) => false,
    }
}

fn simply(pattern: &str, text: &str) -> bool {
    simple(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

fn simply_denies(pattern: &str, provider: &str, id: &str) -> bool {
    let (pattern, provider, id) = (pattern.to_lowercase(), provider.to_lowercase(), id.to_lowercase());
    let mut forms = Vec::new();
    for base in [id.as_str(), id.rsplit('/').next().unwrap()] {
        forms.push(base);
        forms.extend(base.match_indices([':', '@']).map(|(at, _)| &base[..at]));
    }
    let names_provider = pattern.contains([':', '/']);
    let fits =
        |form: &&str| simply(&pattern, form) || (names_provider && simply(&pattern, &format!("{provider}/{form}")));
    forms.iter().any(fits)
}

proptest! {
    #[test]
    fn patterns_agree_with_a_matcher_that_tries_everything(
        pattern in "[abA*?:/@]{0,8}", provider in "[ab]{1,2}", id in "[abA:/@]{0,8}",
    ) {
        let whole = if pattern.contains([':', '/']) { format!("{provider}/{id}") } else { id.clone() };
        prop_assert_eq!(Glob::new(&pattern).allows(model(&provider, &id)), simply(&pattern, &whole));
        prop_assert_eq!(Glob::denying(&pattern).denies(model(&provider, &id)), simply_denies(&pattern, &provider, &id));
    }

    #[test]
    fn what_allows_a_model_would_deny_it_too(
        pattern in "[abA*?:/@]{0,8}", provider in "[ab]{1,2}", id in "[abA:/@]{0,8}",
    ) {
        let allows = Glob::new(&pattern).allows(model(&provider, &id));
        prop_assert!(!allows || Glob::denying(&pattern).denies(model(&provider, &id)));
    }

    #[test]
    fn what_covers_matches_all_that_is_covered(wide in "[ab*?]{0,6}", narrow in "[ab*?]{0,6}", text in "[ab]{0,8}") {
        let (wide, narrow) = (Glob::new(&wide), Glob::new(&narrow));
        prop_assert!(!(wide.covers(&narrow, &mut Work::new(1_000)) && narrow.matches(&text)) || wide.matches(&text));
        prop_assert!(wide.covers(&wide, &mut Work::new(1_000)));
    }

    #[test]
    fn a_pattern_reads_back_as_it_is_shown(pattern in "[ab*?:/]{0,8}") {
        let glob = Glob::new(&pattern);
        prop_assert_eq!(Glob::new(&glob.to_string()), glob);
    }
}
