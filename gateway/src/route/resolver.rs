//! The rules that a name goes through, in their order.

use std::collections::BTreeMap;

use super::candidates::preferred;
use crate::registry::{Catalog, Model, Provider, ProviderId};

/// What names are resolved against.
#[derive(Clone, Copy)]
pub struct Names<'a, 'k> {
    /// The providers.
    pub catalog: &'a Catalog,
    /// `[aliases]`.
    pub aliases: &'a BTreeMap<String, String>,
    /// `[routing] prefer`.
    pub prefer: &'a [ProviderId],
    /// True where a key is there now.
    pub has_key: &'k dyn Fn(&ProviderId) -> bool,
}

/// Where a name leads.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The provider.
    pub provider: &'a Provider,
    /// The model's name without the provider.
    pub model: &'a str,
    /// The manifest's entry, where it lists the model.
    pub listed: Option<&'a Model>,
}

impl Route<'_> {
    /// The name that the provider uses.
    pub fn upstream_id(&self) -> &str {
        self.listed.map_or(self.model, Model::upstream_id)
    }
}

/// Why a name leads nowhere.
#[derive(Clone, Copy, Debug)]
pub enum RouteRefusal<'a> {
    /// This provider would serve it, had it a key.
    KeyMissing(&'a Provider),
    /// This provider would serve it, were it not switched off.
    Disabled(&'a Provider),
    /// Only demo mode serves it.
    DemoOff,
    /// The provider has a key and lists models, but not this one: `p:m` would ask it all the same.
    NotListed(&'a Provider, &'a str),
    /// Nothing serves it.
    Unknown,
}

impl<'a> Names<'a, '_> {
    /// True where calls can go to the provider as far as keys and settings say.
    pub fn usable(&self, provider: &Provider) -> bool {
        provider.enabled() && (!provider.needs_key() || (self.has_key)(provider.id()))
    }

    /// Resolves `name`.
    pub fn resolve(&self, name: &'a str) -> Result<Route<'a>, RouteRefusal<'a>> {
        if let Some(found) = self.explicit_provider(name) {
            return found;
        }
        match self.aliases.get(name) {
            // An alias names a model, never another alias.
            Some(target) => self.explicit_provider(target).unwrap_or_else(|| self.by_catalog(target)),
            None => self.by_catalog(name),
        }
    }

    /// `p:m`: that provider only, whether it lists `m` or not.
    fn explicit_provider(&self, name: &'a str) -> Option<Result<Route<'a>, RouteRefusal<'a>>> {
        let (id, model) = name.split_once(':')?;
        if model.is_empty() {
            return None;
        }
        let Some(provider) = self.catalog.find(id) else {
            return (id == ProviderId::DEMO).then_some(Err(RouteRefusal::DemoOff));
        };
        let route = Route { provider, model, listed: provider.model(model) };
        Some(if !provider.enabled() {
            Err(RouteRefusal::Disabled(provider))
        } else if self.usable(provider) {
            Ok(route)
        } else {
            Err(RouteRefusal::KeyMissing(provider))
        })
    }

    fn by_catalog(&self, name: &'a str) -> Result<Route<'a>, RouteRefusal<'a>> {
        let slashed = name.split_once('/').filter(|(_, model)| !model.is_empty());
        let named = slashed.and_then(|(id, model)| Some((self.catalog.find(id)?, model)));
        if let Some((provider, model)) = named.filter(|(provider, _)| self.usable(provider)) {
            let listed = provider.model(model);
            if listed.is_some() || provider.models().is_empty() {
                return Ok(Route { provider, model, listed });
            }
        }
        // A server on this machine that nobody configured may not be there: it is no candidate for a bare name.
        let active = |provider: &&Provider| {
            self.usable(provider) && (provider.is_demo() || provider.needs_key() || provider.configured())
        };
        if let Some(provider) = self.best(name, active) {
            return Ok(Route { provider, model: name, listed: provider.model(name) });
        }
        if let Some((provider, _)) = named.filter(|(provider, _)| !self.usable(provider)) {
            let refusal = if provider.enabled() { RouteRefusal::KeyMissing } else { RouteRefusal::Disabled };
            return Err(refusal(provider));
        }
        if let Some(provider) = self.best(name, |provider| provider.enabled() && !self.usable(provider)) {
            return Err(RouteRefusal::KeyMissing(provider));
        }
        if slashed.is_some_and(|(id, _)| id == ProviderId::DEMO) && named.is_none() {
            return Err(RouteRefusal::DemoOff);
        }
        if let Some(provider) = self.best(name, |provider| !provider.enabled()) {
            return Err(RouteRefusal::Disabled(provider));
        }
        Err(named.map_or(RouteRefusal::Unknown, |(provider, model)| RouteRefusal::NotListed(provider, model)))
    }

    /// Of the providers that list the whole string and pass `filter`: the preferred one.
    fn best(&self, name: &str, filter: impl Fn(&&'a Provider) -> bool) -> Option<&'a Provider> {
        let listing = self.catalog.providers().filter(|provider| provider.model(name).is_some());
        preferred(listing.filter(filter), self.prefer)
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
