//! The name of a provider.

use std::{fmt, sync::Arc};

use bitrouter_proto::key_variable;

use super::RegistryError;

/// A provider's id: one or more of `a-z`, `0-9` and `-`. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(Arc<str>);

impl ProviderId {
    /// The id of the built-in provider of demo mode.
    pub const DEMO: &str = "demo";
    /// The id of the account's own provider.
    pub const ACCOUNT: &str = "bitrouter";

    /// The id that `text` spells.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
            return Err(RegistryError::Id);
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The variable that always supplies this provider's key: `BITROUTER_<ID>_API_KEY`.
    pub fn variable(&self) -> String {
        key_variable::own(&self.0)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for ProviderId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ProviderId {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProviderId {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl<'de> serde::Deserialize<'de> for ProviderId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for ProviderId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_words_with_dashes() {
        assert_eq!(ProviderId::parse("my-llm-2").unwrap().variable(), "BITROUTER_MY_LLM_2_API_KEY");
        for bad in ["", "A", "a_b", "a b", "a.b", "ä"] {
            assert!(ProviderId::parse(bad).is_err(), "{bad}");
        }
    }
}
