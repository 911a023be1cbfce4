//! What policies are bound to.

use std::fmt;

use bitrouter_proto::account::{
    GrantId, KeyId, NamespaceId, PersonId,
    policy::{Origin, PrincipalType},
};

use crate::oauth::ClientId;

/// Something that policies can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalId {
    /// All that happens in this namespace.
    Namespace(NamespaceId),
    /// This key, and those minted with it.
    ApiKey(KeyId),
    /// This session, and the keys minted with it.
    OauthToken(GrantId),
    /// All sessions of this client, by its `client_id`.
    OauthClient(ClientId),
    /// All that this person does in the namespace.
    User(PersonId),
}

impl PrincipalId {
    /// What `id` of the kind `kind` names; `None` where it can name nothing.
    pub fn parse(kind: PrincipalType, id: &str) -> Option<Self> {
        match kind {
            PrincipalType::Namespace => id.parse().ok().map(Self::Namespace),
            PrincipalType::ApiKey => id.parse().ok().map(Self::ApiKey),
            PrincipalType::OauthToken => id.parse().ok().map(Self::OauthToken),
            PrincipalType::OauthClient => ClientId::parse(id).map(Self::OauthClient),
            PrincipalType::User => id.parse().ok().map(Self::User),
        }
    }

    /// What it is.
    pub fn kind(self) -> PrincipalType {
        match self {
            Self::Namespace(_) => PrincipalType::Namespace,
            Self::ApiKey(_) => PrincipalType::ApiKey,
            Self::OauthToken(_) => PrincipalType::OauthToken,
            Self::OauthClient(_) => PrincipalType::OauthClient,
            Self::User(_) => PrincipalType::User,
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(id) => id.fmt(f),
            Self::ApiKey(id) => id.fmt(f),
            Self::OauthToken(id) => id.fmt(f),
            Self::OauthClient(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
        }
    }
}

/// Where a rule comes from, as what tells two of them apart.
pub(super) fn key(origin: &Origin) -> (bitrouter_proto::account::PolicyId, PrincipalType, &str) {
    (origin.policy_id, origin.principal_type, &origin.principal_id)
}
