//! The account's credential: the daemon owns it, refreshes it, and never loses it.
//!
//! This is what everybody else sees of it: [`Credentials`], and [`Session`] as the value of who is signed in.
//!
//! * `store` is the file, the lock beside it, and the only writes; `held` is what is known of it (pure), `schedule` when a
//!   token is renewed (pure), `clocks` what time it is.
//! * `refresher` looks, decides, and shares one attempt among all who wait; `exchange` is the attempt: lock → read again →
//!   make room → exchange → durable → published. `keep` is what becomes of the reply, `tokens` how it becomes a
//!   credential (pure).
//! * `issuer` says which URL may be a server (pure), `metadata` and `discovery` what it says of itself, `http` speaks to it,
//!   `reply` reads what it answers (pure). `own` is the own node, to which nothing goes over a socket.
//! * `device` is the grant with a code, `sign_in` and `sign_out` what people ask for, `revocation` how sessions end at
//!   their server. `source` serves the gateway, `rest` other calls of the account,
//!   `model_calls` those of models with a key that somebody brings, `everyday` which API is spoken, `shown` what people are told.
//!
//! The journey of a renewal: a look finds the token due → one task takes the lock on the file → reads it again: a newer
//! token there is adopted, and nothing exchanged → makes room on the disk → asks the server → writes, syncs, renames, syncs
//! → only then is the new token used.
//!
//! It must never send a credential to a server that did not issue it, delete or change a file that it cannot read, or put a
//! token into a message.

mod clocks;
mod device;
mod discovery;
mod error;
mod everyday;
mod exchange;
mod held;
mod http;
mod issuer;
mod keep;
mod metadata;
mod model_calls;
mod own;
mod refresher;
mod reply;
mod rest;
mod revocation;
mod schedule;
mod session;
mod shown;
mod sign_in;
mod sign_out;
mod source;
mod store;
mod tokens;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{ProxySettings, http::Principal};
use bitrouter_proto::{
    account::{DEFAULT_SERVER, credential::OauthCredential},
    tasks::Tasks,
};
use secrecy::SecretString;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::{
    clocks::{Clocks, SystemClocks},
    discovery::KnownDiscoveries,
    held::Held,
    metadata::KnownServers,
    own::OwnNode,
    refresher::Running,
    store::Store,
};
pub(crate) use self::{
    error::AccountError,
    everyday::Dialect,
    http::{CallError, Http},
    issuer::same_issuer,
    model_calls::Place,
    rest::{RestCall, RestPath, own_node_json},
    session::{OwnKey, Session, SessionState},
    shown::login_command,
    sign_in::{SignIn, SignInEvent, SignedIn},
};
use crate::{
    environment::same,
    health::{Health, events::Events},
    node_host::NodeHost,
};

/// What the keeper of the credential is made of.
pub(crate) struct CredentialPlan {
    /// The data directory.
    pub(crate) dir: PathBuf,
    /// How servers are reached.
    pub(crate) proxies: ProxySettings,
    /// The own node.
    pub(crate) node: NodeHost,
    /// Its settings.
    pub(crate) node_settings: Arc<ArcSwap<bitrouter_node::Settings>>,
    /// Who hears what is wrong.
    pub(crate) health: Health,
    /// Who hears what happens.
    pub(crate) events: Events,
    /// Who owns its tasks.
    pub(crate) tasks: Tasks,
}

/// The account's credential. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    http: Http,
    servers: KnownServers,
    discoveries: KnownDiscoveries,
    own: OwnNode,
    clocks: Arc<dyn Clocks>,
    health: Health,
    events: Events,
    tasks: Tasks,
    /// The server that a sign-in without any other word goes to.
    default_server: ArcSwap<String>,
    /// A key of the environment beats what is stored.
    is_beaten: AtomicBool,
    held: Mutex<Held>,
    session: watch::Sender<Arc<Session>>,
    /// One reads and takes over at a time; whoever writes holds it until what was written survives a power cut.
    looking: tokio::sync::Mutex<()>,
    /// The attempt that everybody shares.
    running: Mutex<Option<Running>>,
    /// How many are replacing what is stored.
    replacing: AtomicUsize,
    /// Tokens that could not be written yet.
    unsaved: Mutex<Option<OauthCredential>>,
    /// A key of the environment that the own node minted: calls of models go by it, and over no socket.
    own_key: Mutex<Option<SecretString>>,
    /// Another process holds the lock, and we wait for it.
    waits_for_lock: AtomicBool,
    /// How many ask a server for tokens now.
    asking: AtomicUsize,
    /// The access token of the last renewal that a 401 asked for, and the time since boot then.
    brought: Mutex<Option<(SecretString, std::time::Duration)>>,
    /// Somebody found that there is something to do.
    wake: Notify,
    ending: CancellationToken,
    on_network: bool,
}

impl Credentials {
    /// Reads what is stored, and keeps it from now on.
    pub(crate) fn start(plan: CredentialPlan) -> Self {
        let watched = plan.dir.join(bitrouter_proto::credential_file::NAME);
        let keeper = Self::new(plan, Arc::new(SystemClocks));
        keeper.0.store.clear_leftovers();
        keeper.0.first_look();
        let (changed, words) = mpsc::channel(1);
        let driver = keeper.0.clone();
        keeper.0.tasks.spawn("credential", async move { driver.drive(watched, changed, words).await });
        keeper
    }

    fn new(plan: CredentialPlan, clocks: Arc<dyn Clocks>) -> Self {
        let store = Store::new(plan.dir);
        Self(Arc::new(Inner {
            on_network: store.is_on_network(),
            store,
            http: Http::new(&plan.proxies),
            servers: KnownServers::default(),
            discoveries: KnownDiscoveries::default(),
            own: OwnNode::new(plan.node, plan.node_settings),
            clocks,
            health: plan.health,
            events: plan.events,
            tasks: plan.tasks,
            default_server: ArcSwap::from_pointee(DEFAULT_SERVER.to_owned()),
            is_beaten: AtomicBool::new(false),
            held: Mutex::default(),
            session: watch::Sender::new(Arc::default()),
            looking: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            replacing: AtomicUsize::new(0),
            unsaved: Mutex::default(),
            own_key: Mutex::default(),
            waits_for_lock: AtomicBool::new(false),
            brought: Mutex::default(),
            asking: AtomicUsize::new(0),
            wake: Notify::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// The credential file.
    pub(crate) fn path(&self) -> &Path {
        self.0.store.path()
    }

    /// What hints depend on: the server that `bitrouter auth login` signs in to without `--oauth-as`, and whether a key of
    /// the environment beats what is stored.
    pub(crate) fn hint_by(&self, default_server: &str, is_beaten: bool) {
        let server = default_server.trim_end_matches('/');
        let differs = **self.0.default_server.load() != *server;
        if differs {
            self.0.default_server.store(Arc::new(server.to_owned()));
        }
        if self.0.is_beaten.swap(is_beaten, Ordering::Relaxed) != is_beaten || differs {
            self.0.publish();
        }
    }

    /// Has calls of models go by `key`, which the environment holds and which beats what is stored, where the own node minted
    /// it: whose it is then.
    pub(crate) async fn go_by(&self, key: Option<&SecretString>) -> Option<OwnKey> {
        let mut own = None;
        // What is known to be the own node's stays so when it is revoked there, or the node goes off: it never goes elsewhere.
        let is_known = key.is_some_and(|key| lock(&self.0.own_key).as_ref().is_some_and(|known| same(known, key)));
        if let Some(key) = key
            && (is_known || self.0.own.minted(key).await)
        {
            let namespace = self.0.own.holder_of(key).await.map(|holder| holder.namespace);
            own = Some(OwnKey { key: key.clone(), namespace });
        }
        *lock(&self.0.own_key) = own.as_ref().map(|own| own.key.clone());
        own
    }

    /// Whom `key` stands for, where the own node minted it.
    pub(crate) async fn holder_of(&self, key: &SecretString) -> Option<Principal> {
        self.0.own.holder_of(key).await
    }

    /// Told when the own node comes on or goes off.
    pub(crate) fn node_changes(&self) -> watch::Receiver<()> {
        self.0.own.changes()
    }

    /// The issuer of the own node.
    pub(crate) fn own_issuer(&self) -> String {
        self.0.own.issuer()
    }

    /// Who is signed in now.
    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.0.session.borrow())
    }

    /// Told of every change of it: another credential, renewed tokens, its end.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Session>> {
        self.0.session.subscribe()
    }

    /// Reads the file again now, where somebody else may have written it.
    pub(crate) async fn look(&self) -> Arc<Session> {
        self.0.look().await;
        self.session()
    }

    /// Stops looking, and lets a running attempt end within a bound: tokens that are on their way are kept.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }
}

#[cfg(test)]
mod tests;

/// A panic while one of these is held leaves nothing half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
