//! Comparing secrets without telling by the time it takes where they differ.

use secrecy::{ExposeSecret as _, SecretString};

/// True where both hold the same text. Only their lengths can be told from the time this takes.
pub(crate) fn same(a: &SecretString, b: &SecretString) -> bool {
    let (a, b) = (a.expose_secret().as_bytes(), b.expose_secret().as_bytes());
    let differing = a.iter().zip(b).fold(0u8, |differing, (a, b)| differing | (a ^ b));
    std::hint::black_box(differing) == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_means_equal() {
        for (a, b, expected) in
            [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("ab", "a", false)]
        {
            assert_eq!(same(&SecretString::from(a), &SecretString::from(b)), expected, "{a:?} {b:?}");
        }
    }
}
