//! How people call namespaces and themselves.

use std::{fmt, str::FromStr};

use serde::Serialize;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no character, or more than 128.
    #[error("a name has 1 to 128 characters")]
    Length,
    /// It holds a character that hides or reorders others.
    #[error("a name has no control, direction or line-separator characters")]
    Character,
    /// Nothing of it can be seen at its ends.
    #[error("a name begins and ends with no space")]
    Space,
}

/// A name: 1 to 128 characters, none of which hides or reorders others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The longest one, in characters.
    pub const MAX: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are the same to a reader: without case. It tells names apart, it is never shown.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !(1..=Self::MAX).contains(&text.chars().count()) {
            return Err(NameError::Length);
        }
        if text.chars().any(is_hidden) {
            return Err(NameError::Character);
        }
        if text.trim() != text {
            return Err(NameError::Space);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True for what a name may not hold: controls, line and paragraph separators, and the characters that change the
/// direction of text (UAX #9 §2) or cannot be seen.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_can_read() {
        for good in ["a", "Ada Lovelace", "staging-2", "日本", &"x".repeat(128)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", NameError::Length),
            (&*"x".repeat(129), NameError::Length),
            ("a\nb", NameError::Character),
            ("a\u{202e}b", NameError::Character),
            ("a\u{2028}b", NameError::Character),
            ("a\u{200b}b", NameError::Character),
            ("a\u{7f}", NameError::Character),
            (" a", NameError::Space),
            ("a\u{a0}", NameError::Space),
        ] {
            assert_eq!(bad.parse::<Name>(), Err(why), "{bad:?}");
        }
        assert_eq!("ÄbC".parse::<Name>().unwrap().folded(), "äbc");
    }
}
