//! The rules that a name goes through, in their order. Who does not speak the caller's dialect is no candidate.

use std::collections::BTreeMap;

use super::candidates::preferred;
use crate::{
    protocol::Dialect,
    registry::{Catalog, Model, Provider, ProviderId},
};

/// What names are resolved against.
#[derive(Clone, Copy)]
pub struct Names<'a, 'k> {
    /// The providers.
    pub catalog: &'a Catalog,
    /// `[aliases]`.
    pub aliases: &'a BTreeMap<String, String>,
    /// `[routing] prefer`.
    pub prefer: &'k [ProviderId],
    /// True where a key is there now.
    pub has_key: &'k dyn Fn(&ProviderId) -> bool,
    /// What the caller speaks: providers that speak none of it are no candidates.
    pub dialects: &'k [Dialect],
    /// True where a model of a provider may be called: what may not is no candidate.
    pub may_call: &'k dyn Fn(&Provider, &str) -> bool,
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
#[derive(Clone, Debug)]
pub enum RouteRefusal<'a> {
    /// This provider would serve it, had it a key.
    KeyMissing(&'a Provider),
    /// This provider would serve it, were it not switched off.
    Disabled(&'a Provider),
    /// Only demo mode serves it.
    DemoOff,
    /// The provider has a key and lists models, but not this one: `p:m` would ask it all the same.
    NotListed(&'a Provider, &'a str),
    /// These providers would serve it, did they speak what the caller speaks.
    NotSpoken(Vec<&'a Provider>),
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
        } else if !self.speaks(provider) {
            Err(RouteRefusal::NotSpoken(vec![provider]))
        } else if self.usable(provider) {
            Ok(route)
        } else {
            Err(RouteRefusal::KeyMissing(provider))
        })
    }

    /// True where the provider speaks what the caller speaks.
    fn speaks(&self, provider: &Provider) -> bool {
        provider.speaks(self.dialects)
    }

    fn by_catalog(&self, name: &'a str) -> Result<Route<'a>, RouteRefusal<'a>> {
        let slashed = name.split_once('/').filter(|(_, model)| !model.is_empty());
        let named = slashed.and_then(|(id, model)| Some((self.catalog.find(id)?, model)));
        let mut mute = Vec::new();
        if let Some((provider, model)) = named.filter(|(provider, _)| self.usable(provider)) {
            let listed = provider.model(model);
            if listed.is_some() || provider.models().is_empty() {
                if self.speaks(provider) && (self.may_call)(provider, model) {
                    return Ok(Route { provider, model, listed });
                }
                mute.push(provider);
            }
        }
        // A server on this machine that nobody configured may not be there: it is no candidate for a bare name.
        let active = |provider: &Provider| {
            self.usable(provider) && (provider.is_demo() || provider.needs_key() || provider.configured())
        };
        let may_call = |provider: &Provider| (self.may_call)(provider, name);
        if let Some(provider) =
            self.best(name, |provider| self.speaks(provider) && active(provider) && may_call(provider))
        {
            return Ok(Route { provider, model: name, listed: provider.model(name) });
        }
        match named.map(|(provider, _)| provider) {
            Some(provider) if !provider.enabled() => return Err(RouteRefusal::Disabled(provider)),
            Some(provider) if !self.usable(provider) && self.speaks(provider) => {
                return Err(RouteRefusal::KeyMissing(provider));
            }
            _ => {}
        }
        let keyless = |provider: &Provider| provider.enabled() && !self.usable(provider);
        if let Some(provider) = self.best(name, |provider| self.speaks(provider) && keyless(provider)) {
            return Err(RouteRefusal::KeyMissing(provider));
        }
        // With a key or without one, whoever is left speaks something else.
        let serves = |provider: &Provider| active(provider) || keyless(provider);
        mute.extend(named.map(|(provider, _)| provider).filter(|provider| keyless(provider)));
        mute.extend(self.listing(name).filter(|provider| serves(provider)));
        if !mute.is_empty() {
            mute.sort_by_key(|provider| provider.id());
            mute.dedup_by_key(|provider| provider.id());
            return Err(RouteRefusal::NotSpoken(mute));
        }
        if slashed.is_some_and(|(id, _)| id == ProviderId::DEMO) && named.is_none() {
            return Err(RouteRefusal::DemoOff);
        }
        if let Some(provider) = self.best(name, |provider| !provider.enabled()) {
            return Err(RouteRefusal::Disabled(provider));
        }
        Err(named.map_or(RouteRefusal::Unknown, |(provider, model)| RouteRefusal::NotListed(provider, model)))
    }

    /// The providers that list the whole string.
    fn listing(&self, name: &str) -> impl Iterator<Item = &'a Provider> {
        // Calls of the account are paid for: it is never chosen for somebody who did not name it.
        let is_named = |provider: &Provider| !provider.is_account() || self.prefer.contains(provider.id());
        self.catalog.providers().filter(move |provider| provider.model(name).is_some() && is_named(provider))
    }

    /// Of the providers that list the whole string and pass `filter`: the preferred one.
    fn best(&self, name: &str, filter: impl Fn(&Provider) -> bool) -> Option<&'a Provider> {
        preferred(self.listing(name).filter(|provider| filter(provider)), self.prefer)
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
