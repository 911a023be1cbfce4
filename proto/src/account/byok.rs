//! Provider keys that people bring: sealed against the node's public key before they leave the machine where they are known.

use serde::{Deserialize, Serialize};

/// The key that provider keys are sealed against now (X25519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EncryptionKey {
    /// `kek_` and 16 hexadecimal digits of the SHA-256 of the public key.
    pub kek_id: String,
    /// 32 bytes in base64, with padding.
    pub public_key: String,
}

/// A provider key that a person has stored. Nobody is shown the key itself, nor what it is sealed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredKey {
    /// The provider, by its id in the registry.
    pub provider_name: String,
    /// What it is sealed against.
    pub kek_id: String,
    /// How it begins.
    pub key_prefix: String,
    /// Where it is sent, where that is not the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// When it was last replaced; RFC 3339, UTC.
    pub updated_at: String,
    /// When a provider last answered a call that was made with it; RFC 3339, UTC.
    #[serde(default)]
    pub last_used_at: Option<String>,
    /// When it last failed; RFC 3339, UTC.
    #[serde(default)]
    pub last_failure_at: Option<String>,
    /// How: `unusable`, `rejected`, `address_refused` or `unreachable`; other servers may know more.
    #[serde(default)]
    pub last_failure_kind: Option<String>,
    /// Why it pays for nothing, where that is so: `not_taken` (its provider's manifest no longer names `byok`) or `does_not_open`;
    /// other servers may know more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// A provider key that is to be stored, in the place of one for the same provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewStoredKey {
    /// The provider, by its id in the registry.
    pub provider_name: String,
    /// The sealed key (libsodium's `crypto_box_seal`) in base64, with padding.
    pub ciphertext_b64: String,
    /// What it is sealed against: the key that is current.
    pub kek_id: String,
    /// How the key begins, as its owner says. Lists show what the node finds.
    pub key_prefix: String,
    /// Where it is to be sent, where that is not the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
}

/// A provider key that was just stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubmittedKey {
    /// The provider.
    pub provider_name: String,
    /// What it is sealed against.
    pub kek_id: String,
    /// How it begins.
    pub key_prefix: String,
}

/// A change of somebody's stored keys, as the node notes each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeyChange {
    /// When; RFC 3339, UTC.
    pub at: String,
    /// `submitted` or `deleted`.
    pub action: String,
    /// Whose key it is: `usr_…`.
    pub person_id: String,
    /// What the person is called.
    pub person_name: String,
    /// With what it was done: `tok_…`, `usr_…` for a person at the console, `socket` for the node's owner at the machine.
    pub credential: String,
    /// The provider.
    pub provider_name: String,
    /// What the key was sealed against.
    pub kek_id: String,
    /// Where it is sent, where that is not the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
}

/// The key-encryption key that a rotation made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// What new keys are sealed against from now on.
    pub kek_id: String,
    /// What they were sealed against until now.
    pub previous_kek_id: String,
    /// How many stored keys are sealed against an earlier one; they stay good.
    pub sealed_earlier: u64,
}

/// A part of a provider's key that says what kind it is, and does not help to guess it: up to the last `-` within its first 8
/// characters, else its first 4. Of a key of at most 8 characters nothing, and of none more than half.
pub fn key_prefix(key: &str) -> &str {
    let upto = |count: usize| key.char_indices().nth(count).map_or(key.len(), |(at, _)| at);
    let first = &key[..upto(8)];
    if first.len() == key.len() {
        return "";
    }
    let half = upto(key.chars().count() / 2);
    match first.rfind('-') {
        Some(dash) if dash < half => &first[..=dash],
        _ => &key[..upto(4).min(half)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_what_kind_of_key_it_is() {
        for (key, prefix) in [
            ("sk-ant-api03-secret", "sk-ant-"),
            ("sk-proj-secret-secret", "sk-proj-"),
            ("sk-proj-secret", "sk-p"),
            ("sk-project-secret", "sk-"),
            ("AIzaSyD-secret-secret", "AIzaSyD-"),
            ("AIzaSyD-secret", "AIza"),
            ("AIzaSyDq-secret", "AIza"),
            ("gsk_secret", "gsk_"),
            ("-x", ""),
            ("abc", ""),
            ("sk-ant-x", ""),
            ("sk-ant-xy", "sk-a"),
            ("sk-abcdef", "sk-"),
            ("123456789", "1234"),
            ("", ""),
        ] {
            assert_eq!(key_prefix(key), prefix, "{key}");
        }
    }
}
