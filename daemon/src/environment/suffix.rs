//! What people tell their keys apart by: the end of one, where so little of it gives nothing away.

use secrecy::{ExposeSecret as _, SecretString};

/// Characters that are shown.
const SHOWN: usize = 4;

/// Characters that a key has at least of which any are shown.
const LONG: usize = 12;

/// The last four characters of a key of at least twelve.
pub(super) fn suffix(key: &SecretString) -> Option<String> {
    let key = key.expose_secret();
    let from = key.chars().count().checked_sub(LONG)? + LONG - SHOWN;
    Some(key.chars().skip(from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_key_shows_its_end() {
        for (key, shown) in [
            ("", None),
            ("abcdefghijk", None),
            ("abcdefghijkl", Some("ijkl")),
            ("sk-proj-0123456789abcdef", Some("cdef")),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
        ] {
            assert_eq!(suffix(&SecretString::from(key)).as_deref(), shown, "{key}");
        }
    }
}
