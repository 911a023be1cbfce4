//! Stored keys in memory, each sealed: which there are for whose calls, without a look into the database.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_gateway::{
    OwnConnections, OwnModels,
    ports::{KeyFailure, KeyUnusable, OwnersKey},
};
use bitrouter_proto::account::{PersonId, byok::StoredKey};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    ring::{Kek, Ring},
    wrap::{Purpose, Unopened, unwrap, wrap},
};
use crate::{
    clock::{Clock, Moment},
    secret::{NodeKey, TokenHash},
    settings::Settings,
    store::{ByokRow, ByokUse, Queryable, StoreError},
};

/// No use was noted yet.
const NEVER: i64 = i64::MIN;

/// What opening a key takes.
pub(crate) struct Opener {
    pub(super) node: NodeKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Arc<ArcSwap<Settings>>,
}

/// The stored keys of everybody.
pub(crate) struct HeldKeys {
    opener: Arc<Opener>,
    pub(crate) ring: Ring,
    keys: RwLock<HashMap<PersonId, Vec<Arc<HeldKey>>>>,
    /// How many there are: where there are none nobody looks further.
    count: AtomicUsize,
}

impl std::fmt::Debug for HeldKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldKeys").field("count", &self.count).finish_non_exhaustive()
    }
}

/// A stored key.
pub(super) struct HeldKey {
    opener: Arc<Opener>,
    row: ByokRow,
    /// `None` where what it was sealed against is gone: it opens no more, and nobody else pays for that.
    kek: Option<Arc<Kek>>,
    connections: OwnConnections,
    models: OwnModels,
    used_at: AtomicI64,
    failure: Mutex<Option<(Moment, KeyFailure)>>,
    /// What was written of both.
    written: Mutex<(i64, Option<Moment>)>,
}

impl std::fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldKey").field("provider", &self.row.provider).finish_non_exhaustive()
    }
}

/// What a submitted key is wrapped for.
fn wrapped_for<'r>(person: &'r str, row: &'r ByokRow) -> [&'r [u8]; 4] {
    let base = row.api_base.as_deref().unwrap_or_default();
    [person.as_bytes(), row.provider.as_bytes(), base.as_bytes(), row.kek_id.as_bytes()]
}

impl Opener {
    /// What was submitted for `row`, wrapped.
    pub(super) fn wrapped(&self, row: &ByokRow, submitted: &[u8]) -> Result<String, Unopened> {
        wrap(&self.node, Purpose::Submitted, &wrapped_for(&row.person.to_string(), row), submitted)
    }

    fn opened(&self, kek: &Kek, row: &ByokRow) -> Result<SecretString, Unopened> {
        let submitted =
            unwrap(&self.node, Purpose::Submitted, &wrapped_for(&row.person.to_string(), row), &row.sealed)?;
        let plain = kek.open(&self.node, &submitted)?;
        // With room for exactly that: a text that shrinks may leave a copy behind.
        let mut text = String::with_capacity(plain.len());
        text.push_str(std::str::from_utf8(&plain).map_err(|_| Unopened)?);
        Ok(SecretString::from(text))
    }
}

impl OwnersKey for HeldKey {
    fn open(&self) -> Result<SecretString, KeyUnusable> {
        if !self.is_taken() {
            return Err(KeyUnusable::NotTaken);
        }
        let kek = self.kek.as_ref().ok_or(KeyUnusable::Sealed)?;
        let opened = self.opener.opened(kek, &self.row).map_err(|_| KeyUnusable::Sealed)?;
        if opened.expose_secret().is_empty() { Err(KeyUnusable::Sealed) } else { Ok(opened) }
    }

    fn api_base(&self) -> Option<&str> {
        self.row.api_base.as_deref()
    }

    fn may_be_private(&self) -> bool {
        self.opener.settings.load().byok.allow_private
    }

    fn connections(&self) -> &OwnConnections {
        &self.connections
    }

    fn models(&self) -> &OwnModels {
        &self.models
    }

    fn used(&self) {
        self.used_at.fetch_max(self.opener.clock.wall().millis(), Ordering::AcqRel);
    }

    fn failed(&self, how: KeyFailure) {
        let now = self.opener.clock.wall();
        tracing::info!(provider = self.row.provider, person = %self.row.person, how = how.as_str(), "a stored key failed");
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, how));
    }
}

impl HeldKey {
    /// True where its provider takes keys of people now.
    fn is_taken(&self) -> bool {
        self.opener.settings.load().byok.providers.contains(&self.row.provider)
    }

    /// Why it pays for nothing, as far as that is known without opening it.
    fn unusable(&self) -> Option<&'static str> {
        if !self.is_taken() {
            Some("not_taken")
        } else if self.kek.is_none() {
            Some("does_not_open")
        } else {
            None
        }
    }

    /// As its owner is shown it.
    fn shown(&self) -> StoredKey {
        let row = &self.row;
        let used_at = Some(self.used_at.load(Ordering::Acquire)).filter(|at| *at != NEVER).map(Moment::from_millis);
        let failure = *self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failure.map(|(at, how)| (at, how.as_str().to_owned())).or_else(|| row.last_failure.clone());
        StoredKey {
            provider_name: row.provider.clone(),
            kek_id: row.kek_id.clone(),
            key_prefix: row.key_prefix.clone(),
            api_base: row.api_base.clone(),
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            last_used_at: used_at.max(row.last_used_at).map(|at| at.to_string()),
            last_failure_at: failure.as_ref().map(|(at, _)| at.to_string()),
            last_failure_kind: failure.map(|(_, how)| how),
            unusable: self.unusable().map(str::to_owned),
        }
    }

    /// What became of it since that was last asked.
    fn take_use(&self) -> Option<ByokUse> {
        let used_at = self.used_at.load(Ordering::Acquire);
        let failure = *self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let news = ByokUse {
            hash: self.row.hash,
            used_at: (used_at > written.0).then(|| Moment::from_millis(used_at)),
            failure: failure.filter(|(at, _)| Some(*at) > written.1).map(|(at, how)| (at, how.as_str())),
        };
        *written = (used_at, failure.map(|(at, _)| at).max(written.1));
        (news.used_at.is_some() || news.failure.is_some()).then_some(news)
    }
}

impl HeldKeys {
    /// What the database has.
    pub(crate) async fn load(
        on: &mut impl Queryable,
        ring: Ring,
        node: NodeKey,
        clock: Arc<dyn Clock>,
        settings: Arc<ArcSwap<Settings>>,
    ) -> Result<Self, StoreError> {
        let opener = Arc::new(Opener { node, clock, settings });
        let held = Self { opener, ring, keys: RwLock::default(), count: AtomicUsize::new(0) };
        for row in ByokRow::all(on).await? {
            held.put(row);
        }
        Ok(held)
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<PersonId, Vec<Arc<HeldKey>>>)) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut keys);
        keys.retain(|_, keys| !keys.is_empty());
        self.count.store(keys.values().map(Vec::len).sum(), Ordering::Release);
    }

    /// A key is there from now on, in the place of the one for the same provider.
    pub(super) fn put(&self, row: ByokRow) {
        let key = Arc::new(HeldKey {
            opener: Arc::clone(&self.opener),
            kek: self.ring.find(&row.kek_id),
            connections: OwnConnections::default(),
            models: OwnModels::default(),
            used_at: AtomicI64::new(NEVER),
            failure: Mutex::default(),
            written: Mutex::new((NEVER, None)),
            row,
        });
        self.change(|keys| {
            let own = keys.entry(key.row.person).or_default();
            own.retain(|other| other.row.provider != key.row.provider);
            own.push(key);
        });
    }

    /// The one that was submitted as this is gone. Calls that were begun with it end with it.
    pub(crate) fn end(&self, hash: TokenHash) {
        self.change(|keys| keys.values_mut().for_each(|own| own.retain(|key| key.row.hash != hash)));
    }

    /// A person is gone, with all keys.
    pub(crate) fn end_person(&self, person: PersonId) {
        self.change(|keys| drop(keys.remove(&person)));
    }

    /// True where nobody has stored a key.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn find(&self, person: PersonId, provider: &str) -> Option<Arc<HeldKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&person)?.iter().find(|key| key.row.provider == provider).map(Arc::clone)
    }

    /// True where `person` has one for `provider`.
    pub(crate) fn has(&self, person: PersonId, provider: &str) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&person).is_some_and(|own| own.iter().any(|key| key.row.provider == provider))
    }

    /// The one of `person` for `provider`, for a call.
    pub(crate) fn owners_key(&self, person: PersonId, provider: &str) -> Option<Arc<dyn OwnersKey>> {
        self.find(person, provider).map(|key| key as Arc<dyn OwnersKey>)
    }

    /// Those of a person, by their providers.
    pub(crate) fn of(&self, person: PersonId) -> Vec<StoredKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut own: Vec<StoredKey> = keys.get(&person).into_iter().flatten().map(|key| key.shown()).collect();
        own.sort_by(|one, other| one.provider_name.cmp(&other.provider_name));
        own
    }

    /// Those that are sealed against anything but the current key.
    pub(super) fn sealed_earlier(&self) -> usize {
        let current = self.ring.current().kek_id;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.values().flatten().filter(|key| key.row.kek_id != current).count()
    }

    /// Forgets what no stored key names any more.
    pub(super) fn prune_ring(&self) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let named: HashSet<&str> = keys.values().flatten().map(|key| key.row.kek_id.as_str()).collect();
        self.ring.retain(|id| named.contains(id));
    }

    /// What became of keys since that was last asked.
    pub(crate) fn take_uses(&self) -> Vec<ByokUse> {
        if self.is_empty() {
            return Vec::new();
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.values().flatten().filter_map(|key| key.take_use()).collect()
    }
}

/// What was submitted, from base64 as the standard has it (RFC 4648 §4).
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    // `base64` breaks lines.
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}
