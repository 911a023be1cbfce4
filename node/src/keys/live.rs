//! The keys that have not ended, in memory: a request is judged without a look into the database, and so is what a key
//! comes from.
//!
//! A key is put here while the transaction that wrote it still holds the turn to write, and is taken out before the one that
//! revokes it is committed: whoever is judged after a revocation was asked for is refused, whatever the database does.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bitrouter_gateway::{
    http::{Caller, Principal},
    ports::Run,
};
use bitrouter_proto::account::{CredentialId, GrantId, KeyId, NamespaceId, OauthClientId, PersonId, ScopeSet};
use tokio::sync::Notify;

use super::{Chain, runs::Runs};
use crate::{
    clock::{Clock, Moment},
    leases::LeaseRun,
    oauth::live::TokenRefused,
    roles::Roles,
    secret::{PresentedToken, TokenHash, TokenKind},
    store::{ApiKeyRow, Queryable, StoreError},
};

const NEVER: i64 = i64::MIN;

/// The keys that have not ended.
#[derive(Debug)]
pub(crate) struct LiveKeys {
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    runs: Runs,
    /// Keys that were used since it was last written.
    used: Mutex<Vec<KeyId>>,
    used_more: Notify,
    used_first: Notify,
}

#[derive(Debug, Default)]
struct State {
    keys: HashMap<KeyId, LiveKey>,
    /// The client of each session that a key was minted with.
    clients: HashMap<GrantId, Arc<str>>,
    /// How many keys there may be before the expired ones are looked for.
    sweep_at: usize,
}

#[derive(Debug)]
struct LiveKey {
    hash: TokenHash,
    namespace: Option<NamespaceId>,
    person: PersonId,
    scopes: ScopeSet,
    parent: Option<CredentialId>,
    expires_at: Moment,
    is_suspended: bool,
    last_used: AtomicI64,
    /// True while it stands in the list of what is to be written.
    noted: AtomicBool,
}

impl LiveKey {
    fn caller(&self, id: KeyId, roles: &Roles) -> Result<Caller, TokenRefused> {
        if self.is_suspended {
            return Err(TokenRefused::Suspended(id));
        }
        let Some(namespace) = self.namespace else { return Ok(Caller::Operator(id)) };
        let role = roles.of(self.person, namespace).ok_or(TokenRefused::Key)?;
        Ok(Caller::Credential(Principal {
            credential: CredentialId::Key(id),
            namespace,
            person: self.person,
            scopes: self.scopes.intersection(role.scopes()),
        }))
    }
}

impl LiveKeys {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: RwLock::default(),
            runs: Runs::default(),
            used: Mutex::default(),
            used_more: Notify::new(),
            used_first: Notify::new(),
        }
    }

    /// The keys that the database knows not to have ended.
    pub(crate) async fn load(on: &mut impl Queryable, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let live = Self::new(clock);
        for row in ApiKeyRow::all_live(on, live.clock.wall()).await? {
            live.insert(&row);
        }
        Ok(live)
    }

    /// Whom `presented` stands for, and what it may do now: what it was given, as far as the role of the person behind it
    /// still allows it.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub(crate) fn judge(&self, presented: &PresentedToken, roles: &Roles) -> Result<Caller, TokenRefused> {
        self.judged(presented, roles, Self::note_use)
    }

    /// The same for somebody who only wants to know: it is no use of the key.
    pub(crate) fn look(&self, presented: &PresentedToken, roles: &Roles) -> Result<Caller, TokenRefused> {
        self.judged(presented, roles, |_, _, _, _| {})
    }

    fn judged(
        &self,
        presented: &PresentedToken,
        roles: &Roles,
        note: impl FnOnce(&Self, KeyId, &LiveKey, Moment),
    ) -> Result<Caller, TokenRefused> {
        let (now, id) = (self.clock.wall(), KeyId::new(presented.id));
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get(&id).filter(|key| key.hash == presented.hash && now < key.expires_at);
        let key = key.ok_or(TokenRefused::Key)?;
        let caller = key.caller(id, roles)?;
        note(self, id, key, now);
        Ok(caller)
    }

    /// Whom the key `id` stands for, as [`judge`](Self::judge) says it of what opens with it.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub(crate) fn holder(&self, id: KeyId, roles: &Roles) -> Result<Caller, TokenRefused> {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get(&id).filter(|key| now < key.expires_at);
        key.ok_or(TokenRefused::Key)?.caller(id, roles)
    }

    fn note_use(&self, id: KeyId, key: &LiveKey, now: Moment) {
        let before = key.last_used.fetch_max(now.millis(), Ordering::Relaxed);
        let is_new =
            before < now.millis() && !key.noted.load(Ordering::Relaxed) && !key.noted.swap(true, Ordering::AcqRel);
        if is_new {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            if before == NEVER { &self.used_first } else { &self.used_more }.notify_one();
        }
    }

    /// Puts a key here.
    pub(crate) fn insert(&self, row: &ApiKeyRow) {
        let now = self.clock.wall();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.keys.len() >= state.sweep_at {
            state.sweep(now);
        }
        if let (Some(CredentialId::Grant(grant)), Some(client)) = (row.parent, &row.client_id) {
            state.clients.entry(grant).or_insert_with(|| client.as_str().into());
        }
        let key = LiveKey {
            hash: row.hash,
            namespace: row.namespace,
            person: row.person,
            scopes: row.scopes,
            parent: row.parent,
            expires_at: ends(row.expires_at),
            is_suspended: row.suspended_at.is_some(),
            last_used: AtomicI64::new(row.last_used_at.map_or(NEVER, Moment::millis)),
            noted: AtomicBool::new(false),
        };
        state.keys.insert(row.id, key);
    }

    /// Takes a key out: it was not written after all.
    pub(crate) fn take_back(&self, id: KeyId) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).keys.remove(&id);
    }

    /// Has `hash` open a key that nobody has used, instead of the one that is answered; `None` where it was used, or is gone.
    pub(crate) fn replace_unused(&self, id: KeyId, hash: TokenHash) -> Option<TokenHash> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get_mut(&id).filter(|key| key.last_used.load(Ordering::Acquire) == NEVER)?;
        Some(std::mem::replace(&mut key.hash, hash))
    }

    /// A key ends at another time than it was to: the clock had been wrong.
    pub(crate) fn ends_at(&self, id: KeyId, at: Option<Moment>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = state.keys.get_mut(&id) {
            key.expires_at = ends(at);
        }
    }

    /// Somebody says that suspended keys hold: this one, or all.
    pub(crate) fn confirm(&self, id: Option<KeyId>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (_, key) in state.keys.iter_mut().filter(|(other, _)| id.is_none_or(|id| id == **other)) {
            key.is_suspended = false;
        }
    }

    /// Revokes a key and all that were minted with it, and with those: from the next request on.
    pub(crate) fn end_key(&self, id: KeyId) {
        self.end_where(|state, key, _| key == id || state.ancestors(key).any(|above| above == CredentialId::Key(id)));
    }

    /// Revokes all keys that come from a session.
    pub(crate) fn end_grant(&self, id: GrantId) {
        self.end_where(|state, key, _| state.head(key) == Some(id));
    }

    /// Revokes all keys that come from sessions of a client.
    pub(crate) fn end_client(&self, id: OauthClientId) {
        let id = id.to_string();
        self.end_where(|state, key, _| state.client(key).is_some_and(|client| **client == *id));
    }

    /// Revokes all keys of a person.
    pub(crate) fn end_person(&self, id: PersonId) {
        self.end_where(|_, _, key| key.person == id);
    }

    /// Revokes all keys of a person in a namespace.
    pub(crate) fn end_member(&self, namespace: NamespaceId, person: PersonId) {
        self.end_where(|_, _, key| key.namespace == Some(namespace) && key.person == person);
    }

    /// Revokes all keys of a namespace.
    pub(crate) fn end_namespace(&self, id: NamespaceId) {
        self.end_where(|_, _, key| key.namespace == Some(id));
    }

    /// All changes are made by whoever has the turn to write, so that nothing comes in between: calls are held up only while
    /// what was found is taken out.
    fn end_where(&self, is_ended: impl Fn(&State, KeyId, &LiveKey) -> bool) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let found = state.keys.iter().filter(|(id, key)| is_ended(&state, **id, key)).map(|(id, _)| *id);
        let ended: Vec<KeyId> = found.collect();
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for id in &ended {
            state.keys.remove(id);
        }
        drop(state);
        self.runs.end(&ended);
    }

    /// The calls of a key that is about to be put here belong to `run`.
    pub(crate) fn begin_run(&self, id: KeyId, run: Arc<LeaseRun>) {
        self.runs.begin(id, run);
    }

    /// The run that the calls of a key belong to, where they belong to one. One that has ended is known for a while.
    pub(crate) fn run_of(&self, id: KeyId) -> Option<Arc<dyn Run>> {
        self.runs.of(id)
    }

    /// Forgets a run whose key was not written after all.
    pub(crate) fn forget_run(&self, id: KeyId) {
        self.runs.forget(id);
    }

    /// Forgets a run that has ended, once nobody can ask for it who was judged before that.
    pub(crate) fn forget_run_later(&self, id: KeyId) {
        self.runs.forget_later(id, self.clock.monotonic());
    }

    /// How long a key still opens something; `None` where it is not here, or has expired.
    pub(crate) fn time_left(&self, id: KeyId) -> Option<Duration> {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get(&id).filter(|key| now < key.expires_at)?;
        Some(key.expires_at.since(now))
    }

    /// True for a key that is here, with its secret.
    pub(crate) fn knows(&self, presented: &PresentedToken) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get(&KeyId::new(presented.id));
        presented.kind == TokenKind::Key && key.is_some_and(|key| key.hash == presented.hash)
    }

    /// True where it is here: neither revoked nor forgotten for its age.
    pub(crate) fn holds(&self, id: KeyId) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).keys.contains_key(&id)
    }

    /// When a key was last used, as far as memory knows.
    pub(crate) fn last_used(&self, id: KeyId) -> Option<Moment> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let at = state.keys.get(&id)?.last_used.load(Ordering::Acquire);
        (at != NEVER).then_some(Moment::from_millis(at))
    }

    /// How many keys of a namespace, or of the operator, have not ended.
    pub(crate) fn count_in(&self, namespace: Option<NamespaceId>) -> usize {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.values().filter(|key| key.namespace == namespace && now < key.expires_at).count()
    }

    /// How many keys wait for somebody to say that they hold.
    pub(crate) fn count_suspended(&self) -> usize {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.values().filter(|key| key.is_suspended && now < key.expires_at).count()
    }

    /// How many keys that have not ended come from a session.
    pub(crate) fn count_of(&self, grant: GrantId) -> usize {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.iter().filter(|(id, key)| now < key.expires_at && state.head(**id) == Some(grant)).count()
    }

    /// How many keys that have not ended come from sessions of a client.
    pub(crate) fn count_of_client(&self, id: OauthClientId) -> usize {
        let (now, client_id) = (self.clock.wall(), id.to_string());
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_its = |id: KeyId| state.client(id).is_some_and(|client| **client == *client_id);
        state.keys.iter().filter(|(id, key)| now < key.expires_at && is_its(**id)).count()
    }

    /// What a key comes from; `None` where it has ended, or is none.
    pub(crate) fn chain_of(&self, id: KeyId) -> Option<Chain> {
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = state.keys.get(&id).filter(|key| now < key.expires_at)?;
        let mut chain =
            Chain { namespace: key.namespace, person: key.person, keys: vec![id], grant: None, client: None };
        for above in state.ancestors(id) {
            match above {
                CredentialId::Key(key) => chain.keys.push(key),
                CredentialId::Grant(grant) => {
                    chain.grant = Some(grant);
                    chain.client = state.clients.get(&grant).cloned();
                }
            }
        }
        Some(chain)
    }

    /// About how much memory it takes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        // Of eight places seven are filled at most, and there are twice as many after the next one.
        state.keys.capacity() * 8 / 7 * (size_of::<(KeyId, LiveKey)>() + 1)
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self) {
        let now = self.clock.wall();
        self.state.write().unwrap_or_else(PoisonError::into_inner).sweep(now);
    }

    /// Waits until a first use is to be written, or `folded` after any other use.
    pub(crate) async fn wait_for_use(&self, folded: Duration) {
        tokio::select! {
            () = self.used_first.notified() => {}
            () = self.used_more.notified() => {
                // What comes meanwhile is written with it.
                let _ = tokio::time::timeout(folded, self.used_first.notified()).await;
            }
        }
    }

    /// Takes what was used and not yet written.
    pub(crate) fn take_used(&self) -> Vec<(KeyId, Moment)> {
        let ids = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let last_used = |id: KeyId| {
            let key = state.keys.get(&id)?;
            // Before the value is read: a use after it is noted again.
            key.noted.store(false, Ordering::Release);
            Some((id, Moment::from_millis(key.last_used.load(Ordering::Acquire))))
        };
        ids.into_iter().filter_map(last_used).collect()
    }

    /// Puts back what could not be written.
    pub(crate) fn put_back(&self, used: &[(KeyId, Moment)]) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_new = |id: &KeyId| state.keys.get(id).is_some_and(|key| !key.noted.swap(true, Ordering::AcqRel));
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(used.iter().map(|(id, _)| *id).filter(is_new));
    }
}

impl State {
    /// What stands above a key, the nearest first: keys, then the session, where there is one.
    fn ancestors(&self, id: KeyId) -> impl Iterator<Item = CredentialId> {
        let parent = |id: KeyId| self.keys.get(&id).and_then(|key| key.parent);
        std::iter::successors(parent(id), move |above| match above {
            CredentialId::Key(key) => parent(*key),
            CredentialId::Grant(_) => None,
        })
    }

    /// The session at the head of a key's chain.
    fn head(&self, id: KeyId) -> Option<GrantId> {
        match self.ancestors(id).last() {
            Some(CredentialId::Grant(grant)) => Some(grant),
            Some(CredentialId::Key(_)) | None => None,
        }
    }

    /// The client of that session.
    fn client(&self, id: KeyId) -> Option<&Arc<str>> {
        self.clients.get(&self.head(id)?)
    }

    fn sweep(&mut self, now: Moment) {
        // No key outlives the one that it was minted with: what stands above a key is here as long as it is.
        self.keys.retain(|_, key| now < key.expires_at);
        let grant = |key: &LiveKey| match key.parent {
            Some(CredentialId::Grant(grant)) => Some(grant),
            Some(CredentialId::Key(_)) | None => None,
        };
        let named: HashSet<GrantId> = self.keys.values().filter_map(grant).collect();
        self.clients.retain(|grant, _| named.contains(grant));
        self.sweep_at = self.keys.len() * 2 + 64;
    }
}

/// When a key ends: one that never does ends after everything.
fn ends(at: Option<Moment>) -> Moment {
    at.unwrap_or(Moment::from_millis(i64::MAX))
}
