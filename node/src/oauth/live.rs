//! The access tokens that are valid now, in memory: a request is judged without a look into the database.
//!
//! A token is put here while the transaction that wrote it still holds the turn to write, and is taken out before the one
//! that ends its session begins: whoever is judged after an end was asked for is refused, whatever the database does.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bitrouter_gateway::http::Principal;
use bitrouter_proto::account::{CredentialId, GrantId, KeyId, NamespaceId, OauthClientId, PersonId, ScopeSet};
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Moment},
    keys::Chain,
    secret::{PresentedToken, TokenHash, TokenKind},
    store::{AccessTokenRow, Queryable, StoreError},
};

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is none of ours, has expired, or its session has ended.
    #[error("the access token is not valid: it has expired, was revoked, or is none of this node's")]
    Invalid,
    /// It is no key of ours, has expired, or was revoked, or the person behind it is nothing in its namespace any more.
    #[error("the API key is not valid: it has expired, was revoked, or is none of this node's")]
    Key,
    /// Nobody knows whether it still holds.
    #[error(
        "the API key `{0}` is suspended: the node's database was put back without the log of what was revoked; the node's owner can confirm it with `bitrouter node keys confirm {0}`, or mint another one"
    )]
    Suspended(KeyId),
}

/// An access token as it is put here.
#[derive(Clone, Debug)]
pub(crate) struct NewLive {
    /// What is kept of it.
    pub(crate) hash: TokenHash,
    /// Its session.
    pub(crate) grant: GrantId,
    /// The client that holds it.
    pub(crate) client: Arc<str>,
    /// The person behind it.
    pub(crate) person: PersonId,
    /// The namespace that it reaches.
    pub(crate) namespace: NamespaceId,
    /// What it may do.
    pub(crate) scopes: ScopeSet,
    /// The generation of the refresh token that came with it.
    pub(crate) generation: i64,
    /// When it ends.
    pub(crate) expires_at: Moment,
}

/// The tokens that are valid now.
#[derive(Debug)]
pub struct LiveTokens {
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    used: Mutex<Used>,
    /// Something was used.
    used_more: Notify,
    /// Something was used that is to be written soon, or the node is closed.
    is_urgent: Notify,
    is_closed: AtomicBool,
}

/// What was used since it was last written.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Generations of which an access token was used for the first time, and when.
    pub(crate) first: Vec<(GrantId, i64, Moment)>,
    /// Sessions that were used.
    pub(crate) grants: Vec<(GrantId, Moment)>,
    waiting: Vec<Arc<LiveGrant>>,
}

#[derive(Debug, Default)]
struct State {
    tokens: HashMap<TokenHash, LiveToken>,
    grants: HashMap<GrantId, Arc<LiveGrant>>,
    ended: Ended,
    /// How many tokens there may be before the expired ones are looked for.
    sweep_at: usize,
}

/// What was ended and may not come back, however far the database is.
#[derive(Debug, Default)]
struct Ended {
    grants: HashSet<GrantId>,
    persons: HashSet<PersonId>,
    namespaces: HashSet<NamespaceId>,
}

#[derive(Debug)]
struct LiveToken {
    principal: Principal,
    expires_at: Moment,
    grant: Arc<LiveGrant>,
    generation: Arc<Generation>,
}

#[derive(Debug)]
struct LiveGrant {
    id: GrantId,
    client: Arc<str>,
    person: PersonId,
    namespace: NamespaceId,
    last_used: AtomicI64,
    /// True while it stands in the list of what is to be written.
    noted: AtomicBool,
    generations: Mutex<Vec<Arc<Generation>>>,
}

#[derive(Debug)]
struct Generation {
    number: i64,
    first_used: AtomicI64,
}

const NEVER: i64 = i64::MIN;

impl LiveTokens {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: RwLock::default(),
            used: Mutex::default(),
            used_more: Notify::new(),
            is_urgent: Notify::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// The tokens that the database knows to be valid now.
    pub(crate) async fn load(on: &mut impl Queryable, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let live = Self::new(clock);
        for (token, first_used) in AccessTokenRow::all_live(on, live.clock.wall()).await? {
            // Nothing was ended yet.
            let _ = live.insert(token, first_used);
        }
        Ok(live)
    }

    /// Whom `token` stands for.
    ///
    /// # Errors
    /// Where it opens nothing.
    pub fn judge(&self, token: &[u8]) -> Result<Principal, TokenRefused> {
        self.judged(token, |token, now| self.note_use(&token.grant, &token.generation, now))
            .map(|(principal, _)| principal)
    }

    /// The same for somebody who only wants to know: it is no use of the token. When it ends is answered too.
    pub(crate) fn look(&self, token: &[u8]) -> Option<(Principal, Moment)> {
        self.judged(token, |_, _| {}).ok()
    }

    fn judged(&self, token: &[u8], note: impl FnOnce(&LiveToken, Moment)) -> Result<(Principal, Moment), TokenRefused> {
        let presented = PresentedToken::parse(token).ok_or(TokenRefused::Invalid)?;
        if presented.kind != TokenKind::Access {
            return Err(TokenRefused::Invalid);
        }
        let now = self.clock.wall();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let token = state.tokens.get(&presented.hash).filter(|token| now < token.expires_at);
        let token = token.ok_or(TokenRefused::Invalid)?;
        note(token, now);
        Ok((token.principal, token.expires_at))
    }

    fn note_use(&self, grant: &Arc<LiveGrant>, generation: &Generation, now: Moment) {
        let is_first = generation.first_used.load(Ordering::Relaxed) == NEVER
            && generation.first_used.compare_exchange(NEVER, now.millis(), Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let is_later = grant.last_used.fetch_max(now.millis(), Ordering::Relaxed) < now.millis();
        let is_new = is_later && !grant.noted.load(Ordering::Relaxed) && !grant.noted.swap(true, Ordering::AcqRel);
        if is_first || is_new {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            if is_first {
                used.first.push((grant.id, generation.number, now));
            }
            if is_new {
                used.waiting.push(Arc::clone(grant));
            }
            drop(used);
            if is_first { &self.is_urgent } else { &self.used_more }.notify_one();
        }
    }

    /// Puts a token here; `first_used` is what the database knows of its generation. False where its session, person or
    /// namespace was ended meanwhile: then it must not be given out.
    #[must_use]
    pub(crate) fn insert(&self, new: NewLive, first_used: Option<Moment>) -> bool {
        let now = self.clock.wall();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.ended.includes(new.grant, new.person, new.namespace) {
            return false;
        }
        if state.tokens.len() >= state.sweep_at {
            state.sweep(now);
        }
        let grant = state.grants.entry(new.grant).or_insert_with(|| {
            Arc::new(LiveGrant {
                id: new.grant,
                client: new.client,
                person: new.person,
                namespace: new.namespace,
                last_used: AtomicI64::new(NEVER),
                noted: AtomicBool::new(false),
                generations: Mutex::default(),
            })
        });
        let (grant, generation) = (Arc::clone(grant), grant.generation(new.generation, first_used));
        let principal = Principal {
            credential: CredentialId::Grant(new.grant),
            namespace: new.namespace,
            person: new.person,
            scopes: new.scopes,
        };
        state.tokens.insert(new.hash, LiveToken { principal, expires_at: new.expires_at, grant, generation });
        true
    }

    /// A token ends at another time than it was to: the clock had been wrong.
    pub(crate) fn ends_at(&self, hash: TokenHash, at: Moment) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = state.tokens.get_mut(&hash) {
            token.expires_at = at;
        }
    }

    /// Takes a token out: it was not written after all.
    pub(crate) fn take_back(&self, hash: TokenHash) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).tokens.remove(&hash);
    }

    /// True where the session, its person or its namespace was ended, however far the database is.
    pub(crate) fn has_ended(&self, grant: GrantId, person: PersonId, namespace: NamespaceId) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).ended.includes(grant, person, namespace)
    }

    /// When an access token of this generation was first used, as far as memory knows.
    pub(crate) fn first_used(&self, grant: GrantId, generation: i64) -> Option<Moment> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let generations = state.grants.get(&grant)?.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let at = generations.iter().find(|one| one.number == generation)?.first_used.load(Ordering::Acquire);
        (at != NEVER).then_some(Moment::from_millis(at))
    }

    /// When the session was last used, as far as memory knows.
    pub(crate) fn last_used(&self, grant: GrantId) -> Option<Moment> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let at = state.grants.get(&grant)?.last_used.load(Ordering::Relaxed);
        (at != NEVER).then_some(Moment::from_millis(at))
    }

    /// What a session comes from; `None` where none of its tokens is held.
    pub(crate) fn chain_of(&self, grant: GrantId) -> Option<Chain> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let grant = state.grants.get(&grant)?;
        Some(Chain {
            namespace: Some(grant.namespace),
            person: grant.person,
            keys: Vec::new(),
            grant: Some(grant.id),
            client: Some(Arc::clone(&grant.client)),
        })
    }

    /// Ends a session: from the next request on.
    pub(crate) fn end_grant(&self, grant: GrantId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.ended.grants.insert(grant);
        state.drop_grants(|live| live.id == grant);
    }

    /// The end of a session is in the database, which refuses it from now on.
    pub(crate) fn end_is_durable(&self, grant: GrantId) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).ended.grants.remove(&grant);
    }

    /// Ends all sessions of a client: from the next request on. Whoever would make another one looks for the client first.
    pub(crate) fn end_client(&self, client: OauthClientId) {
        let client = client.to_string();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.drop_grants(|live| *live.client == *client);
    }

    /// Ends all sessions of a person, for good: from the next request on.
    pub(crate) fn end_person(&self, person: PersonId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.ended.persons.insert(person);
        state.drop_grants(|live| live.person == person);
    }

    /// Ends all sessions in a namespace, for good: from the next request on.
    pub(crate) fn end_namespace(&self, namespace: NamespaceId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.ended.namespaces.insert(namespace);
        state.drop_grants(|live| live.namespace == namespace);
    }

    /// Ends all sessions of a person in a namespace: from the next request on. Others may begin, where the person is let in
    /// again.
    pub(crate) fn end_member(&self, namespace: NamespaceId, person: PersonId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.drop_grants(|live| live.namespace == namespace && live.person == person);
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).tokens.len()
    }

    /// True where none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until a first use is to be written, or `folded` after any other use, or until the end.
    pub(crate) async fn wait_for_use(&self, folded: Duration) {
        tokio::select! {
            () = self.is_urgent.notified() => {}
            () = self.used_more.notified() => {
                // What comes meanwhile is written with it.
                let _ = tokio::time::timeout(folded, self.is_urgent.notified()).await;
            }
        }
    }

    /// Ends whoever waits for uses.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.is_urgent.notify_one();
    }

    /// True after [`LiveTokens::close`].
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Takes what was used and not yet written.
    pub(crate) fn take_used(&self) -> Used {
        let mut used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for grant in used.waiting.drain(..) {
            // Before the value is read: a use after it is noted again.
            grant.noted.store(false, Ordering::Release);
            used.grants.push((grant.id, Moment::from_millis(grant.last_used.load(Ordering::Acquire))));
        }
        used
    }

    /// Puts back what could not be written.
    pub(crate) fn put_back_first(&self, first: Vec<(GrantId, i64, Moment)>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).first.extend(first);
    }
}

impl Used {
    /// True where there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.grants.is_empty()
    }
}

impl Ended {
    fn includes(&self, grant: GrantId, person: PersonId, namespace: NamespaceId) -> bool {
        self.grants.contains(&grant) || self.persons.contains(&person) || self.namespaces.contains(&namespace)
    }
}

impl State {
    fn drop_grants(&mut self, gone: impl Fn(&LiveGrant) -> bool) {
        self.tokens.retain(|_, token| !gone(&token.grant));
        self.grants.retain(|_, grant| !gone(grant));
    }

    fn sweep(&mut self, now: Moment) {
        self.tokens.retain(|_, token| now < token.expires_at);
        for grant in self.grants.values() {
            let mut generations = grant.generations.lock().unwrap_or_else(PoisonError::into_inner);
            // Each token of a generation holds it.
            generations.retain(|generation| Arc::strong_count(generation) > 1);
        }
        self.grants.retain(|_, grant| !grant.generations.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
        self.sweep_at = self.tokens.len() * 2 + 64;
    }
}

impl LiveGrant {
    fn generation(&self, number: i64, first_used: Option<Moment>) -> Arc<Generation> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.iter().find(|one| one.number == number) {
            return Arc::clone(known);
        }
        let first_used = AtomicI64::new(first_used.map_or(NEVER, Moment::millis));
        let made = Arc::new(Generation { number, first_used });
        generations.push(Arc::clone(&made));
        made
    }
}

#[cfg(test)]
mod tests;
