//! Regular expressions of content rules: whether they are any, how large they get, and how long what they find can be.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::{Error, Parser};

/// The longest expression, in bytes.
pub(super) const LONGEST: usize = 1024;
/// The most that one takes compiled, in bytes.
pub(super) const COMPILED: usize = 1024 * 1024;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// It is longer than [`LONGEST`].
    #[error("has {0} bytes, and {LONGEST} is the most")]
    Long(usize),
    /// It is larger than [`COMPILED`].
    #[error("takes more than {COMPILED} bytes compiled")]
    Large,
    /// It is none.
    #[error("is no regular expression: {0}")]
    Syntax(String),
}

impl PatternError {
    /// True where there is only too much of it.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self, Self::Long(_) | Self::Large)
    }
}

/// How long the texts are that an expression finds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finds {
    /// The shortest one; `None` where there is none at all.
    pub(super) shortest: Option<usize>,
    /// The longest one; `None` where there is no bound.
    pub(super) longest: Option<usize>,
}

/// What `pattern` finds.
///
/// # Errors
/// Where it cannot be used.
pub(super) fn finds(pattern: &str) -> Result<Finds, PatternError> {
    if pattern.len() > LONGEST {
        return Err(PatternError::Long(pattern.len()));
    }
    let expression = Parser::new().parse(pattern).map_err(|error| PatternError::Syntax(said(&error)))?;
    let limits = thompson::Config::new().nfa_size_limit(Some(COMPILED)).which_captures(WhichCaptures::Implicit);
    match thompson::Compiler::new().configure(limits).build_from_hir(&expression) {
        Ok(_) => {
            let properties = expression.properties();
            Ok(Finds { shortest: properties.minimum_len(), longest: properties.maximum_len() })
        }
        Err(error) if error.size_limit().is_some() => Err(PatternError::Large),
        Err(error) => Err(PatternError::Syntax(error.to_string())),
    }
}

/// An error in one line: its own form draws the expression.
fn said(error: &Error) -> String {
    match error {
        Error::Parse(error) => format!("{} at byte {}", error.kind(), error.span().start.offset),
        Error::Translate(error) => format!("{} at byte {}", error.kind(), error.span().start.offset),
        other => other.to_string().lines().last().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_says_how_long_its_finds_are() {
        for (pattern, longest) in [
            ("", Some(0)),
            ("sk-[a-z0-9]{20}", Some(23)),
            (r"\d", Some(4)),
            ("(?-u)\\d", Some(1)),
            ("^a|bcd$", Some(3)),
            ("a*", None),
            ("a+", None),
            ("x{2,}", None),
            ("a?b", Some(2)),
            (".*secret.*", None),
        ] {
            assert_eq!(finds(pattern).map(|finds| finds.longest), Ok(longest), "{pattern}");
        }
    }

    #[test]
    fn what_is_none_or_too_large_is_refused_in_one_line() {
        for pattern in ["(", "[a", "a{2,1}", r"\p{Nothing}", "(?<a>x)(?<a>y)", r"(?=a)", r"\1", "(?-u)\\xff"] {
            let error = finds(pattern).unwrap_err();
            assert!(
                matches!(error, PatternError::Syntax(_)) && !error.to_string().contains('\n'),
                "{pattern}: {error}"
            );
        }
        let all = finds(&"a".repeat(LONGEST)).unwrap();
        assert_eq!(all, Finds { shortest: Some(LONGEST), longest: Some(LONGEST) });
        assert_eq!(finds(&"a".repeat(LONGEST + 1)), Err(PatternError::Long(LONGEST + 1)));
        for pattern in [r"\w{1000}", "((((a{100}){100}){100}){100}){100}", r"(\pL{50}){50}"] {
            assert_eq!(finds(pattern), Err(PatternError::Large), "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(pattern in "[-a-c*+?{}()\\[\\]|\\\\.^$,0-9]{0,40}") {
            let _ = finds(&pattern);
        }
    }
}
