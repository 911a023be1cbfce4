//! Seals a provider's key for a node, on the machine where it is known: libsodium's sealed boxes (X25519, XSalsa20-Poly1305),
//! <https://doc.libsodium.org/public-key_cryptography/sealed_boxes>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_box::{KEY_SIZE, PublicKey, aead::OsRng};
use secrecy::{ExposeSecret as _, SecretString};

use super::byok::{EncryptionKey, NewStoredKey, key_prefix};

/// The longest key that is sealed, bytes.
pub const LONGEST: usize = 4096;

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key.
    #[error("the key is empty")]
    Empty,
    /// It cannot be one.
    #[error("a provider's key is 1 to {LONGEST} printable ASCII characters, without blanks at its ends")]
    NoKey,
    /// What it was to be sealed against is none.
    #[error("the server's public key is not 32 bytes in base64")]
    PublicKey,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandom,
}

/// `key` as it is submitted for `provider`.
///
/// # Errors
/// Where it is no key, or `against` is none.
pub fn sealed(
    against: &EncryptionKey,
    provider: &str,
    key: &SecretString,
    api_base: Option<String>,
) -> Result<NewStoredKey, SealError> {
    let text = key.expose_secret();
    check_key(text)?;
    let public_key = STANDARD.decode(&against.public_key).map_err(|_| SealError::PublicKey)?;
    let public_key: [u8; KEY_SIZE] = public_key.as_slice().try_into().map_err(|_| SealError::PublicKey)?;
    let sealed = PublicKey::from(public_key).seal(&mut OsRng, text.as_bytes()).map_err(|_| SealError::NoRandom)?;
    Ok(NewStoredKey {
        provider_name: provider.to_owned(),
        ciphertext_b64: STANDARD.encode(sealed),
        kek_id: against.kek_id.clone(),
        key_prefix: key_prefix(text).to_owned(),
        api_base,
    })
}

/// Looks whether `text` can be a provider's key.
///
/// # Errors
/// Where it cannot.
pub fn check_key(text: &str) -> Result<(), SealError> {
    if text.is_empty() {
        return Err(SealError::Empty);
    }
    let is_printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_printable || text.len() > LONGEST || text.trim() != text { Err(SealError::NoKey) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crypto_box::SecretKey;

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_other_half_alone() {
        let (secret, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let public_key = STANDARD.encode(secret.public_key().to_bytes());
        let against = EncryptionKey { kek_id: "kek_1".to_owned(), public_key };
        let new = sealed(&against, "openai", &"sk-proj-canary-canary".into(), None).unwrap();
        assert_eq!((new.kek_id.as_str(), new.key_prefix.as_str()), ("kek_1", "sk-proj-"));
        let bytes = STANDARD.decode(&new.ciphertext_b64).unwrap();
        assert_eq!(secret.unseal(&bytes).unwrap(), b"sk-proj-canary-canary");
        assert!(other.unseal(&bytes).is_err());
        assert!(!format!("{new:?}").contains("canary"));
        for (key, why) in
            [("", SealError::Empty), ("a\nb", SealError::NoKey), ("é", SealError::NoKey), (" a", SealError::NoKey)]
        {
            assert_eq!(sealed(&against, "openai", &key.into(), None).unwrap_err(), why);
        }
        let short = EncryptionKey { public_key: STANDARD.encode([1; 31]), ..against };
        assert_eq!(sealed(&short, "openai", &"k".into(), None).unwrap_err(), SealError::PublicKey);
    }
}
