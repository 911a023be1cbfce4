//! What changed between two readings, for whoever asked for the second. Pure; never a value.

use std::collections::BTreeSet;

use bitrouter_gateway::registry::ProviderId;
use bitrouter_proto::status::{IgnoredValue, KeyChange, ProviderChange, ReloadOutcome};

use super::Loaded;
use crate::{config::Config, environment::KeyRing};

/// Everything that differs between two readings and the keys that came of each.
pub(super) fn between(before: (&Loaded, &KeyRing), now: (&Loaded, &KeyRing)) -> ReloadOutcome {
    ReloadOutcome {
        changed: key_changes(before.1, now.1),
        ignored: ignored(now.1),
        providers: provider_changes(before.0, now.0),
        settings: Config::changed(&before.0.config, &now.0.config),
    }
}

/// The keys that requests see differently.
pub(super) fn key_changes(before: &KeyRing, now: &KeyRing) -> Vec<KeyChange> {
    KeyRing::diff(before, now)
        .into_iter()
        .map(|change| KeyChange {
            name: change.name,
            provider: change.provider,
            change: change.change.as_str().to_owned(),
            now_from: change.now_from.map(|source| source.as_str().to_owned()),
        })
        .collect()
}

/// What stands where a key should and is none, sorted by name.
pub(super) fn ignored(keys: &KeyRing) -> Vec<IgnoredValue> {
    let rejected = keys.rejected().iter().map(|value| IgnoredValue {
        name: value.name.clone(),
        reason: value.reason.clone(),
        origin: value.origin.to_string(),
    });
    let unknown = keys.unknown_variables().iter().map(|variable| IgnoredValue {
        name: variable.name.clone(),
        reason: variable.reason(),
        origin: variable.origin.to_string(),
    });
    let all: BTreeSet<IgnoredValue> = rejected.chain(unknown).collect();
    all.into_iter().collect()
}

/// Providers that came or went, or whose manifest changed. What a section of the settings changed is a setting.
fn provider_changes(before: &Loaded, now: &Loaded) -> Vec<ProviderChange> {
    let section = |loaded: &Loaded, id: &ProviderId| loaded.config.providers.get(id.as_str()).cloned();
    let ids: BTreeSet<&ProviderId> = before
        .catalog
        .providers()
        .chain(now.catalog.providers())
        .map(bitrouter_gateway::registry::Provider::id)
        .collect();
    let change = |id: &ProviderId| match (before.catalog.get(id), now.catalog.get(id)) {
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        (Some(old), Some(new)) if old.manifest() != new.manifest() && section(before, id) == section(now, id) => {
            Some("changed")
        }
        _ => None,
    };
    ids.into_iter()
        .filter_map(|id| Some(ProviderChange { id: id.to_string(), change: change(id)?.to_owned() }))
        .collect()
}
