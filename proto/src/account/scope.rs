//! Scopes: what a credential may do (RFC 6749 §3.3). Their names are those of the public service.

use std::fmt;

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`")]
pub struct UnknownScope(pub String);

macro_rules! scopes {
    ($($variant:ident = $text:literal, $words:literal;)*) => {
        /// One thing that a credential may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Scope {
            $(#[doc = concat!("`", $text, "`: ", $words, ".")] $variant,)*
        }

        impl Scope {
            /// Every scope, in the order in which they are shown.
            pub const ALL: &[Scope] = &[$(Scope::$variant,)*];

            /// The scope as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Scope::$variant => $text,)* }
            }

            /// What it lets a program do, as words that go on after "may".
            pub const fn words(self) -> &'static str {
                match self { $(Scope::$variant => $words,)* }
            }
        }
    };
}

scopes! {
    InferenceInvoke = "inference:invoke", "use models";
    UsageRead = "usage:read", "see usage and the list of requests";
    KeysRead = "keys:read", "see API keys and sessions";
    KeysWrite = "keys:write", "make and revoke API keys, and end sessions";
    BillingRead = "billing:read", "see your balance and transactions";
    PolicyRead = "policy:read", "see policies and budgets";
    PolicyWrite = "policy:write", "change policies and budgets";
    ByokRead = "byok:read", "see which provider keys you have stored, for all your namespaces";
    ByokWrite = "byok:write", "store and delete provider keys, for all your namespaces";
    NamespaceRead = "namespace:read", "see the list of your namespaces";
    AccountRead = "account:read", "see your account";
    BillingWrite = "billing:write", "add credit to your account";
    AccountWrite = "account:write", "change your account";
    ClientsRead = "clients:read", "see the OAuth clients of the namespace";
    ClientsWrite = "clients:write", "register, change and delete OAuth clients";
    NamespaceWrite = "namespace:write", "create and delete namespaces";
}

impl Scope {
    /// The scope with this name; `user:*` are other names of `account:*`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "user:read" => "account:read",
            "user:write" => "account:write",
            other => other,
        };
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
    }

    /// True for what a person has to tick by hand.
    pub const fn is_sensitive(self) -> bool {
        matches!(self, Self::BillingWrite | Self::AccountWrite | Self::ClientsRead | Self::ClientsWrite)
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(u32);

impl ScopeSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// What a program gets that does not say what it wants.
    pub const DEFAULT: Self = Self::of(&[
        Scope::InferenceInvoke,
        Scope::UsageRead,
        Scope::KeysRead,
        Scope::KeysWrite,
        Scope::BillingRead,
        Scope::PolicyRead,
        Scope::PolicyWrite,
        Scope::ByokRead,
        Scope::ByokWrite,
        Scope::NamespaceRead,
        Scope::AccountRead,
    ]);

    /// All that a credential of one namespace can hold: everything but `namespace:write`.
    pub const GRANTABLE: Self = Self(Self::of(Scope::ALL).0 & !Scope::NamespaceWrite.bit());

    /// These.
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < scopes.len() {
            bits |= scopes[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// The scopes of a list with single spaces (RFC 6749 §3.3); more spaces mean nothing. `resource:*` stands for every
    /// scope of that resource but `namespace:write`.
    ///
    /// # Errors
    /// The first word that is no scope.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        let mut set = Self::EMPTY;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            set = set.union(Self::of_word(word).ok_or_else(|| UnknownScope(word.to_owned()))?);
        }
        Ok(set)
    }

    fn of_word(word: &str) -> Option<Self> {
        if let Some(scope) = Scope::parse(word) {
            return Some(Self::of(&[scope]));
        }
        let resource = word.strip_suffix(":*")?;
        let resource = if resource == "user" { "account" } else { resource };
        let all = Scope::ALL.iter().copied();
        let meant: Self = all.filter(|scope| scope.as_str().split(':').next() == Some(resource)).collect();
        let meant = meant.intersection(Self::GRANTABLE);
        (!meant.is_empty()).then_some(meant)
    }

    /// True where `scope` is in it.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// True where all of `other` is in it.
    pub const fn is_superset(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// True where nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        scopes.into_iter().fold(Self::EMPTY, |set, scope| Self(set.0 | scope.bit()))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_is_the_published_one() {
        let text = "inference:invoke usage:read keys:read keys:write billing:read policy:read policy:write byok:read \
                    byok:write namespace:read account:read";
        assert_eq!(ScopeSet::DEFAULT.to_string(), text);
        assert_eq!(ScopeSet::parse(text), Ok(ScopeSet::DEFAULT));
        assert!(ScopeSet::DEFAULT.iter().all(|scope| !scope.is_sensitive()));
    }

    #[test]
    fn p08_a_wildcard_never_reaches_namespace_write() {
        assert_eq!(ScopeSet::parse("namespace:*").unwrap().to_string(), "namespace:read");
        assert_eq!(
            ScopeSet::parse("policy:* user:*").unwrap().to_string(),
            "policy:read policy:write account:read account:write"
        );
        assert!(!ScopeSet::GRANTABLE.contains(Scope::NamespaceWrite));
        assert_eq!(ScopeSet::GRANTABLE.iter().count(), Scope::ALL.len() - 1);
    }

    #[test]
    fn unknown_words_are_named() {
        for (text, word) in
            [("usage:read nonsense", "nonsense"), ("*", "*"), (":*", ":*"), ("Usage:read", "Usage:read")]
        {
            assert_eq!(ScopeSet::parse(text), Err(UnknownScope(word.to_owned())));
        }
        assert_eq!(ScopeSet::parse("  "), Ok(ScopeSet::EMPTY));
    }

    #[test]
    fn sets_are_sets() {
        let small = ScopeSet::of(&[Scope::UsageRead]);
        assert!(ScopeSet::DEFAULT.is_superset(small) && !small.is_superset(ScopeSet::DEFAULT));
        assert_eq!(ScopeSet::DEFAULT.without(small).union(small), ScopeSet::DEFAULT);
        assert_eq!(ScopeSet::DEFAULT.intersection(small), small);
        assert_eq!(ScopeSet::parse("user:read").unwrap().to_string(), "account:read");
    }
}
