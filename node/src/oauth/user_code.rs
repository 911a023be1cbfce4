//! User codes (RFC 8628 §6.1): 8 of 20 consonants, 34.6 bits, shown as `ABCD-EFGH`.

use std::fmt;

use crate::secret::random_bytes;

/// No vowels, so that no word comes of it, and nothing that looks like something else (RFC 8628 §6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// The code that a person compares or types.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserCode([u8; LENGTH]);

impl UserCode {
    /// A new one, of random numbers without a bias: what is left of a byte above the last multiple of 20 is thrown away.
    pub(crate) fn random() -> Self {
        let mut code = [0; LENGTH];
        let mut filled = 0;
        while filled < LENGTH {
            for byte in random_bytes::<16>().into_iter().filter(|byte| *byte < 240) {
                if let Some(place) = code.get_mut(filled) {
                    *place = ALPHABET[usize::from(byte) % ALPHABET.len()];
                    filled += 1;
                }
            }
        }
        Self(code)
    }

    /// Reads what somebody typed: case, dashes and spaces mean nothing.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = [0; LENGTH];
        let mut filled = 0;
        for c in
            typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}'))
        {
            let c = u8::try_from(c).ok()?.to_ascii_uppercase();
            *code.get_mut(filled)? = c;
            filled += 1;
            if !ALPHABET.contains(&c) {
                return None;
            }
        }
        (filled == LENGTH).then_some(Self(code))
    }

    /// The code as the database holds it: without the dash.
    pub(crate) fn bare(self) -> String {
        self.0.iter().map(|byte| char::from(*byte)).collect()
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.bare();
        let (left, right) = bare.split_at(LENGTH / 2);
        write!(f, "{left}-{right}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8628_6_1_codes_are_read_however_they_are_typed() {
        let code = UserCode::parse("BCDF-GHJK").unwrap();
        for typed in ["bcdfghjk", " bcdf ghjk\n", "B-C-D-F-G-H-J-K", "BCDF\u{2013}GHJK", "bCdF\u{a0}gHjK"] {
            assert_eq!(UserCode::parse(typed), Some(code), "{typed}");
        }
        for wrong in ["", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "BCDF-GHJ1", "BCDF-GHJé"] {
            assert_eq!(UserCode::parse(wrong), None, "{wrong}");
        }
        assert_eq!((code.to_string(), code.bare()), ("BCDF-GHJK".to_owned(), "BCDFGHJK".to_owned()));
    }

    #[test]
    fn random_codes_use_the_whole_alphabet_and_read_back() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let code = UserCode::random();
            assert_eq!(UserCode::parse(&code.to_string()), Some(code));
            seen.extend(code.0);
        }
        assert_eq!(seen.len(), ALPHABET.len());
    }
}
