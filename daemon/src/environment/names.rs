//! The names of variables that can hold a provider's key.

use std::collections::BTreeSet;

use bitrouter_proto::{
    env::BITROUTER_API_URL,
    key_variable::{self, ACCOUNT, id_in},
};

/// One provider and the variables that can hold its key, the strongest name first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames {
    /// The provider's id.
    pub provider: String,
    /// `BITROUTER_<ID>_API_KEY`, then the passthrough names in the order of the manifest.
    pub variables: Vec<String>,
    /// False where calls need no key (a local provider).
    pub needs_key: bool,
    /// False where the settings switch the provider off: then no key is held for it.
    pub enabled: bool,
}

impl KeyNames {
    /// An enabled provider that needs a key; puts `BITROUTER_<ID>_API_KEY` before the passthrough names.
    pub fn new<S: Into<String>>(provider: &str, passthrough: impl IntoIterator<Item = S>) -> Self {
        let mut variables = vec![key_variable::own(provider)];
        for name in passthrough {
            let name = name.into();
            if !variables.contains(&name) {
                variables.push(name);
            }
        }
        Self { provider: provider.to_owned(), variables, needs_key: true, enabled: true }
    }
}

/// Every name that is worth holding: those that some provider reads, and those that look as if one should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownNames {
    listed: BTreeSet<String>,
}

impl KnownNames {
    /// The names of `providers`.
    pub fn of(providers: &[KeyNames]) -> Self {
        let mut listed: BTreeSet<String> =
            providers.iter().flat_map(|provider| provider.variables.iter().cloned()).collect();
        if listed.contains(ACCOUNT) {
            // The key without its server would go to another one.
            listed.insert(BITROUTER_API_URL.to_owned());
        }
        Self { listed }
    }

    /// The names that some provider reads, sorted: what a client should send.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(String::as_str)
    }

    /// True where some provider reads `name`.
    pub fn is_listed(&self, name: &str) -> bool {
        self.listed.contains(name)
    }

    /// True where `name` is listed, or has the form `BITROUTER_<ID>_API_KEY` of a provider that is not known (held
    /// only to warn about it).
    pub fn admits(&self, name: &str) -> bool {
        self.is_listed(name) || id_in(name).is_some()
    }
}

/// True where `name` can be a variable's name.
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_name_comes_first_and_once() {
        let names = KeyNames::new("x-ai", ["XAI_API_KEY", "BITROUTER_X_AI_API_KEY", "XAI_API_KEY"]);
        assert_eq!(names.variables, ["BITROUTER_X_AI_API_KEY", "XAI_API_KEY"]);
    }

    #[test]
    fn known_names() {
        let known = KnownNames::of(&[KeyNames::new("openai", ["OPENAI_API_KEY"])]);
        assert_eq!(known.listed().collect::<Vec<_>>(), ["BITROUTER_OPENAI_API_KEY", "OPENAI_API_KEY"]);
        for (name, admitted) in [
            ("OPENAI_API_KEY", true),
            ("BITROUTER_OPENIA_API_KEY", true),
            ("BITROUTER_API_KEY", false),
            ("BITROUTER__API_KEY", false),
            ("BITROUTER_a b_API_KEY", false),
            ("PATH", false),
        ] {
            assert_eq!(known.admits(name), admitted, "{name}");
        }
        assert_eq!(id_in("BITROUTER_X_AI_API_KEY").as_deref(), Some("x-ai"));
        let account = KnownNames::of(&[KeyNames::new("bitrouter", Vec::<String>::new())]);
        assert_eq!(account.listed().collect::<Vec<_>>(), ["BITROUTER_API_KEY", "BITROUTER_API_URL"]);
    }

    #[test]
    fn variable_names() {
        for (name, good) in [("A", true), ("_a1", true), ("1A", false), ("", false), ("A-B", false), ("É", false)] {
            assert_eq!(is_variable_name(name), good, "{name}");
        }
    }
}
