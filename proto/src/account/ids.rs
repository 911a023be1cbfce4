//! Ids: a lower-case ULID (<https://github.com/ulid/spec>) behind a prefix that says of what. They are read in any case.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::{ULID_LEN, Ulid};

/// A text that is not the id of what it should name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: it must be `{0}` and 26 letters and digits")]
pub struct IdError(&'static str);

macro_rules! id {
    ($(#[$meta:meta])* $name:ident = $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What the id begins with.
            pub const PREFIX: &str = $prefix;

            /// The id of a ULID.
            pub const fn new(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The ULID behind the prefix.
            pub const fn ulid(self) -> Ulid {
                self.0
            }

            /// The ULID as it stands in the id: 26 lower-case characters.
            pub fn bare(self) -> String {
                bare(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, bare(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, Self::PREFIX).map(Self).ok_or(IdError(Self::PREFIX))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // Crockford's base 32, of which a ULID takes the first digit up to 7.
                let pattern = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$");
                schemars::json_schema!({ "type": "string", "pattern": pattern })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A person.
    PersonId = "usr_"
}
id! {
    /// A namespace.
    NamespaceId = "ns_"
}
id! {
    /// A session of a program: one OAuth grant, with all tokens that came of it.
    GrantId = "tok_"
}
id! {
    /// A row of the ledger: one call.
    RequestRowId = "req_"
}
id! {
    /// What was added to a credit, or taken from it.
    TransactionId = "txn_"
}
id! {
    /// An API key.
    KeyId = "key_"
}
id! {
    /// A policy.
    PolicyId = "pol_"
}
id! {
    /// An OAuth client that somebody has registered: its `client_id`.
    OauthClientId = "brc_"
}
id! {
    /// What binds a policy to a principal.
    BindingId = "bnd_"
}

/// Which credential a call was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialId {
    /// An access token of this grant.
    Grant(GrantId),
    /// This API key.
    Key(KeyId),
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
        }
    }
}

fn bare(ulid: Ulid) -> String {
    let mut text = [0; ULID_LEN];
    ulid.array_to_str(&mut text).to_ascii_lowercase()
}

/// A prefix in any case, and the 26 characters of a ULID. The crate's own reader takes no lower case for granted.
fn parse(text: &str, prefix: &str) -> Option<Ulid> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) || rest.len() != ULID_LEN || !rest.is_ascii() {
        return None;
    }
    let ulid = Ulid::from_string(&rest.to_ascii_uppercase()).ok()?;
    // Spellings that mean the same number (I and L for 1, O for 0, a first digit over 7) are no second name of it.
    bare(ulid).eq_ignore_ascii_case(rest).then_some(ulid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_a_lower_case_ulid() {
        let id = NamespaceId::new(Ulid::from_parts(1, 2));
        assert_eq!(id.to_string(), "ns_00000000010000000000000002");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_ascii_uppercase().parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"ns_00000000010000000000000002\"");
        assert_eq!(serde_json::from_str::<NamespaceId>("\"NS_00000000010000000000000002\"").unwrap(), id);
    }

    #[test]
    fn nothing_else_is_one() {
        for text in [
            "",
            "ns_",
            "ns_0000000001000000000000000",
            "ns_000000000100000000000000022",
            "usr_00000000010000000000000002",
            "ns_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "ns_0000000001000000000000000O",
            "ns_0000000001000000000000000I",
            "ns_0000000001000000000000000é",
            " ns_00000000010000000000000002",
        ] {
            assert!(text.parse::<NamespaceId>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_id_reads_back(number: u128) {
            let id = PersonId::new(Ulid(number));
            proptest::prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<GrantId>();
        }
    }
}
