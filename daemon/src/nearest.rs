//! The known name that a mistyped one was probably meant to be.

/// Longer words are nobody's typing error, and comparing them costs their length squared.
const LONGEST: usize = 64;

/// The member of `known` nearest to `word`, where one is near enough to be worth a question.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let (distance, best) = known
        .into_iter()
        .map(|name| (distance(&word, &name.to_ascii_lowercase()), name))
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))?;
    let allowed = (word.chars().count().max(best.chars().count()) / 3).max(1);
    (distance <= allowed).then_some(best)
}

fn distance(word: &str, name: &str) -> usize {
    let typed = strsim::damerau_levenshtein(word, name);
    // `openai-eu` or `timeout` beside `openai` and `timeouts`: one is the start of the other.
    let starts = word.len() >= 4 && name.len() >= 4 && (word.starts_with(name) || name.starts_with(word));
    if starts { typed.min(1) } else { typed }
}

/// A name from a file as it may stand in a message: on one line, and not longer than a line.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_name() {
        let known = ["openai", "anthropic", "openrouter", "xai"];
        for (word, found) in [
            ("opnai", Some("openai")),
            ("oepnai", Some("openai")),
            ("OpenAI", Some("openai")),
            ("openai-eu", Some("openai")),
            ("antropic", Some("anthropic")),
            ("xia", Some("xai")),
            ("bedrock", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn a_shown_name_is_one_short_line() {
        assert_eq!(shown("a\nb"), "a\\nb");
        assert!(shown(&"y".repeat(500)).chars().count() <= LONGEST + 1);
    }
}
