//! How people call namespaces and themselves.

use std::{fmt, str::FromStr};

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory},
};
use serde::Serialize;

use super::{GrantId, NamespaceId, OauthClientId, PersonId};

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no character, or more than 128.
    #[error("a name has 1 to {} characters", Name::MAX)]
    Length,
    /// It holds a character that ends a line, reorders others or commands a terminal.
    #[error("a name has no control, direction or line-separator characters")]
    Character,
    /// Spaces that a reader does not see.
    #[error("a name has no white space at its ends")]
    Space,
    /// Nobody sees it.
    #[error("a name has a character that can be seen")]
    Blank,
    /// It would be taken for an id.
    #[error("a name is not written like an id")]
    Id,
}

/// A name: 1 to 128 characters, one of which can be seen, composed (Unicode's form C, UAX #15).
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

    /// The form in which two names are the same to a reader: [`folded`].
    pub fn folded(&self) -> String {
        folded(&self.0)
    }

    /// The name without what has no width and no shape, such as joiners: what looks the same in every letter is the same
    /// text. It tells names apart, it is never shown.
    pub fn seen(&self) -> String {
        seen(&self.0)
    }
}

/// `text` without case, without differences of width and form, and without what is not shown by itself (as Unicode's
/// `NFKC_Casefold`, UAX #44), each run of white space one space. It tells names apart, it is never shown.
pub fn folded(text: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let lower = compatible.normalize(&seen(text)).to_lowercase();
    // Lower case may take characters apart again.
    let words = compatible.normalize(&lower);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` without what is not shown by itself, composed.
fn seen(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !is_ignored(*c)).collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(shown.trim()).into_owned()
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
        if name.chars().any(is_never_in_a_name) {
            return Err(NameError::Character);
        }
        if seen(&name).is_empty() {
            return Err(NameError::Blank);
        }
        if name.trim() != name {
            return Err(NameError::Space);
        }
        if is_id(&seen(&name)) {
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

/// True for what a name may not hold: controls, line and paragraph separators, and characters that change the direction of
/// text (UAX #9 §2).
fn is_never_in_a_name(c: char) -> bool {
    use GeneralCategory::{Control, LineSeparator, ParagraphSeparator};
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, Control | LineSeparator | ParagraphSeparator)
        || CodePointSetData::new::<BidiControl>().contains(c)
}

/// True for what is not shown by itself (`Default_Ignorable_Code_Point` of the Unicode Character Database), and for what is
/// blank: interlinear annotation, a pattern of Braille, a note of music.
fn is_ignored(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(c, '\u{FFF9}'..='\u{FFFB}' | '\u{2800}' | '\u{1D159}')
}

/// True for what no word of a machine holds, such as the id of a model: what may not be in a name, what is not shown by
/// itself, and what means nothing, or something else on each machine.
pub fn is_hidden(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    is_never_in_a_name(c)
        || is_ignored(c)
        || matches!(category, GeneralCategory::PrivateUse | GeneralCategory::Unassigned)
}

/// True for what means nothing, or something else on each machine: private use, what nobody has assigned (noncharacters are
/// among that), and marks of interlinear annotation.
pub fn is_meaningless(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, GeneralCategory::PrivateUse | GeneralCategory::Unassigned)
        || matches!(c, '\u{FFF9}'..='\u{FFFB}')
}

/// True where nothing of `text` stands by itself: marks on nothing, white space, what is not shown.
pub fn is_of_marks(text: &str) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_mark = |c| matches!(categories.get(c), EnclosingMark | NonspacingMark | SpacingMark);
    text.chars().all(|c| c.is_whitespace() || is_ignored(c) || is_mark(c))
}

fn is_id(text: &str) -> bool {
    text.parse::<PersonId>().is_ok()
        || text.parse::<NamespaceId>().is_ok()
        || text.parse::<GrantId>().is_ok()
        || text.parse::<OauthClientId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_can_read() {
        for good in [
            "a",
            "Ada Lovelace",
            "staging-2",
            "日本",
            "วันที่",
            "हिन्दी",
            "e\u{302}\u{323}x",
            "ns_1",
            &"x".repeat(128),
            // A family, Persian, a soft hyphen, a word joiner, another font's sign, one that is no character yet.
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "co\u{ad}op",
            "a\u{2060}b",
            "\u{f8ff}",
            "a\u{fe0f}b",
            "a\u{5ffff}",
            "two  spaces",
            "a \u{a0}b",
            "\u{301}a",
            "x\u{323}\u{324}\u{325}\u{326}\u{327}",
        ] {
            let name: Name = good.parse().unwrap_or_else(|why| panic!("{good:?}: {why}"));
            assert_eq!(name.as_str(), ComposingNormalizerBorrowed::new_nfc().normalize(good), "kept as it is");
        }
        for (bad, why) in [
            ("", NameError::Length),
            (&*"x".repeat(129), NameError::Length),
            (&*"x".repeat(1 << 20), NameError::Length),
            ("a\nb", NameError::Character),
            ("a\u{7f}", NameError::Character),
            (" a", NameError::Space),
            ("a\u{a0}", NameError::Space),
            ("   ", NameError::Blank),
            ("\u{200b}", NameError::Blank),
            ("\u{2800}\u{3164} \u{feff}", NameError::Blank),
            ("ns_00000000010000000000000002", NameError::Id),
            ("USR_00000000010000000000000002", NameError::Id),
            ("tok_00000000010000000000000002", NameError::Id),
            ("ns_\u{200d}00000000010000000000000002", NameError::Id),
        ] {
            assert_eq!(bad.parse::<Name>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn nothing_that_turns_or_ends_a_line_is_in_a_name() {
        let all = ['\0', '\t', '\r', '\u{85}', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
        for c in all.into_iter().chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(format!("a{c}b").parse::<Name>(), Err(NameError::Character), "{c:?}");
        }
    }

    #[test]
    fn nothing_hidden_is_in_a_word_of_a_machine() {
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
            assert!(is_hidden(hidden), "{hidden:?}");
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

    #[test]
    fn names_that_differ_in_what_has_no_width_are_one() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        for (one, other) in [
            ("ada", "a\u{200d}d\u{200c}a"),
            ("ada", "ada\u{200b}"),
            ("co-op", "co\u{ad}-op"),
            ("zoë", "zoe\u{2060}\u{308}"),
            ("\u{2764}", "\u{2764}\u{fe0f}"),
            ("ada", "ada \u{feff}"),
        ] {
            assert_eq!(name(one).seen(), name(other).seen(), "{other:?}");
            assert_eq!(name(one).folded(), name(other).folded(), "{other:?}");
        }
        assert_ne!(name("Ada").seen(), name("ada").seen());
        assert_ne!(name("a  b").seen(), name("a b").seen());
        assert_eq!(name("a  b").folded(), name("A b").folded());
    }

    proptest::proptest! {
        #[test]
        fn what_is_a_name_stays_the_same_one(text in "[\\PC\u{200d}\u{200b}\u{ad}\u{3164}\u{fe0f}\u{301} ]{1,40}") {
            if let Ok(name) = text.parse::<Name>() {
                proptest::prop_assert_eq!(name.as_str().parse(), Ok(name.clone()));
                proptest::prop_assert_eq!(folded(&name.folded()), name.folded());
                proptest::prop_assert_eq!(seen(&name.seen()), name.seen());
            }
        }
    }
}
