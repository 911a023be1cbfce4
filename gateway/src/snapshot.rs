//! What a request is served with: one immutable value, swapped whole, kept by the requests that began with it.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{
    account::Account,
    http::Caller,
    ports::SharedKeys,
    protocol::Dialect,
    registry::{Catalog, Provider, ProviderId},
    route::{self, Names, Route, RouteRefusal},
};

/// Bounds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// Until a connection to the provider stands, its name and TLS included.
    pub connect: Duration,
    /// From then until the first body byte of the reply.
    pub first_byte: Duration,
    /// Between two pieces of the reply.
    pub between_chunks: Duration,
    /// From the head of the request to the last byte of the reply.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 64 << 20,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(10),
            between_chunks: Duration::from_mins(2),
            total: Duration::from_mins(30),
        }
    }
}

/// Registry, settings and keys at one instant.
#[derive(Clone)]
pub struct Snapshot {
    /// The providers.
    pub catalog: Arc<Catalog>,
    /// `[aliases]`.
    pub aliases: BTreeMap<String, String>,
    /// `[routing] prefer`.
    pub prefer: Vec<ProviderId>,
    /// The keys.
    pub keys: SharedKeys,
    /// How the account's own provider is served.
    pub account: Account,
    /// The bounds.
    pub limits: Limits,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Where a model name leads a caller who speaks one of `dialects`.
    pub fn resolve<'a>(
        &'a self,
        caller: Caller,
        name: &'a str,
        dialects: &[Dialect],
    ) -> Result<Route<'a>, RouteRefusal<'a>> {
        self.names(&|id| self.can_pay(caller, id), dialects).resolve(name)
    }

    /// The same, where only what `may_call` allows is a candidate.
    pub(crate) fn resolve_among<'a>(
        &'a self,
        caller: Caller,
        maker: Option<&ProviderId>,
        name: &'a str,
        dialects: &[Dialect],
        may_call: &dyn Fn(&Provider, &str) -> bool,
    ) -> Option<Route<'a>> {
        let prefer: Vec<ProviderId> = maker.into_iter().chain(&self.prefer).cloned().collect();
        let has_key = |id: &ProviderId| self.can_pay(caller, id);
        let names = Names { prefer: &prefer, may_call, ..self.names(&has_key, dialects) };
        names.resolve(name).ok().filter(|route| may_call(route.provider, route.model))
    }

    /// The same for a request that goes on from what `maker` made: where several providers serve the name, it is that one.
    pub(crate) fn resolve_after<'a>(
        &'a self,
        caller: Caller,
        maker: Option<&ProviderId>,
        name: &'a str,
        dialects: &[Dialect],
    ) -> Result<Route<'a>, RouteRefusal<'a>> {
        let Some(maker) = maker else { return self.resolve(caller, name, dialects) };
        let prefer: Vec<ProviderId> = std::iter::once(maker).chain(&self.prefer).cloned().collect();
        let has_key = |id: &ProviderId| self.can_pay(caller, id);
        Names { prefer: &prefer, ..self.names(&has_key, dialects) }.resolve(name)
    }

    /// True where the name, or the alias that it is, says its provider.
    pub(crate) fn names_provider(&self, name: &str) -> bool {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        name.split_once([':', '/']).is_some_and(|(id, _)| self.catalog.find(id).is_some())
    }

    /// The names nearest to one that leads nowhere, for a caller who speaks one of `dialects`.
    pub fn suggestions(&self, caller: Caller, name: &str, dialects: &[Dialect]) -> Vec<String> {
        route::suggestions(name, &self.names(&|id| self.can_pay(caller, id), dialects))
    }

    fn names<'a: 'k, 'k>(&'a self, has_key: &'k dyn Fn(&ProviderId) -> bool, dialects: &'k [Dialect]) -> Names<'a, 'k> {
        Names {
            catalog: &self.catalog,
            aliases: &self.aliases,
            prefer: &self.prefer,
            has_key,
            dialects,
            may_call: &|_, _| true,
        }
    }

    /// True where calls of `caller` can go to the provider as far as keys and settings say.
    pub fn usable(&self, caller: Caller, provider: &Provider) -> bool {
        provider.enabled() && (!provider.needs_key() || self.can_pay(caller, provider.id()))
    }

    /// True where a key, or for the account its stored credential, is there.
    fn can_pay(&self, caller: Caller, provider: &ProviderId) -> bool {
        self.keys.key(caller, provider).is_some()
            || self.keys.has_owners_key(caller, provider)
            || (provider.as_str() == ProviderId::ACCOUNT && self.account.is_signed_in())
    }

    /// The account's provider, where its calls are routed here.
    pub(crate) fn own_node(&self, caller: Caller) -> Option<&Provider> {
        self.catalog.account().filter(|account| self.account.is_own_node() && self.uses_session(caller, account))
    }

    /// True where calls of `provider` go with the account's stored credential: no key of the environment is there.
    pub(crate) fn uses_session(&self, caller: Caller, provider: &Provider) -> bool {
        provider.is_account() && self.keys.key(caller, provider.id()).is_none()
    }
}
