//! The snapshot of provider keys that requests use: built whole from the layers, never changed, swapped whole.

use std::collections::{BTreeMap, BTreeSet};

use bitrouter_proto::{
    env,
    key_variable::{self, id_in},
};
use secrecy::SecretString;

use super::{
    account_server::AccountServer,
    constant_time::same,
    layers::{KeyOrigin, KeySourceKind, Layers},
    names::{KeyNames, KnownNames},
    rejection::KeyRejection,
    status::{Named, ProviderKeyStatus, describe},
    suffix::suffix,
};
use crate::nearest::nearest;

/// Variables of nobody that are told: sessions may push any number of them.
const UNKNOWN: usize = 64;

/// Every provider's key. Holds values; its `Debug` prints none.
#[derive(Debug, Default)]
pub struct KeyRing {
    providers: BTreeMap<String, ProviderKey>,
    rejected: Vec<RejectedValue>,
    unknown: Vec<UnknownVariable>,
    account_server: Option<AccountServer>,
    /// The account has a key, and nobody knows for which server.
    withholds_account_key: bool,
}

#[derive(Debug)]
struct ProviderKey {
    /// The usable value of each name that has one, the strongest name first. The first is the provider's key.
    usable: Vec<(String, SecretString)>,
    status: ProviderKeyStatus,
    /// What stands where a key should and can be none.
    rejected: Vec<RejectedValue>,
}

/// How the key behind a name changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The name supplies a key, and supplied none before.
    Added,
    /// The name supplies another key.
    Changed,
    /// The name supplies none any more.
    Withdrawn,
}

impl Change {
    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A change of a provider's key between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingChange {
    /// The variable.
    pub name: String,
    /// The provider.
    pub provider: String,
    /// What happened to it.
    pub change: Change,
    /// Where the provider's key comes from now; `None`: it has none.
    pub now_from: Option<KeySourceKind>,
}

/// A value that stands where a provider's key should and can be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedValue {
    /// The variable.
    pub name: String,
    /// Where it is set.
    pub origin: KeyOrigin,
    /// Why it is no key.
    pub reason: String,
    /// True where it may stand there on purpose, as what `bitrouter env` writes does.
    pub stand_in: bool,
}

impl std::fmt::Display for RejectedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` from {} is ignored: {}", self.name, self.origin, self.reason)
    }
}

/// A `BITROUTER_<ID>_API_KEY` of no known provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The variable.
    pub name: String,
    /// Where it is set.
    pub origin: KeyOrigin,
    /// The known provider that may be meant.
    pub nearest: Option<String>,
}

impl std::fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` from {} {}", self.name, self.origin, self.reason())
    }
}

impl UnknownVariable {
    /// What is wrong with it, as a fragment.
    pub fn reason(&self) -> String {
        let cure = self.nearest.as_ref().map(|id| format!("; did you mean `{id}` (`{}`)?", key_variable::own(id)));
        format!("belongs to no known provider{}", cure.unwrap_or_default())
    }
}

impl KeyRing {
    /// Decides every provider's key. `providers` are all that are known, switched-off ones too.
    pub fn build(providers: &[KeyNames], layers: &Layers<'_>) -> Self {
        let decide = |names: &KeyNames| (names.provider.clone(), ProviderKey::decide(names, layers));
        let mut held: BTreeMap<_, _> = providers.iter().map(decide).collect();
        let account_server = held.contains_key(AccountServer::OF).then(|| AccountServer::find(layers)).flatten();
        let mut withholds_account_key = false;
        if let (Some(server), Some(key)) = (&account_server, held.get_mut(AccountServer::OF)) {
            let had_one = !key.usable.is_empty();
            key.goes_to(server);
            withholds_account_key = had_one && key.usable.is_empty();
        }
        // One for each variable, its strongest: a thousand sessions may each push one.
        let mut rejected: Vec<_> = held.values_mut().flat_map(|key| std::mem::take(&mut key.rejected)).collect();
        rejected.sort_by(|a, b| a.name.cmp(&b.name));
        rejected.dedup_by(|later, first| later.name == first.name);
        Self { providers: held, rejected, unknown: unknown(providers, layers), account_server, withholds_account_key }
    }

    /// The key for `provider`, where one is held.
    pub fn secret(&self, provider: &str) -> Option<&SecretString> {
        self.providers.get(provider)?.usable.first().map(|(_, value)| value)
    }

    /// What `status` shows of the key for `provider`: its last four characters, where it has at least twelve.
    pub fn suffix(&self, provider: &str) -> Option<String> {
        suffix(self.secret(provider)?)
    }

    /// The server that the account's key is for, without a slash at its end, where `BITROUTER_API_URL` says one.
    pub fn account_server(&self) -> Option<&str> {
        self.account_server.as_ref()?.url()
    }

    /// True where the account has a key that is sent nowhere, because `BITROUTER_API_URL` names no server. What is stored
    /// does not take its place: somebody else would pay.
    pub fn withholds_account_key(&self) -> bool {
        self.withholds_account_key
    }

    /// What `status` says of the key of `provider`.
    pub fn status(&self, provider: &str) -> ProviderKeyStatus {
        self.providers.get(provider).map_or_else(ProviderKeyStatus::of_nobody, |held| held.status.clone())
    }

    /// True where some provider could take its key from `name`, because a source sets it to what may be one.
    pub fn supplies(&self, name: &str) -> bool {
        name == env::BITROUTER_API_URL && self.account_server().is_some()
            || self.providers.values().any(|held| held.value(name).is_some())
    }

    /// The keys themselves, one for each provider that has one.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.providers.values().filter_map(|held| held.usable.first()).map(|(_, value)| value)
    }

    /// Values that stand where a key should and can be none: the strongest of each variable, by name.
    pub fn rejected(&self) -> &[RejectedValue] {
        &self.rejected
    }

    /// Variables that look like keys of providers that nobody knows, for a warning.
    pub fn unknown_variables(&self) -> &[UnknownVariable] {
        &self.unknown
    }

    /// What changed for requests between `old` and `new`: names whose value differs and that supplied the provider's
    /// key before or do so now. The same value from another source is no change.
    pub fn diff(old: &Self, new: &Self) -> Vec<KeyRingChange> {
        let ids: BTreeSet<&String> = old.providers.keys().chain(new.providers.keys()).collect();
        let mut changes = Vec::new();
        for id in ids {
            let (before, now) = (old.providers.get(id), new.providers.get(id));
            let active =
                |held: Option<&ProviderKey>| held.and_then(|held| held.usable.first()).map(|(name, _)| name.clone());
            let mut names: Vec<String> = active(before).into_iter().collect();
            names.extend(active(now).filter(|name| !names.contains(name)));
            for name in names {
                let change = match (before.and_then(|h| h.value(&name)), now.and_then(|h| h.value(&name))) {
                    (None, Some(_)) => Change::Added,
                    (Some(_), None) => Change::Withdrawn,
                    (Some(a), Some(b)) if !same(a, b) => Change::Changed,
                    _ => continue,
                };
                let now_from = now.and_then(|held| held.status.source);
                changes.push(KeyRingChange { name, provider: id.clone(), change, now_from });
            }
            if id == AccountServer::OF {
                changes.extend(AccountServer::change(old.account_server.as_ref(), new.account_server.as_ref()));
            }
        }
        changes
    }
}

impl ProviderKey {
    /// The name decides first, then the source: the first name that has a usable value, and its strongest source.
    fn decide(names: &KeyNames, layers: &Layers<'_>) -> Self {
        let look = |name| Named { name, candidates: layers.candidates(name), hidden: layers.pushed.is_forgotten(name) };
        let found: Vec<Named<'_>> = names.variables.iter().map(|name| look(name)).collect();
        let mut usable = Vec::new();
        let mut winner = None;
        for (name_at, named) in found.iter().enumerate().filter(|_| names.enabled) {
            if let Some(at) = named.candidates.iter().position(|candidate| candidate.rejection.is_none()) {
                winner = winner.or(Some((name_at, at)));
                let value = named.candidates.get(at).map(|candidate| SecretString::from(candidate.value));
                usable.extend(value.map(|value| (named.name.to_owned(), value)));
            }
        }
        let rejected = found.iter().filter(|_| names.enabled).flat_map(|named| {
            named.candidates.iter().filter_map(|candidate| {
                let rejection = candidate.rejection.filter(|rejection| rejection.is_about_the_value())?;
                Some(RejectedValue {
                    name: named.name.to_owned(),
                    origin: candidate.origin.clone(),
                    reason: rejection.reason(),
                    stand_in: rejection.is_stand_in(),
                })
            })
        });
        Self { status: describe(names, &found, winner), rejected: rejected.collect(), usable }
    }

    /// The account's key goes to `server`, or nowhere where that is none: never to another one.
    fn goes_to(&mut self, server: &AccountServer) {
        let Some(problem) = server.problem() else { return };
        self.rejected.push(problem.clone());
        if self.usable.is_empty() {
            return;
        }
        self.usable.clear();
        self.status = ProviderKeyStatus {
            active_key: false,
            source: None,
            variable: None,
            detail: format!("its key goes nowhere: {problem}{}", self.status.others),
            summary: format!("`{}` is no server", problem.name),
            others: std::mem::take(&mut self.status.others),
        };
    }

    fn value(&self, name: &str) -> Option<&SecretString> {
        self.usable.iter().find(|(usable, _)| usable == name).map(|(_, value)| value)
    }
}

fn unknown(providers: &[KeyNames], layers: &Layers<'_>) -> Vec<UnknownVariable> {
    let known = KnownNames::of(providers);
    let unknown_variables = layers.names(&known).into_iter().filter(|name| !known.is_listed(name));
    let found = unknown_variables.filter_map(|name| {
        // A stray name is one whatever stands there, unless it is hidden.
        let stands = |rejection: Option<KeyRejection>| rejection.is_none_or(KeyRejection::is_about_the_value);
        let origin = layers.candidates(name).into_iter().find(|candidate| stands(candidate.rejection))?.origin;
        let ids = providers.iter().map(|provider| provider.provider.as_str());
        let nearest = id_in(name).and_then(|id| nearest(&id, ids).map(str::to_owned));
        Some(UnknownVariable { name: name.to_owned(), origin, nearest })
    });
    found.take(UNKNOWN).collect()
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
