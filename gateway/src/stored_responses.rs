//! Which provider stored which response, and for whom: the way back for calls that speak of a response by its id.
//!
//! The newest ones are remembered, in memory. An id is kept as a part of its hash, so that many of them need little room.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use crate::{http::Caller, registry::ProviderId};

/// How many are remembered.
const MOST: usize = 100_000;

type Key = [u8; 16];

/// What is known of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// This provider made it for this caller.
    Known(ProviderId),
    /// It was made for somebody else.
    ForAnotherCaller,
    /// Nothing: it was made elsewhere, or long ago.
    Unknown,
}

/// The responses that are remembered.
#[derive(Debug, Default)]
pub(crate) struct StoredResponses(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    makers: HashMap<Key, (ProviderId, Caller)>,
    /// The oldest first. Those that were forgotten in between stay until their turn comes.
    order: VecDeque<Key>,
}

impl StoredResponses {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `provider` has stored the response `id` for `caller`.
    pub(crate) fn remember(&self, id: &str, provider: &ProviderId, caller: Caller) {
        self.remember_within(MOST, id, provider, caller);
    }

    fn remember_within(&self, most: usize, id: &str, provider: &ProviderId, caller: Caller) {
        let mut remembered = self.remembered();
        let key = key(id);
        match remembered.makers.entry(key) {
            // An id that comes again is still the first one's: nobody takes over another caller's response.
            Entry::Occupied(_) => return,
            Entry::Vacant(place) => place.insert((provider.clone(), caller)),
        };
        remembered.order.push_back(key);
        while remembered.order.len() > most {
            let Some(oldest) = remembered.order.pop_front() else { break };
            remembered.makers.remove(&oldest);
        }
    }

    /// Who made the response `id`, as far as `caller` may know.
    pub(crate) fn maker(&self, id: &str, caller: Caller) -> Maker {
        match self.remembered().makers.get(&key(id)) {
            None => Maker::Unknown,
            Some((provider, owner)) if *owner == caller => Maker::Known(provider.clone()),
            Some(_) => Maker::ForAnotherCaller,
        }
    }

    /// The response `id` is gone.
    pub(crate) fn forget(&self, id: &str) {
        let mut remembered = self.remembered();
        let key = key(id);
        if remembered.makers.remove(&key).is_some() {
            remembered.order.retain(|other| *other != key);
        }
    }
}

/// True for what a provider's id of a response can look like: it stands in a path.
pub(crate) fn is_response_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(is_plain)
}

fn key(id: &str) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(&Sha256::digest(id.as_bytes())[..size_of::<Key>()]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(id: &str) -> ProviderId {
        ProviderId::parse(id).unwrap()
    }

    #[test]
    fn the_newest_are_remembered_with_their_caller() {
        let stored = StoredResponses::default();
        for number in 0..5 {
            stored.remember_within(
                3,
                &format!("resp_{number}"),
                &provider("acme"),
                Caller::Keyless { namespace: None },
            );
        }
        assert_eq!(stored.maker("resp_1", Caller::Keyless { namespace: None }), Maker::Unknown);
        assert_eq!(stored.maker("resp_2", Caller::Keyless { namespace: None }), Maker::Known(provider("acme")));
        assert_eq!(stored.maker("resp_2", Caller::Anyone), Maker::ForAnotherCaller);
        stored.remember("resp_2", &provider("thief"), Caller::Anyone);
        assert_eq!(stored.maker("resp_2", Caller::Keyless { namespace: None }), Maker::Known(provider("acme")));
        stored.forget("resp_2");
        assert_eq!(stored.maker("resp_2", Caller::Keyless { namespace: None }), Maker::Unknown);
        assert_eq!(stored.remembered().order.len(), 2);
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
