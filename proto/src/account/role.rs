//! Roles: what a person may do in a namespace, at most.

use serde::{Deserialize, Serialize};

use super::{Scope, ScopeSet};

/// What a person is in a namespace. Whoever has none does not know that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at everything but the money.
    Viewer,
    /// Uses models, and makes keys too.
    Member,
    /// Sets the rules too.
    Admin,
    /// It is this person's.
    Owner,
}

impl Role {
    /// What can be given to somebody else.
    pub const GIVEN: &[Self] = &[Self::Admin, Self::Member, Self::Viewer];

    /// The role as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// What it lets a person do, as a sentence begins.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Viewer => "See keys, usage and policies",
            Self::Member => "Also use models and make keys",
            Self::Admin => "Also set policies, and end keys and sessions of others",
            Self::Owner => "Everything",
        }
    }

    /// The role that can be given and is written like this.
    pub fn parse_given(text: &str) -> Option<Self> {
        Self::GIVEN.iter().copied().find(|role| role.as_str() == text)
    }

    /// True where what other people made in the namespace, sessions and keys, may be ended too.
    pub const fn is_over_others(self) -> bool {
        matches!(self, Self::Admin | Self::Owner)
    }

    /// The most that a credential of this person can do in the namespace. What is the person's own (`billing:*`, `byok:*`,
    /// `account:*`) goes with every role.
    pub const fn scopes(self) -> ScopeSet {
        match self {
            Self::Viewer => VIEWER,
            Self::Member => MEMBER,
            Self::Admin => ADMIN,
            Self::Owner => ScopeSet::GRANTABLE,
        }
    }
}

const OWN: ScopeSet = ScopeSet::of(&[
    Scope::BillingRead,
    Scope::BillingWrite,
    Scope::ByokRead,
    Scope::ByokWrite,
    Scope::AccountRead,
    Scope::AccountWrite,
]);

const VIEWER: ScopeSet =
    ScopeSet::of(&[Scope::NamespaceRead, Scope::KeysRead, Scope::UsageRead, Scope::PolicyRead, Scope::ClientsRead])
        .union(OWN);

const MEMBER: ScopeSet = ScopeSet::of(&[Scope::InferenceInvoke, Scope::KeysWrite]).union(VIEWER);

const ADMIN: ScopeSet = ScopeSet::of(&[Scope::PolicyWrite, Scope::ClientsWrite]).union(MEMBER);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_more_than_the_one_before() {
        let all = [Role::Viewer, Role::Member, Role::Admin, Role::Owner];
        for pair in all.windows(2) {
            assert!(pair[0] < pair[1]);
            assert_eq!(pair[0].scopes().intersection(pair[1].scopes()), pair[0].scopes());
            // Members and the end of a namespace are no scope's: they are its owner's own.
            assert_eq!(pair[0].scopes() == pair[1].scopes(), pair[1] == Role::Owner);
        }
        let texts = all.map(|role| role.scopes().to_string());
        assert!(!texts[0].contains("keys:write") && !texts[0].contains("inference:invoke"));
        assert!(texts[1].contains("inference:invoke") && !texts[1].contains("policy:write"));
        assert!(texts[2].contains("policy:write") && texts[2].contains("clients:write"));
        assert_eq!(Role::parse_given("owner"), None);
        assert_eq!(Role::parse_given("admin"), Some(Role::Admin));
    }
}
