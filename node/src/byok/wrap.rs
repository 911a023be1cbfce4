//! What is kept under the node's key: ChaCha20-Poly1305 (RFC 8439) with a key of its own for each purpose, and what it is for as
//! associated data, so that nothing can be put in another's place.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::zeroize::Zeroizing;

use crate::secret::{NodeKey, random_bytes};

/// It was not wrapped under this key, or not for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not open under the node's key")]
pub(super) struct Unopened;

/// What is wrapped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The private half of a key-encryption key.
    Kek,
    /// What somebody has submitted.
    Submitted,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kek => "byok kek",
            Self::Submitted => "byok submitted",
        }
    }
}

fn key(node: &NodeKey, purpose: Purpose) -> Result<LessSafeKey, Unopened> {
    let bytes = Zeroizing::new(node.derive(purpose.as_str(), &[]));
    UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice()).map(LessSafeKey::new).map_err(|_| Unopened)
}

/// The parts, each behind its length: no two lists of parts are the same.
fn associated(parts: &[&[u8]]) -> Aad<Vec<u8>> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        all.extend_from_slice(part);
    }
    Aad::from(all)
}

/// `plain`, wrapped for what `parts` say; base64.
///
/// # Errors
/// Never for what is as short as a key.
pub(super) fn wrap(node: &NodeKey, purpose: Purpose, parts: &[&[u8]], plain: &[u8]) -> Result<String, Unopened> {
    let nonce: [u8; NONCE_LEN] = random_bytes();
    // With room for all of it: bytes that grow leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len()));
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(plain);
    let sealing = key(node, purpose)?;
    let tag = sealing
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), associated(parts), &mut bytes[NONCE_LEN..])
        .map_err(|_| Unopened)?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(STANDARD.encode(&*bytes))
}

/// What was wrapped.
///
/// # Errors
/// Where it was not wrapped under this key for what `parts` say.
pub(super) fn unwrap(
    node: &NodeKey,
    purpose: Purpose,
    parts: &[&[u8]],
    wrapped: &str,
) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let mut bytes = Zeroizing::new(STANDARD.decode(wrapped).map_err(|_| Unopened)?);
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(Unopened)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
    let length = key(node, purpose)?.open_in_place(nonce, associated(parts), sealed).map_err(|_| Unopened)?.len();
    bytes.truncate(NONCE_LEN + length);
    bytes.drain(..NONCE_LEN);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n46_what_is_wrapped_opens_for_what_it_was_wrapped_for_alone() {
        let (node, other) = (NodeKey::of(&[1; 32]), NodeKey::of(&[2; 32]));
        let parts: [&[u8]; 2] = [b"ada", b"openai"];
        let wrapped = wrap(&node, Purpose::Submitted, &parts, b"secret").unwrap();
        assert_ne!(wrapped, wrap(&node, Purpose::Submitted, &parts, b"secret").unwrap());
        assert_eq!(&*unwrap(&node, Purpose::Submitted, &parts, &wrapped).unwrap(), b"secret");
        assert_eq!(unwrap(&other, Purpose::Submitted, &parts, &wrapped).unwrap_err(), Unopened);
        assert_eq!(unwrap(&node, Purpose::Kek, &parts, &wrapped).unwrap_err(), Unopened);
        for foreign in [&[&b"eve"[..], b"openai"][..], &[b"adaopenai"], &[b"adao", b"penai"], &[]] {
            assert_eq!(unwrap(&node, Purpose::Submitted, foreign, &wrapped).unwrap_err(), Unopened);
        }
        let bytes = STANDARD.decode(&wrapped).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(unwrap(&node, Purpose::Submitted, &parts, &STANDARD.encode(&bent)).is_err(), "{at}");
            assert!(unwrap(&node, Purpose::Submitted, &parts, &STANDARD.encode(&bytes[..at])).is_err(), "{at}");
        }
        assert!(unwrap(&node, Purpose::Submitted, &parts, "no base64!").is_err());
    }
}
