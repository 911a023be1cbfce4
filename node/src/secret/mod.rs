//! What must not be known: the node's key and what is derived from it, tokens, random numbers.

mod key;
mod random;
mod token;

pub use self::{
    key::{KeyError, NodeKey},
    random::{random_bytes, random_secret, random_ulid},
    token::{PresentedToken, Seed, Token, TokenHash, TokenKind, is_mistyped_key},
};

/// `bytes` as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
