//! API keys: `brk_…`, of one namespace each.

use serde::{Deserialize, Serialize};

use super::KeyId;

/// An API key as it is listed. Nobody sees the key itself again. Another server's ids may have another form than ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Key"))]
pub struct Key<Id = KeyId> {
    /// Which.
    pub id: Id,
    /// What it is called.
    pub display_name: String,
    /// The first characters of the key.
    pub key_prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends; RFC 3339, UTC.
    pub expires_at: Option<String>,
    /// When it was last used; RFC 3339, UTC.
    pub last_used_at: Option<String>,
    /// When it was revoked; RFC 3339, UTC.
    pub revoked_at: Option<String>,
    /// Since when it is refused until somebody says that it holds: its server could not tell what had been revoked; RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The credential that it was minted with: `key_…` or `tok_…`; none where a person did.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// The person behind it.
    #[serde(default)]
    pub subject: Option<String>,
}

/// What is asked for in a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewKey {
    /// What it is to be called.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub display_name: String,
    /// What it is to be able to do: a part of what its minter can.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub scopes: Vec<String>,
    /// When it is to end; RFC 3339.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A key that was just minted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MintedKey"))]
pub struct MintedKey<Id = KeyId> {
    /// The key itself: it is shown this once.
    pub token: String,
    /// Which.
    pub id: Id,
    /// The first characters of the key.
    pub key_prefix: String,
    /// What it is called.
    pub display_name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends; RFC 3339, UTC.
    pub expires_at: Option<String>,
}

impl<Id: std::fmt::Debug> std::fmt::Debug for MintedKey<Id> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MintedKey").field("id", &self.id).finish_non_exhaustive()
    }
}
