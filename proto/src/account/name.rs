//! How people call namespaces and themselves.

use std::{fmt, str::FromStr};

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use serde::Serialize;

use super::{GrantId, NamespaceId, PersonId};

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no character, or more than 128.
    #[error("a name has 1 to {} characters", Name::MAX)]
    Length,
    /// It holds a character that hides or reorders others, or that nobody sees.
    #[error("a name has no invisible, control, direction or line-separator characters")]
    Character,
    /// Spaces that a reader cannot count.
    #[error("a name has no spaces at its ends, and no two in a row")]
    Space,
    /// It begins with a mark that stands on another character, or has a pile of them.
    #[error("a name begins with no combining mark, and has at most {} of them in a row", Name::MOST_MARKS)]
    Marks,
    /// It would be taken for an id.
    #[error("a name is not written like an id")]
    Id,
}

/// A name: 1 to 128 characters that can be seen, composed (Unicode's form C, UAX #15).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The longest one, in characters.
    pub const MAX: usize = 128;
    /// The most combining marks in a row. No script that is written today has more on one character, composed.
    pub const MOST_MARKS: usize = 4;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are the same to a reader: [`folded`].
    pub fn folded(&self) -> String {
        folded(&self.0)
    }
}

/// `text` without case and without differences of width and form (Unicode's form KC, UAX #15). It tells names apart, it is
/// never shown.
pub fn folded(text: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    // Lower case may take characters apart again.
    compatible.normalize(&compatible.normalize(text).to_lowercase()).into_owned()
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // No text grows less than it is allowed to: what is longer by far is not worth the work.
        if text.len() > Self::MAX * 64 {
            return Err(NameError::Length);
        }
        let name = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        if !(1..=Self::MAX).contains(&name.chars().count()) {
            return Err(NameError::Length);
        }
        if name.chars().any(is_hidden) {
            return Err(NameError::Character);
        }
        if name.trim() != name || has_run(&name, char::is_whitespace, 2) {
            return Err(NameError::Space);
        }
        if name.chars().next().is_some_and(is_mark) || has_run(&name, is_mark, Self::MOST_MARKS + 1) {
            return Err(NameError::Marks);
        }
        if is_id(&name) {
            return Err(NameError::Id);
        }
        Ok(Self(name.into_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True for what a name may not hold: controls, line and paragraph separators, characters that change the direction of
/// text (UAX #9 §2) or that are not shown by themselves (`Default_Ignorable_Code_Point` of the Unicode Character
/// Database), and those that mean nothing, or something else on each machine.
pub fn is_hidden(c: char) -> bool {
    use GeneralCategory::{Control, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned};
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, Control | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        // Interlinear annotation; a pattern of Braille and a note of music that are blank.
        || matches!(c, '\u{FFF9}'..='\u{FFFB}' | '\u{2800}' | '\u{1D159}')
}

/// True for marks that stand on the character before them.
fn is_mark(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
}

/// True where `length` characters of one kind stand in a row.
fn has_run(text: &str, is_of_it: impl Fn(char) -> bool, length: usize) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = if is_of_it(c) { run + 1 } else { 0 };
        run >= length
    })
}

fn is_id(text: &str) -> bool {
    text.parse::<PersonId>().is_ok() || text.parse::<NamespaceId>().is_ok() || text.parse::<GrantId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_can_read() {
        for good in
            ["a", "Ada Lovelace", "staging-2", "日本", "วันที่", "हिन्दी", "e\u{302}\u{323}x", "ns_1", &"x".repeat(128)]
        {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", NameError::Length),
            (&*"x".repeat(129), NameError::Length),
            (&*"x".repeat(1 << 20), NameError::Length),
            ("a\nb", NameError::Character),
            ("a\u{7f}", NameError::Character),
            (" a", NameError::Space),
            ("a\u{a0}", NameError::Space),
            ("a  b", NameError::Space),
            ("a \u{a0}b", NameError::Space),
            ("\u{301}a", NameError::Marks),
            ("x\u{323}\u{324}\u{325}\u{326}\u{327}", NameError::Marks),
            ("ns_00000000010000000000000002", NameError::Id),
            ("USR_00000000010000000000000002", NameError::Id),
            ("tok_00000000010000000000000002", NameError::Id),
        ] {
            assert_eq!(bad.parse::<Name>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn nothing_hidden_is_in_a_name() {
        for hidden in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fdd0}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{1d17a}',
            '\u{5ffff}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{10fffe}',
        ] {
            assert_eq!(format!("a{hidden}b").parse::<Name>(), Err(NameError::Character), "{hidden:?}");
        }
    }

    #[test]
    fn spellings_of_one_name_are_one() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(name("Zoe\u{308}"), name("Zoë"));
        assert_eq!(name("Zoe\u{308}").as_str(), "Zoë");
        for (one, other) in [("ÄbC", "a\u{308}bc"), ("Ａｄａ", "ada"), ("ﬁn", "FIN"), ("a\u{a0}b", "A b")] {
            assert_eq!(name(one).folded(), name(other).folded(), "{one}");
        }
        assert_ne!(name("ada").folded(), name("adá").folded());
    }

    proptest::proptest! {
        #[test]
        fn what_is_a_name_stays_the_same_one(text in "\\PC{1,40}") {
            if let Ok(name) = text.parse::<Name>() {
                proptest::prop_assert_eq!(name.as_str().parse(), Ok(name.clone()));
                proptest::prop_assert_eq!(folded(&name.folded()), name.folded());
            }
        }
    }
}
