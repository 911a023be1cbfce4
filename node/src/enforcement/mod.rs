//! What policies make of calls: each call is bound by all that is bound to its credential and to what stands above it.
//!
//! The journey of a rule: whatever changes policies or bindings looks at all of them ([`Node::look_at_policies`]) → `book`
//! has what is in force by what it is bound to → `loading` reads what the new counters begin with, and then the book is the
//! one that calls go by → a call's [`Rulebook`](book::Rulebook) is put together once for each credential and kept →
//! `plan` is the gateway's port: it judges, takes from the counters of [`crate::limits`], and has the ledger keep the row; `open` is
//! the call until it ends, whatever begins to count meanwhile; `refusal` says why not, `terms` is the call as its limits see it. `in_force` is the same for whoever only asks.

mod book;
mod in_force;
mod loading;
mod open;
mod plan;
mod refusal;
mod terms;

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{CredentialId, MicroUsd, NamespaceId, PersonId};

pub use self::in_force::{InForce, InForceError, PolicyInForce};
pub(crate) use self::{
    book::{Book, Rulebook},
    open::OpenCall,
    plan::BoundPlan,
    terms::CallTerms,
};
use self::{loading::Loading, open::Late};
use crate::{
    clock::{Clock, Moment},
    keys::{Chain, live::LiveKeys},
    limits::Limits,
    oauth::{ClientId, live::LiveTokens},
    policy::PrincipalId,
    roles::Roles,
};

/// Counters, and the rules that calls go by.
#[derive(Debug)]
pub(crate) struct Enforcement {
    pub(crate) limits: Limits,
    time: SteadyTime,
    keys: Arc<LiveKeys>,
    live: Arc<LiveTokens>,
    roles: Arc<Roles>,
    owner: PersonId,
    book: ArcSwap<Book>,
    /// What comes next, while what its counters begin with is read. Whoever settles a call holds it until that is written, so
    /// that nothing is settled half before and half after a reading begins.
    loading: RwLock<Option<Loading>>,
    late: Late,
    /// Whether a policy binds calls without a credential.
    binds_keyless: AtomicBool,
    /// One looks at a time, so that whoever looks last says it.
    looking: tokio::sync::Mutex<()>,
}

/// The time that windows go by: the wall clock as it was at the start, and what has passed since, in suspend too. Whoever
/// sets the wall clock does not move it.
#[derive(Debug)]
struct SteadyTime {
    clock: Arc<dyn Clock>,
    began: Moment,
    since_boot: Duration,
    monotonic: Instant,
    suspended: Mutex<Suspended>,
}

/// How long the machine was suspended. The clock that runs on in suspend is a file to be read, and coarse: it is looked at
/// once a second, and believed where it is ahead by more than that.
#[derive(Debug)]
struct Suspended {
    looked_at: Instant,
    time: Duration,
}

impl SteadyTime {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let monotonic = clock.monotonic();
        let suspended = Mutex::new(Suspended { looked_at: monotonic, time: Duration::ZERO });
        Self { began: clock.wall(), since_boot: clock.since_boot(), clock, monotonic, suspended }
    }

    fn now(&self) -> Moment {
        const LOOK: Duration = Duration::from_secs(1);
        let now = self.clock.monotonic();
        let passed = now.saturating_duration_since(self.monotonic);
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(suspended.looked_at) >= LOOK {
            suspended.looked_at = now;
            let ahead = self.clock.since_boot().saturating_sub(self.since_boot).saturating_sub(passed);
            if ahead > suspended.time + LOOK {
                suspended.time = ahead;
            }
        }
        self.began.after(passed + suspended.time)
    }

    /// The same moment by the wall clock.
    fn by_wall(&self, at: Moment) -> Moment {
        let (wall, now) = (self.clock.wall(), self.now());
        // Both are read one after the other: what is less than a second is no step.
        if wall.since(now).max(now.since(wall)) < Duration::from_secs(1) {
            return at;
        }
        if at >= now { wall.after(at.since(now)) } else { wall.before(now.since(at)) }
    }
}

impl Enforcement {
    /// Nothing is in force yet.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        keys: Arc<LiveKeys>,
        live: Arc<LiveTokens>,
        roles: Arc<Roles>,
        owner: PersonId,
    ) -> Self {
        let time = SteadyTime::new(clock);
        Self {
            limits: Limits::default(),
            time,
            keys,
            live,
            roles,
            owner,
            book: ArcSwap::default(),
            loading: RwLock::default(),
            late: Late::default(),
            binds_keyless: AtomicBool::new(false),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The steady time.
    pub(crate) fn now(&self) -> Moment {
        self.time.now()
    }

    /// A moment of the steady time, as people are told.
    pub(crate) fn by_wall(&self, at: Moment) -> Moment {
        self.time.by_wall(at)
    }

    /// The rules that calls go by now.
    pub(crate) fn book(&self) -> Arc<Book> {
        self.book.load_full()
    }

    /// The number of the book that calls go by now.
    pub(crate) fn generation(&self) -> u64 {
        self.book.load().generation
    }

    /// The number of the book that a call goes by which came at `started` and is bound by nothing as far as it knows: that of an
    /// earlier one where another may have come into force since.
    pub(crate) fn generation_for(&self, started: Instant) -> u64 {
        let book = self.book.load();
        let is_known = book.generation == 0 || book.since.get().is_some_and(|since| *since < started);
        if is_known { book.generation } else { book.generation - 1 }
    }

    /// What binds the calls of `caller` in `namespace`; `None` where nothing does.
    pub(crate) fn rulebook(&self, caller: Caller, namespace: NamespaceId) -> Option<Arc<Rulebook>> {
        let book = self.book.load();
        if book.is_empty() {
            return None;
        }
        let credential = match caller {
            Caller::Credential(principal) => Some(principal.credential),
            Caller::Keyless { .. } | Caller::Operator(_) | Caller::Anyone => None,
        };
        book.rulebook((namespace, credential), || self.chain(caller, namespace))
    }

    /// A person was given that much, or that much was taken where it is negative.
    pub(crate) fn granted(&self, person: PersonId, amount: MicroUsd) {
        self.limits.granted(person, amount, self.now());
    }

    /// What stands above a call, itself first: everything that policies can be bound to.
    fn chain(&self, caller: Caller, namespace: NamespaceId) -> Vec<PrincipalId> {
        let mut principals = vec![PrincipalId::Namespace(namespace)];
        let person = match caller {
            Caller::Credential(principal) => {
                let chain = match principal.credential {
                    CredentialId::Key(id) => {
                        principals.push(PrincipalId::ApiKey(id));
                        self.keys.chain_of(id)
                    }
                    CredentialId::Grant(id) => {
                        principals.push(PrincipalId::OauthToken(id));
                        self.live.chain_of(id)
                    }
                };
                if let Some(chain) = chain {
                    add_chain(&mut principals, &chain);
                }
                Some(principal.person)
            }
            // What programs do without a credential is the owner's.
            Caller::Keyless { .. } => Some(self.roles.owner(namespace).unwrap_or(self.owner)),
            Caller::Operator(_) | Caller::Anyone => None,
        };
        principals.extend(person.map(PrincipalId::User));
        principals
    }

    /// Whether a policy binds calls without a credential.
    pub(crate) fn binds_keyless(&self) -> bool {
        self.binds_keyless.load(Ordering::Relaxed)
    }

    /// Says so.
    pub(crate) fn set_binds_keyless(&self, binds: bool) {
        self.binds_keyless.store(binds, Ordering::Relaxed);
    }
}

fn add_chain(principals: &mut Vec<PrincipalId>, chain: &Chain) {
    let mut add = |principal| {
        if !principals.contains(&principal) {
            principals.push(principal);
        }
    };
    chain.keys.iter().copied().map(PrincipalId::ApiKey).for_each(&mut add);
    chain.grant.map(PrincipalId::OauthToken).into_iter().for_each(&mut add);
    let client = chain.client.as_deref().and_then(ClientId::parse);
    client.map(PrincipalId::OauthClient).into_iter().for_each(&mut add);
}
