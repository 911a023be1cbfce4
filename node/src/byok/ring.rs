//! Key-encryption keys: pairs of X25519. Provider keys are sealed against the current one; an earlier one opens what it has sealed,
//! and is destroyed when no stored key names it. Private halves are wrapped under the node's key, and opened for one key at a time.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_proto::account::byok::EncryptionKey;
use crypto_box::SecretKey;
use ring::digest::{SHA256, digest};
use secrecy::zeroize::Zeroizing;

use super::wrap::{Purpose, Unopened, unwrap, wrap};
use crate::{
    clock::Moment,
    secret::{NodeKey, hex, random_bytes},
    store::{KekRow, StoreError, Write},
};

/// So many bytes of the digest are in an id.
const ID: usize = 8;

/// A pair.
#[derive(Debug)]
pub(super) struct Kek {
    pub(super) row: KekRow,
}

/// The id of the pair with this public half.
fn kek_id(public: &[u8]) -> String {
    format!("kek_{}", hex(&digest(&SHA256, public).as_ref()[..ID]))
}

impl Kek {
    /// A new pair.
    fn draw(node: &NodeKey, now: Moment) -> Result<Self, Unopened> {
        let private: Zeroizing<[u8; 32]> = Zeroizing::new(random_bytes());
        let public = SecretKey::from_slice(private.as_slice()).map_err(|_| Unopened)?.public_key().to_bytes();
        let id = kek_id(&public);
        let sealed_key = wrap(node, Purpose::Kek, &[id.as_bytes()], private.as_slice())?;
        let row = KekRow { id, public_key: STANDARD.encode(public), sealed_key, created_at: now, retired_at: None };
        Ok(Self { row })
    }

    /// Opens what was sealed against it.
    pub(super) fn open(&self, node: &NodeKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let private = unwrap(node, Purpose::Kek, &[self.row.id.as_bytes()], &self.row.sealed_key)?;
        let private = SecretKey::from_slice(&private).map_err(|_| Unopened)?;
        private.unseal(sealed).map(Zeroizing::new).map_err(|_| Unopened)
    }
}

/// The pairs that there are.
#[derive(Debug)]
pub(crate) struct Ring(RwLock<State>);

#[derive(Debug)]
struct State {
    current: Arc<Kek>,
    /// All of them, by their ids.
    all: HashMap<String, Arc<Kek>>,
}

impl Ring {
    /// What the database has; a first pair where it has none.
    pub(crate) async fn load(write: &mut Write, node: &NodeKey, now: Moment) -> Result<Self, StoreError> {
        let mut rows = KekRow::all(write).await?;
        if !rows.iter().any(|row| row.retired_at.is_none()) {
            let first = drawn(node, now)?;
            first.row.insert_current(write).await?;
            rows.push(first.row);
        }
        let all: HashMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), Arc::new(Kek { row }))).collect();
        let current = all.values().find(|kek| kek.row.retired_at.is_none());
        let current = Arc::clone(current.ok_or(StoreError::Unreadable("key-encryption key"))?);
        Ok(Self(RwLock::new(State { current, all })))
    }

    /// What new keys are sealed against.
    pub(crate) fn current(&self) -> EncryptionKey {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let KekRow { id, public_key, .. } = &state.current.row;
        EncryptionKey { kek_id: id.clone(), public_key: public_key.clone() }
    }

    /// The current pair, where it is the one of this id.
    pub(super) fn current_of(&self, id: &str) -> Option<Arc<Kek>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(&state.current).filter(|kek| kek.row.id == id).map(Arc::clone)
    }

    /// The pair of this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Kek>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.get(id).map(Arc::clone)
    }

    /// True where the current pair is so old, or older.
    pub(super) fn is_due(&self, every: Duration, now: Moment) -> bool {
        now.since(self.0.read().unwrap_or_else(PoisonError::into_inner).current.row.created_at) >= every
    }

    /// `kek` is the current one from now on.
    pub(super) fn replace(&self, kek: Kek) {
        let kek = Arc::new(kek);
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.all.insert(kek.row.id.clone(), Arc::clone(&kek));
        state.current = kek;
    }

    /// Keeps the current one, and those that `is_named`.
    pub(super) fn retain(&self, is_named: impl Fn(&str) -> bool) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let State { current, all } = &mut *state;
        all.retain(|id, _| *id == current.row.id || is_named(id));
    }
}

/// A new pair, as whoever writes it to the database draws it.
pub(super) fn drawn(node: &NodeKey, now: Moment) -> Result<Kek, StoreError> {
    Kek::draw(node, now).map_err(|_| StoreError::Unreadable("node's key"))
}

#[cfg(test)]
mod tests {
    use crypto_box::{PublicKey, aead::OsRng};

    use super::*;

    #[test]
    fn a_pair_opens_what_was_sealed_against_it_and_is_called_after_its_public_half() {
        let node = NodeKey::of(&[7; 32]);
        let (kek, other) =
            (drawn(&node, Moment::from_millis(0)).unwrap(), drawn(&node, Moment::from_millis(0)).unwrap());
        let public: [u8; 32] = STANDARD.decode(&kek.row.public_key).unwrap().try_into().unwrap();
        assert_eq!(kek.row.id, kek_id(&public));
        assert!(kek.row.id.len() == 20 && kek.row.id.starts_with("kek_"));
        let sealed = PublicKey::from(public).seal(&mut OsRng, b"sk-canary").unwrap();
        assert_eq!(&*kek.open(&node, &sealed).unwrap(), b"sk-canary");
        assert!(other.open(&node, &sealed).is_err());
        assert!(kek.open(&NodeKey::of(&[8; 32]), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            // The top bit of a point on the curve means nothing (RFC 7748 §5): here it is sealed too.
            bent[at] ^= 0x80;
            assert!(kek.open(&node, &bent).is_err(), "{at}");
            assert!(kek.open(&node, &sealed[..at]).is_err(), "{at}");
        }
    }
}
