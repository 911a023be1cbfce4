//! What providers have stored, and in which namespace: the way back for calls that speak of a response by its id, and the
//! right to name what a reply left behind (its output items, the containers that its tools ran in).
//!
//! The newest responses are remembered, in memory, each with what it left behind. An id is kept as a part of its hash, so that
//! many of them need little room.

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

/// How many are remembered of one namespace.
const MOST_OF_ONE: usize = 10_000;
/// How many are remembered of all of them.
const MOST: usize = 100_000;
/// How much of what one response left behind is remembered.
const MOST_PARTS: usize = 128;

/// What is known of an id.
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

/// Who makes a response, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    /// The provider.
    pub(crate) provider: &'a ProviderId,
    /// The model, as the row of its call names it; empty where nobody knows.
    pub(crate) model: &'a str,
    /// Whose call it is.
    pub(crate) caller: Caller,
    /// The tokens that went into it and came out, as far as they are counted.
    pub(crate) tokens: u64,
    /// The namespace owner's own key pays: it is stored for another account of the provider's, or elsewhere.
    pub(crate) on_owners_key: bool,
}

/// The responses that are remembered, and what they left behind.
#[derive(Debug, Default)]
pub(crate) struct StoredResponses(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    made: HashMap<ObjectKey, Made>,
    /// With which response each thing is remembered that one left behind.
    left_by: HashMap<ObjectKey, ObjectKey>,
    /// Of each namespace (`None`: of calls without a credential while there is no node), the oldest first.
    order: HashMap<Option<NamespaceId>, VecDeque<ObjectKey>>,
}

#[derive(Debug)]
struct Made {
    provider: ProviderId,
    model: Option<Box<str>>,
    owner: Owner,
    /// What went into it and came out.
    tokens: u64,
    /// With the namespace owner's own key: no other one opens it.
    on_owners_key: bool,
    left: Vec<ObjectKey>,
}

/// Whom a response belongs to: the namespace in which it was made. Calls without a credential are made in one and the same
/// namespace, whether or not it is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    keyless: bool,
    namespace: Option<NamespaceId>,
}

impl Owner {
    /// Whom a response that is made for `caller` belongs to.
    fn of(caller: Caller) -> Option<Self> {
        let keyless = match caller {
            Caller::Keyless { .. } => true,
            Caller::Credential(_) => false,
            Caller::Operator(_) | Caller::Anyone => return None,
        };
        Some(Self { keyless, namespace: caller.namespace() })
    }

    /// Whether what is this one's is `caller`'s. A token of the namespace of keyless calls shares with them.
    fn shares_with(self, caller: Caller) -> bool {
        let Some(other) = Self::of(caller) else { return false };
        (self.keyless && other.keyless) || (self.namespace.is_some() && self.namespace == other.namespace)
    }
}

impl Remembered {
    fn find(&self, key: ObjectKey) -> Option<&Made> {
        self.made.get(&key).or_else(|| self.made.get(self.left_by.get(&key)?))
    }

    fn keep(&mut self, most: usize, of_one: usize, key: ObjectKey, made: Made) {
        let namespace = made.owner.namespace;
        self.made.insert(key, made);
        let own = self.order.entry(namespace).or_default();
        own.push_back(key);
        if own.len() > of_one {
            self.forget_oldest_of(namespace);
        } else if self.made.len() > most {
            // Whoever has the most gives way: nobody can make another's be forgotten by having many made.
            let fullest = self.order.iter().max_by_key(|(_, keys)| keys.len()).map(|(namespace, _)| *namespace);
            if let Some(fullest) = fullest {
                self.forget_oldest_of(fullest);
            }
        }
    }

    fn forget_oldest_of(&mut self, namespace: Option<NamespaceId>) {
        let Entry::Occupied(mut keys) = self.order.entry(namespace) else { return };
        let oldest = keys.get_mut().pop_front();
        if keys.get().is_empty() {
            keys.remove();
        }
        if let Some(made) = oldest.and_then(|oldest| self.made.remove(&oldest).map(|made| (oldest, made))) {
            self.forget_left(made.0, &made.1);
        }
    }

    /// What the response left behind goes with it, unless a later one has it by now.
    fn forget_left(&mut self, of: ObjectKey, made: &Made) -> Vec<ObjectKey> {
        let mut gone = Vec::new();
        for left in &made.left {
            if self.left_by.get(left) == Some(&of) {
                self.left_by.remove(left);
                gone.push(*left);
            }
        }
        gone
    }
}

impl StoredResponses {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A provider has stored the first of `ids`, a response that is made so; the others name what came with it. Told again of the
    /// same response, it takes the later count, and what is new.
    pub(crate) fn remember(&self, ids: &[&str], making: Making<'_>) {
        self.remember_within(MOST, MOST_OF_ONE, ids, making);
    }

    /// A ledger says what was stored before.
    pub(crate) fn restore(&self, object: StoredObject) {
        let owner = Owner { keyless: false, namespace: Some(object.namespace) };
        let mut remembered = self.remembered();
        if remembered.find(object.key).is_some() {
            return;
        }
        match object.left_by {
            None => {
                let StoredObject { provider, tokens, on_owners_key, .. } = object;
                let model = object.model.map(String::into_boxed_str);
                let made = Made { provider, model, owner, tokens, on_owners_key, left: Vec::new() };
                remembered.keep(MOST, MOST_OF_ONE, object.key, made);
            }
            Some(response) => {
                if let Some(made) = remembered.made.get_mut(&response) {
                    made.left.push(object.key);
                    remembered.left_by.insert(object.key, response);
                }
            }
        }
    }

    fn remember_within(&self, most: usize, of_one: usize, ids: &[&str], making: Making<'_>) {
        let Making { provider, model, caller, tokens, on_owners_key } = making;
        let (Some(owner), Some((first, rest))) = (Owner::of(caller), ids.split_first()) else { return };
        let first = object_key(first);
        let mut remembered = self.remembered();
        let is_own = |made: &Made| made.provider == *provider && made.owner.shares_with(caller);
        match remembered.find(first) {
            // An id that comes again is still the first one's: nobody takes over another caller's response.
            Some(made) if !is_own(made) => return,
            Some(_) => {}
            None => {
                let model = (!model.is_empty()).then(|| model.into());
                let made = Made { provider: provider.clone(), model, owner, tokens, on_owners_key, left: Vec::new() };
                remembered.keep(most, of_one, first, made);
            }
        }
        // A thing that one response left is no response.
        let Some(made) = remembered.made.get_mut(&first) else { return };
        made.tokens = made.tokens.max(tokens);
        let mut room = MOST_PARTS.saturating_sub(made.left.len());
        for id in rest {
            let key = object_key(id);
            let is_free = match remembered.find(key) {
                None => true,
                // A container that is used again stays as long as its last user does.
                Some(made) => remembered.left_by.get(&key).is_some_and(|by| *by != first) && is_own(made),
            };
            if room == 0 || !is_free {
                continue;
            }
            room -= 1;
            remembered.left_by.insert(key, first);
            if let Some(made) = remembered.made.get_mut(&first) {
                made.left.push(key);
            }
        }
    }

    /// Who made what `id` names, as far as `caller` may know.
    pub(crate) fn maker(&self, id: &str, caller: Caller) -> Maker {
        Self::told(self.remembered().find(object_key(id)), caller)
    }

    /// The same of a response: what one has left behind is none.
    pub(crate) fn maker_of_response(&self, id: &str, caller: Caller) -> Maker {
        Self::told(self.remembered().made.get(&object_key(id)), caller)
    }

    /// True for what was made with the key of a namespace's owner: the node's own key must not ask for it, since whatever a server
    /// of the owner's choice calls it is another thing there.
    pub(crate) fn is_on_owners_key(&self, id: &str) -> bool {
        self.remembered().find(object_key(id)).is_some_and(|made| made.on_owners_key)
    }

    /// The model that made the response; `None` where that is not known to `caller`.
    pub(crate) fn model_of_response(&self, id: &str, caller: Caller) -> Option<String> {
        let remembered = self.remembered();
        let made = remembered.made.get(&object_key(id)).filter(|made| made.owner.shares_with(caller))?;
        made.model.as_deref().map(str::to_owned)
    }

    fn told(made: Option<&Made>, caller: Caller) -> Maker {
        match made {
            None if matches!(caller, Caller::Keyless { .. }) => Maker::Unknown,
            Some(made) if made.owner.shares_with(caller) => Maker::Known(made.provider.clone()),
            None | Some(_) => Maker::OfAnother,
        }
    }

    /// The tokens of the response that `id` names, or that it came with; `None` where it is not remembered for `caller`.
    pub(crate) fn tokens(&self, id: &str, caller: Caller) -> Option<u64> {
        let remembered = self.remembered();
        remembered.find(object_key(id)).filter(|made| made.owner.shares_with(caller)).map(|made| made.tokens)
    }

    /// The response `id` is gone, with what it left behind: all of that is named.
    pub(crate) fn forget(&self, id: &str) -> Vec<ObjectKey> {
        let mut remembered = self.remembered();
        let key = object_key(id);
        if let Some(made) = remembered.made.remove(&key) {
            if let Entry::Occupied(mut keys) = remembered.order.entry(made.owner.namespace) {
                keys.get_mut().retain(|other| *other != key);
                if keys.get().is_empty() {
                    keys.remove();
                }
            }
            let mut gone = remembered.forget_left(key, &made);
            gone.insert(0, key);
            return gone;
        }
        vec![key]
    }
}

/// True for what a provider's id of a response can look like: it stands in a path.
pub(crate) fn is_response_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(is_plain)
}

/// What stands for `id` in memory and in the ledger.
pub(crate) fn object_key(id: &str) -> ObjectKey {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256::digest(id.as_bytes())[..16]);
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

    fn by(provider: &ProviderId, caller: Caller, tokens: u64) -> Making<'_> {
        Making { provider, model: "m", caller, tokens, on_owners_key: false }
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
        stored.remember_within(9, 3, &["resp_other"], by(&acme, token(2, 1), 0));
        for number in 0..5 {
            stored.remember_within(9, 3, &[&format!("resp_{number}")], by(&acme, keyless, 0));
        }
        assert_eq!(stored.maker("resp_1", keyless), Maker::Unknown);
        assert_eq!(stored.maker("resp_2", keyless), Maker::Known(acme.clone()));
        assert_eq!(stored.maker("resp_2", Caller::Anyone), Maker::OfAnother);
        stored.remember(&["resp_2"], by(&provider("thief"), token(2, 1), 0));
        assert_eq!(stored.maker("resp_2", keyless), Maker::Known(acme.clone()));
        assert_eq!(stored.maker("resp_other", token(2, 1)), Maker::Known(acme.clone()));
        // Whoever has the most gives way to another.
        for number in 0..2 {
            stored.remember_within(4, 3, &[&format!("resp_new_{number}")], by(&acme, token(3, 1), 0));
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
            stored.remember(&["resp_1"], by(&provider("acme"), maker, 0));
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
    fn a_response_is_remembered_with_its_tokens_and_what_it_left_behind() {
        let (stored, acme, caller) = (StoredResponses::default(), provider("acme"), token(1, 1));
        // Its id comes before its count, and its model with it.
        stored.remember(&["resp_1"], by(&acme, caller, 0));
        stored.remember(&["resp_1", "msg_1", "cntr_1"], by(&acme, caller, 70));
        assert_eq!(stored.model_of_response("resp_1", caller).as_deref(), Some("m"));
        for id in ["resp_1", "msg_1", "cntr_1"] {
            assert_eq!(stored.maker(id, caller), Maker::Known(acme.clone()), "{id}");
            assert_eq!((stored.tokens(id, caller), stored.tokens(id, token(2, 2))), (Some(70), None), "{id}");
            assert_eq!(stored.maker(id, token(2, 2)), Maker::OfAnother, "{id}");
        }
        // Nobody takes over another's by naming it as a part of an own one.
        stored.remember(&["resp_x", "msg_1"], by(&acme, token(2, 2), 1));
        assert_eq!(stored.maker("msg_1", token(2, 2)), Maker::OfAnother);
        // A container lives as long as its last user; the rest goes with the response.
        stored.remember(&["resp_2", "cntr_1"], by(&acme, caller, 5));
        let gone = stored.forget("resp_1");
        assert_eq!(gone, [object_key("resp_1"), object_key("msg_1")]);
        assert_eq!(stored.maker("msg_1", caller), Maker::OfAnother);
        assert_eq!(stored.tokens("cntr_1", caller), Some(5));
        stored.forget("resp_2");
        assert!(stored.remembered().left_by.is_empty());
        assert_eq!(stored.forget("resp_9"), [object_key("resp_9")]);
    }

    #[test]
    fn what_a_response_left_behind_takes_no_place_and_has_a_bound() {
        let (stored, acme, caller) = (StoredResponses::default(), provider("acme"), token(1, 1));
        let items: Vec<String> = (0..200).map(|number| format!("msg_{number}")).collect();
        for number in 0..4 {
            let id = format!("resp_{number}");
            let ids: Vec<&str> = std::iter::once(id.as_str()).chain(items.iter().map(String::as_str)).collect();
            stored.remember_within(9, 3, &ids, by(&acme, caller, 1));
        }
        assert_eq!(stored.maker("resp_0", caller), Maker::OfAnother);
        for id in ["resp_1", "resp_3", "msg_0", "msg_127"] {
            assert_eq!(stored.maker(id, caller), Maker::Known(acme.clone()), "{id}");
        }
        assert_eq!(stored.maker("msg_128", caller), Maker::OfAnother);
        assert_eq!(stored.remembered().left_by.len(), MOST_PARTS);
    }

    #[test]
    fn what_a_ledger_remembers_belongs_to_its_namespace() {
        let stored = StoredResponses::default();
        let object = |id: &str, of: u32, tokens: u64| StoredObject {
            key: object_key(id),
            provider: provider("acme"),
            namespace: namespace(of),
            model: Some("m".to_owned()),
            tokens,
            on_owners_key: false,
            left_by: None,
        };
        stored.restore(object("resp_1", 1, 9));
        stored.restore(StoredObject { left_by: Some(object_key("resp_1")), ..object("msg_1", 1, 0) });
        stored.restore(StoredObject { left_by: Some(object_key("resp_9")), ..object("msg_9", 1, 0) });
        assert_eq!(stored.maker("msg_1", token(1, 1)), Maker::Known(provider("acme")));
        assert_eq!(stored.maker_of_response("msg_1", token(1, 1)), Maker::OfAnother);
        assert_eq!(stored.tokens("msg_1", token(1, 1)), Some(9));
        assert_eq!(stored.model_of_response("resp_1", token(1, 1)).as_deref(), Some("m"));
        stored.restore(StoredObject { model: None, ..object("resp_old", 1, 1) });
        for (id, caller) in [("msg_1", token(1, 1)), ("resp_1", token(2, 2)), ("resp_old", token(1, 1))] {
            assert_eq!(stored.model_of_response(id, caller), None, "{id}");
        }
        assert_eq!(stored.maker("msg_9", token(1, 1)), Maker::OfAnother);
        stored.restore(StoredObject { on_owners_key: true, ..object("resp_own", 1, 1) });
        stored.restore(StoredObject { left_by: Some(object_key("resp_own")), ..object("msg_own", 1, 0) });
        for (id, is_owners) in [("resp_own", true), ("msg_own", true), ("resp_1", false), ("msg_none", false)] {
            assert_eq!(stored.is_on_owners_key(id), is_owners, "{id}");
        }
        stored.restore(object("resp_1", 2, 8));
        let first = Caller::Keyless { namespace: Some(namespace(1)) };
        assert_eq!(stored.tokens("resp_1", token(1, 1)), Some(9));
        assert_eq!(stored.maker("resp_1", first), Maker::Known(provider("acme")));
        assert_eq!(stored.maker("resp_1", token(2, 1)), Maker::OfAnother);
        // Both kinds of callers of one namespace share its places.
        stored.remember_within(9, 1, &["resp_2"], by(&provider("acme"), first, 0));
        assert_eq!(stored.maker("resp_1", token(1, 1)), Maker::OfAnother);
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
