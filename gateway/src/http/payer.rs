//! Who pays for a call: the key that the owner of the caller's namespace has stored for its provider, else the node's own. It is
//! decided once, when the route is known; what is stored or deleted behind that is the next call's.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    attempt::{CallError, Outcome},
    prepare::Serving,
    quoted_key::SHORTEST_KEY,
};
use crate::{
    credential::{credential, zeroized_credential},
    error::InferenceError,
    ports::{KeyFailure, KeyUnusable, OwnersKey, Plan},
    protocol::Dialect,
    registry::{BaseAddress, Provider, ProviderId, Target},
    upstream::UpstreamError,
};

/// The setting that says where the node's own calls go.
pub(super) const BASE_URL: &str = "base_url";

/// Whose key a call to a provider goes with.
pub(super) struct Payer<'s> {
    provider: &'s ProviderId,
    /// The node's own key.
    nodes: Option<&'s SecretString>,
    owners: Option<Arc<dyn OwnersKey>>,
    /// What binds the call in place of what else binds its caller's.
    plan: Option<Plan>,
}

impl Payer<'_> {
    /// True where it is the one for this provider.
    pub(super) fn is_for(&self, provider: &Provider) -> bool {
        self.provider == provider.id()
    }
}

/// A key that a call goes with, opened.
pub(super) enum Paid<'s> {
    /// The node's own, or none.
    Node(Option<&'s SecretString>),
    /// That of the namespace's owner.
    Owner(Box<OwnersCall>),
}

/// A call that goes with a stored key.
pub(super) struct OwnersCall {
    stored: Arc<dyn OwnersKey>,
    key: SecretString,
    target: Option<Target>,
}

impl Serving<'_> {
    /// Whose key pays for a call to `provider`. Nothing is opened.
    pub(super) fn payer<'s>(&'s self, provider: &'s Provider) -> Payer<'s> {
        let (keys, id) = (&self.snapshot.keys, provider.id());
        let owners = keys.owners_key(self.caller, id);
        let plan = owners.as_ref().and_then(|_| Some(self.plan.bound()?.paid_by_owners_key()));
        let nodes = if owners.is_some() { None } else { keys.key(self.caller, id) };
        Payer { provider: id, nodes, owners, plan }
    }

    /// What binds a call that `payer` pays for.
    pub(super) fn plan_of<'p>(&'p self, payer: Option<&'p Payer<'_>>) -> &'p Plan {
        payer.and_then(|payer| payer.plan.as_ref()).unwrap_or(self.plan)
    }
}

impl<'s> Payer<'s> {
    /// The key, opened, and what binds the call where that is not what binds its caller's.
    ///
    /// # Errors
    /// Where a stored key cannot be used: nobody else pays in its place.
    pub(super) fn opened(
        self,
        provider: &Provider,
        dialect: Dialect,
    ) -> Result<(Paid<'s>, Option<Plan>), InferenceError> {
        let Some(stored) = self.owners else { return Ok((Paid::Node(self.nodes), None)) };
        let (key, target) = opened(provider, dialect, &*stored).map_err(|refused| {
            stored.failed(refused.how());
            unusable(provider, &refused.to_string())
        })?;
        Ok((Paid::Owner(Box::new(OwnersCall { stored, key, target })), self.plan))
    }
}

/// Why a stored key cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    #[error(transparent)]
    Key(#[from] KeyUnusable),
    #[error("{0}")]
    Address(&'static str),
}

impl NotSent {
    /// How that is noted.
    pub(crate) const fn how(self) -> KeyFailure {
        match self {
            Self::Key(_) => KeyFailure::Unusable,
            Self::Address(_) => KeyFailure::AddressRefused,
        }
    }
}

/// A stored key, opened, and where it is sent in `dialect`. Nothing is noted.
pub(crate) fn opened(
    provider: &Provider,
    dialect: Dialect,
    stored: &dyn OwnersKey,
) -> Result<(SecretString, Option<Target>), NotSent> {
    let key = stored.open()?;
    let target = target(provider, dialect, stored).map_err(NotSent::Address)?;
    Ok((key, target))
}

/// Whether `stored` could pay for a call to `provider` in the first of `dialects` that it speaks. Nothing is noted.
pub(super) fn would_pay(
    provider: &Provider,
    dialects: &[Dialect],
    stored: &dyn OwnersKey,
) -> Result<(), InferenceError> {
    let Some(dialect) = dialects.iter().copied().find(|dialect| provider.target(*dialect).is_some()) else {
        return Ok(());
    };
    let (key, target) =
        opened(provider, dialect, stored).map_err(|refused| unusable(provider, &refused.to_string()))?;
    match target {
        Some(target) if zeroized_credential(&target.auth_prefix, &key).is_none() => Err(unusable(provider, NO_HEADER)),
        _ => Ok(()),
    }
}

/// Why a key that holds what it may not is none.
pub(super) const NO_HEADER: &str = "it cannot stand in an HTTP header";

/// Where calls of `stored` go, by connections of its own.
fn target(provider: &Provider, dialect: Dialect, stored: &dyn OwnersKey) -> Result<Option<Target>, &'static str> {
    let Some(target) = provider.target(dialect) else { return Ok(None) };
    let connections = stored.connections();
    let Some(base) = stored.api_base() else {
        let (tls, host, port) = (target.origin.tls, &target.origin.host, target.origin.port);
        return Ok(Some(target.by(connections.to(tls, host, port, false))));
    };
    let address = BaseAddress::parse(base).map_err(|_| "its address is none")?;
    let only_public = !stored.may_be_private();
    if only_public && !address.tls {
        return Err("its address is not https");
    }
    let origin = connections.to(address.tls, &address.host, address.port, only_public);
    target.moved(dialect, &address, origin).map(Some).ok_or("its address cannot be used")
}

impl Paid<'_> {
    /// Where calls to `provider` go.
    pub(super) fn target<'t>(&'t self, provider: &'t Provider, dialect: Dialect) -> Option<&'t Target> {
        match self {
            Self::Node(_) => provider.target(dialect),
            Self::Owner(call) => call.target.as_ref(),
        }
    }

    /// True where the namespace's owner pays the provider.
    pub(super) fn is_owner(&self) -> bool {
        matches!(self, Self::Owner(_))
    }

    /// What the namespace's owner pays for.
    pub(super) fn owners_call(self) -> Option<Box<OwnersCall>> {
        match self {
            Self::Node(_) => None,
            Self::Owner(call) => Some(call),
        }
    }

    /// True where there is a key.
    pub(super) fn has_key(&self) -> bool {
        !matches!(self, Self::Node(None))
    }

    /// The header's value that carries the key behind `prefix`; `None` where there is none, or no header can carry it.
    pub(super) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        match self {
            Self::Node(key) => credential(prefix, (*key)?),
            Self::Owner(call) => zeroized_credential(prefix, &call.key),
        }
    }
}

impl OwnersCall {
    /// The setting that says where its calls go.
    pub(super) fn address_setting(&self) -> &'static str {
        if self.stored.api_base().is_some() { "api_base" } else { BASE_URL }
    }

    /// The key.
    pub(super) fn key(&self) -> &SecretString {
        &self.key
    }

    /// The key as it was sent, where it is long enough to be looked for in a reply.
    pub(super) fn quotable(&self) -> Option<&str> {
        Some(self.key.expose_secret()).filter(|key| key.len() >= SHORTEST_KEY)
    }

    /// Notes what became of the call.
    pub(super) fn note(&self, outcome: &Result<Outcome, CallError>) {
        match outcome {
            Ok(Outcome::Reply { .. }) => self.stored.used(),
            Ok(Outcome::Error { parts, .. }) => {
                self.stored.used();
                if matches!(parts.status.as_u16(), 401 | 403) {
                    self.stored.failed(KeyFailure::Rejected);
                }
            }
            Err(CallError::Upstream(UpstreamError::NotPublic { .. })) => {
                self.stored.failed(KeyFailure::AddressRefused);
            }
            // That a provider is away says nothing of the key; that nothing is where its owner sends it does.
            Err(CallError::Upstream(_)) if self.stored.api_base().is_some() => {
                self.stored.failed(KeyFailure::Unreachable);
            }
            Err(_) => {}
        }
    }
}

/// 402: the stored key cannot be used, and why.
pub(super) fn unusable(provider: &Provider, why: &str) -> InferenceError {
    let id = provider.id();
    let message = format!(
        "the key that this namespace's owner has stored for `{id}` cannot be used: {why}; its owner stores it anew with `bitrouter \
         cloud byok set --provider {id}`, or deletes it"
    );
    InferenceError::new(InferenceCode::ProviderKeyMissing, message).with_param("model").with("provider", id.as_str())
}
