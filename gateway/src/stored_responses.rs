//! Which provider stored which response, and in which namespace: the way back for calls that speak of a response by its id.
//!
//! The newest ones are remembered, in memory. An id is kept as a part of its hash, so that many of them need little room.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bitrouter_proto::account::NamespaceId;
use sha2::{Digest as _, Sha256};

use crate::{
    http::Caller,
    ports::{ObjectKey, StoredObject},
    registry::ProviderId,
};

/// How many are remembered of one owner.
const MOST_OF_ONE: usize = 10_000;
/// How many are remembered of all of them.
const MOST: usize = 100_000;

type Key = ObjectKey;

/// Whom a response belongs to: the namespace in which it was made. Calls without a credential are made in one and the same
/// namespace, whether or not it is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Keyless,
    Namespace(NamespaceId),
}

/// What is known of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// This provider made it in the caller's namespace.
    Known(ProviderId),
    /// It is none of this caller's.
    OfAnother,
    /// Nothing: it was made elsewhere, or long ago. Only callers without a credential hear this: whatever a provider has
    /// stored for the node's own key is theirs.
    Unknown,
}

/// The responses that are remembered.
#[derive(Debug, Default)]
pub(crate) struct StoredResponses(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    makers: HashMap<Key, Made>,
    /// Of each owner, the oldest first.
    order: HashMap<Owner, VecDeque<Key>>,
}

#[derive(Debug)]
struct Made {
    provider: ProviderId,
    owner: Owner,
    namespace: Option<NamespaceId>,
}

impl Made {
    /// Whether it belongs to `caller`. A token of the namespace of keyless calls shares with them.
    fn belongs_to(&self, caller: Caller) -> bool {
        match (owner_for(caller), self.owner) {
            (Some(Owner::Keyless), Owner::Keyless) => true,
            (Some(_), _) => caller.namespace().is_some_and(|namespace| self.namespace == Some(namespace)),
            (None, _) => false,
        }
    }
}

/// Whom a response that is made for `caller` belongs to.
fn owner_for(caller: Caller) -> Option<Owner> {
    match caller {
        Caller::Keyless { .. } => Some(Owner::Keyless),
        Caller::Credential(principal) => Some(Owner::Namespace(principal.namespace)),
        Caller::Anyone => None,
    }
}

impl StoredResponses {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `provider` has stored the response `id` for `caller`.
    pub(crate) fn remember(&self, id: &str, provider: &ProviderId, caller: Caller) {
        self.remember_within(MOST, MOST_OF_ONE, id, provider, caller);
    }

    /// A ledger says what was stored before.
    pub(crate) fn restore(&self, object: StoredObject) {
        let (owner, namespace) = (Owner::Namespace(object.namespace), Some(object.namespace));
        self.keep(MOST, MOST_OF_ONE, object.key, Made { provider: object.provider, owner, namespace });
    }

    fn remember_within(&self, most: usize, of_one: usize, id: &str, provider: &ProviderId, caller: Caller) {
        let Some(owner) = owner_for(caller) else { return };
        self.keep(most, of_one, key(id), Made { provider: provider.clone(), owner, namespace: caller.namespace() });
    }

    fn keep(&self, most: usize, of_one: usize, key: Key, made: Made) {
        let mut remembered = self.remembered();
        let owner = made.owner;
        match remembered.makers.entry(key) {
            // An id that comes again is still the first one's: nobody takes over another caller's response.
            Entry::Occupied(_) => return,
            Entry::Vacant(place) => {
                place.insert(made);
            }
        }
        let own = remembered.order.entry(owner).or_default();
        own.push_back(key);
        if own.len() > of_one {
            remembered.forget_oldest_of(owner);
        } else if remembered.makers.len() > most {
            // Whoever has the most gives way: nobody can make another's be forgotten by having many made.
            let fullest = remembered.order.iter().max_by_key(|(_, keys)| keys.len()).map(|(owner, _)| *owner);
            if let Some(fullest) = fullest {
                remembered.forget_oldest_of(fullest);
            }
        }
    }

    /// Who made the response `id`, as far as `caller` may know.
    pub(crate) fn maker(&self, id: &str, caller: Caller) -> Maker {
        match self.remembered().makers.get(&key(id)) {
            None if matches!(caller, Caller::Keyless { .. }) => Maker::Unknown,
            Some(made) if made.belongs_to(caller) => Maker::Known(made.provider.clone()),
            None | Some(_) => Maker::OfAnother,
        }
    }

    /// The response `id` is gone.
    pub(crate) fn forget(&self, id: &str) {
        let mut remembered = self.remembered();
        let key = key(id);
        if let Some(made) = remembered.makers.remove(&key)
            && let Entry::Occupied(mut keys) = remembered.order.entry(made.owner)
        {
            keys.get_mut().retain(|other| *other != key);
            if keys.get().is_empty() {
                keys.remove();
            }
        }
    }
}

impl Remembered {
    fn forget_oldest_of(&mut self, owner: Owner) {
        if let Some(oldest) = self.order.get_mut(&owner).and_then(VecDeque::pop_front) {
            self.makers.remove(&oldest);
        }
    }
}

/// True for what a provider's id of a response can look like: it stands in a path.
pub(crate) fn is_response_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(is_plain)
}

fn key(id: &str) -> Key {
    let mut key = [0; size_of::<Key>()];
    key.copy_from_slice(&Sha256::digest(id.as_bytes())[..size_of::<Key>()]);
    ObjectKey(key)
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::account::{CredentialId, ScopeSet};

    use super::*;
    use crate::http::Principal;

    fn provider(id: &str) -> ProviderId {
        ProviderId::parse(id).unwrap()
    }

    fn namespace(number: u32) -> NamespaceId {
        format!("ns_{number:026}").parse().unwrap()
    }

    fn token(of: u32, credential: u32) -> Caller {
        Caller::Credential(Principal {
            credential: CredentialId::Grant(format!("tok_{credential:026}").parse().unwrap()),
            namespace: namespace(of),
            person: format!("usr_{of:026}").parse().unwrap(),
            scopes: ScopeSet::default(),
        })
    }

    #[test]
    fn the_newest_of_each_owner_are_remembered() {
        let stored = StoredResponses::default();
        let keyless = Caller::Keyless { namespace: None };
        let acme = provider("acme");
        stored.remember_within(9, 3, "resp_other", &acme, token(2, 1));
        for number in 0..5 {
            stored.remember_within(9, 3, &format!("resp_{number}"), &acme, keyless);
        }
        assert_eq!(stored.maker("resp_1", keyless), Maker::Unknown);
        assert_eq!(stored.maker("resp_2", keyless), Maker::Known(acme.clone()));
        assert_eq!(stored.maker("resp_2", Caller::Anyone), Maker::OfAnother);
        stored.remember("resp_2", &provider("thief"), token(2, 1));
        assert_eq!(stored.maker("resp_2", keyless), Maker::Known(acme.clone()));
        assert_eq!(stored.maker("resp_other", token(2, 1)), Maker::Known(acme.clone()));
        // Whoever has the most gives way to another.
        for number in 0..2 {
            stored.remember_within(4, 3, &format!("resp_new_{number}"), &acme, token(3, 1));
        }
        assert_eq!(stored.maker("resp_other", token(2, 1)), Maker::Known(acme.clone()));
        assert_eq!(stored.maker("resp_2", keyless), Maker::Unknown);
        stored.forget("resp_other");
        assert_eq!(stored.maker("resp_other", token(2, 1)), Maker::OfAnother);
        assert!(stored.remembered().order.values().all(|keys| !keys.is_empty()));
        assert!(stored.remembered().order.len() <= 2);
    }

    #[test]
    fn a_response_belongs_to_the_namespace_that_made_it() {
        let (first, none) = (Caller::Keyless { namespace: Some(namespace(1)) }, Caller::Keyless { namespace: None });
        let (of_first, again, of_second) = (token(1, 1), token(1, 2), token(2, 3));
        for (maker, shares, does_not) in [
            (first, &[first, none, of_first, again][..], &[of_second, Caller::Anyone][..]),
            (none, &[first, none], &[of_first, of_second]),
            (of_first, &[of_first, again, first], &[of_second, none, Caller::Anyone]),
            (of_second, &[of_second], &[of_first, first, none]),
        ] {
            let stored = StoredResponses::default();
            stored.remember("resp_1", &provider("acme"), maker);
            for caller in shares {
                assert_eq!(stored.maker("resp_1", *caller), Maker::Known(provider("acme")), "{maker:?} {caller:?}");
            }
            for caller in does_not {
                assert_eq!(stored.maker("resp_1", *caller), Maker::OfAnother, "{maker:?} {caller:?}");
            }
            for caller in [first, none] {
                assert_eq!(stored.maker("resp_9", caller), Maker::Unknown);
            }
            for caller in [of_first, of_second, Caller::Anyone] {
                assert_eq!(stored.maker("resp_9", caller), Maker::OfAnother);
            }
        }
    }

    #[test]
    fn an_id_is_plain() {
        for (id, plain) in [
            ("resp_68af-X", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("a%2Fb", false),
            ("é", false),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(is_response_id(id), plain, "{id}");
        }
    }
}
