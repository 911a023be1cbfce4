//! The header that carries a key to its provider.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

/// `prefix` and the key as a header's value, marked sensitive; `None` where no header can carry the key.
pub(crate) fn credential(prefix: &str, key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    let mut text = BytesMut::with_capacity(prefix.len() + key.len());
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(key.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(text.freeze()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The same, whose memory is overwritten when the last copy of it is gone.
pub(crate) fn zeroized_credential(prefix: &str, key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    // With room for all of it: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + key.len()));
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(key.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_header_can_carry_is_no_credential() {
        let value = credential("Bearer ", &SecretString::from("k")).unwrap();
        assert!(value == "Bearer k" && value.is_sensitive());
        assert!(credential("", &SecretString::from("a\nb")).is_none());
        let value = zeroized_credential("Bearer ", &SecretString::from("k")).unwrap();
        assert!(value == "Bearer k" && value.is_sensitive());
        assert!(zeroized_credential("", &SecretString::from("a\nb")).is_none());
    }
}
