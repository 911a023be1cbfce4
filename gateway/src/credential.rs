//! The header that carries a key to its provider.

use bytes::BytesMut;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_header_can_carry_is_no_credential() {
        let value = credential("Bearer ", &SecretString::from("k")).unwrap();
        assert!(value == "Bearer k" && value.is_sensitive());
        assert!(credential("", &SecretString::from("a\nb")).is_none());
    }
}
