//! What keeps a value from being a provider's key.

use std::fmt;

use bitrouter_proto::{account::credential::OWN_PREFIXES, env, key_variable::ACCOUNT};

/// What `bitrouter env` writes where an SDK insists on some key.
const PLACEHOLDER: &str = "bitrouter-local";
/// No provider's key begins or ends with one.
const QUOTES: [char; 2] = ['"', '\''];

/// Why a value cannot be a key, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRejection {
    /// Hidden by `reload --forget`.
    Forgotten,
    /// The parent (pid) shows another value.
    Overridden(u32),
    /// One of our own tokens; its beginning.
    OwnToken(&'static str),
    /// The stand-in that `bitrouter env` writes.
    Placeholder,
    /// It cannot stand in an HTTP header.
    NoHeader,
    /// A quotation mark stands at its start or end: `docker --env-file` and `systemd` hand quotes on as they are.
    Quoted,
}

impl KeyRejection {
    /// True where the value itself is no key, false where something else stands before it.
    pub(super) fn is_about_the_value(self) -> bool {
        matches!(self, Self::OwnToken(_) | Self::Placeholder | Self::NoHeader | Self::Quoted)
    }

    /// True where `bitrouter env` may have put the value there: nobody takes it for a key.
    pub(super) fn is_stand_in(self) -> bool {
        matches!(self, Self::OwnToken(_) | Self::Placeholder)
    }

    /// Why the value does not count, as a fragment.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Forgotten => "hidden by `bitrouter reload --forget` until it is pushed again".to_owned(),
            Self::Overridden(pid) => format!("its parent (pid {pid}) sets it differently now"),
            Self::OwnToken(start) => format!("`{start}…` is a token of bitrouter, not a provider's key"),
            Self::Placeholder => format!("`{PLACEHOLDER}` only stands in for a key"),
            Self::NoHeader => "it holds a character that no HTTP header can carry".to_owned(),
            Self::Quoted => "a quotation mark at its start or end would be sent as part of the key; take the quotes \
                             away"
                .to_owned(),
        }
    }
}

impl fmt::Display for KeyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forgotten => f.write_str(&self.reason()),
            Self::Overridden(_) => write!(f, "overridden: {}", self.reason()),
            _ => write!(f, "ignored: {}", self.reason()),
        }
    }
}

/// Why `value`, without blanks at its ends, cannot be what `name` holds, wherever it stands; `None` where it may be. The
/// account's own variable holds what every other one must not.
pub(super) fn reject_reason(name: &str, value: &str) -> Option<KeyRejection> {
    if name == env::BITROUTER_API_URL {
        // The strongest one decides where the account's key goes. One that is no address sends it nowhere, and never to
        // where a weaker one would.
        return None;
    }
    if name != ACCOUNT
        && let Some(rejection) = stands_in(value)
    {
        return Some(rejection);
    }
    if value.bytes().any(|b| !(b == b'\t' || (0x20..0x7f).contains(&b))) {
        Some(KeyRejection::NoHeader)
    } else if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
        Some(KeyRejection::Quoted)
    } else {
        None
    }
}

/// What is ours, or stands in for a key.
fn stands_in(value: &str) -> Option<KeyRejection> {
    if let Some(start) = OWN_PREFIXES.into_iter().find(|start| value.starts_with(start)) {
        Some(KeyRejection::OwnToken(start))
    } else if value == PLACEHOLDER {
        Some(KeyRejection::Placeholder)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key() {
        for (value, expected) in [
            ("sk-abc", None),
            ("a b", None),
            ("brk_x", Some(KeyRejection::OwnToken("brk_"))),
            ("bra_x", Some(KeyRejection::OwnToken("bra_"))),
            ("brr_", Some(KeyRejection::OwnToken("brr_"))),
            ("sk-tr-1", Some(KeyRejection::OwnToken("sk-tr-"))),
            ("sk-try", None),
            ("xbrk_", None),
            ("bitrouter-local", Some(KeyRejection::Placeholder)),
            ("bitrouter-local-2", None),
            ("a\nb", Some(KeyRejection::NoHeader)),
            ("a\u{7f}", Some(KeyRejection::NoHeader)),
            ("schlüssel", Some(KeyRejection::NoHeader)),
            ("\"sk-abc\"", Some(KeyRejection::Quoted)),
            ("'sk-abc'", Some(KeyRejection::Quoted)),
            ("sk-abc\"", Some(KeyRejection::Quoted)),
            ("sk-a'bc", None),
        ] {
            assert_eq!(reject_reason("X_API_KEY", value), expected, "{value:?}");
        }
    }

    #[test]
    fn the_accounts_variable_alone_holds_its_tokens() {
        for (value, expected) in [
            ("brk_01.secret", None),
            ("bra_x", None),
            ("sk-tr-1", None),
            ("any", None),
            ("a\nb", Some(KeyRejection::NoHeader)),
            ("'brk_1'", Some(KeyRejection::Quoted)),
        ] {
            assert_eq!(reject_reason(ACCOUNT, value), expected, "{value:?}");
        }
        assert_eq!(reject_reason("BITROUTER_OPENAI_API_KEY", "brk_1"), Some(KeyRejection::OwnToken("brk_")));
        assert_eq!(reject_reason(env::BITROUTER_API_URL, "nonsense"), None);
    }
}
