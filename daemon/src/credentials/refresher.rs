//! The driver: looks, decides by the schedule, and shares one attempt among all who wait. It decides nothing itself.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bitrouter_proto::account::credential::Credential;
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, Session,
    clocks::chance,
    held::{Next, Seen, same_tokens},
    lock,
    schedule::Moment,
    shown,
    store::{Content, Stamp},
};
use crate::{
    environment::{EnvFileWatch, WatchState},
    health::Code,
};

/// How often is looked where changes are not told.
const POLL: Duration = Duration::from_millis(900);
/// How long a writer may take who does not replace the file but writes into it.
const WRITING: Duration = Duration::from_millis(200);
/// How long a running attempt may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// When to look again while an attempt runs; its end wakes the driver.
const RUNNING: Duration = Duration::from_secs(1);

/// Why a renewal is tried.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// The token's time has come.
    Due,
    /// The server refused this token.
    Rejected(SecretString),
    /// The session had ended, and the clock was set.
    Again,
}

/// How an attempt ended. What is stored and in force stands in what is held.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// There is a token that nobody refused yet, or nobody is signed in: whoever waits looks.
    Settled,
    /// The session has ended.
    Ended,
    /// It may work later.
    Later,
}

/// The attempt that runs.
#[derive(Debug)]
pub(super) struct Running {
    ended: watch::Receiver<Option<Outcome>>,
    abort: CancellationToken,
}

/// No attempt begins while this lives.
pub(super) struct Replacing(Arc<Inner>);

impl Drop for Replacing {
    fn drop(&mut self) {
        self.0.replacing.fetch_sub(1, Ordering::SeqCst);
        self.0.wake.notify_one();
    }
}

impl Running {
    /// False where it ended, or its task panicked.
    fn is_running(&self) -> bool {
        self.ended.borrow().is_none() && self.ended.has_changed().is_ok()
    }
}

impl Inner {
    /// The first look, before anything is served.
    pub(super) fn first_look(&self) {
        let (stamp, content) = self.store.read();
        self.take_over(stamp, content);
    }

    /// Looks and renews until the end.
    pub(super) async fn drive(
        self: Arc<Self>,
        watched: PathBuf,
        changed: mpsc::Sender<()>,
        mut words: mpsc::Receiver<()>,
    ) {
        let following = tokio::task::spawn_blocking(move || {
            let watch = EnvFileWatch::new(changed);
            watch.set(vec![watched]);
            watch
        });
        let Ok(files) = following.await else { return };
        let mut node = self.own.changes();
        let mut last = self.clocks.now();
        loop {
            let wait = self.turn(&mut last).await;
            let is_told = !self.on_network && files.state() == WatchState::Watching;
            let wait = if is_told { wait } else { wait.min(POLL) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = words.recv() => {}
                () = self.wake.notified() => {}
                Ok(()) = node.changed() => self.held().node_changed(),
                () = self.ending.cancelled() => break,
            }
        }
        // Ends a thread of its own; whoever drops it waits for nothing.
        drop(files);
    }

    /// One look, and what follows. How long until the next one.
    async fn turn(self: &Arc<Self>, last: &mut Moment) -> Duration {
        let now = self.clocks.now();
        if now.stepped_since(*last) {
            tracing::info!("the wall clock was set");
            self.held().clock_was_set();
        }
        *last = now;
        self.look().await;
        let next = self.held().next(self.clocks.now());
        match next {
            Next::Wait(wait) => wait,
            Next::Renew => {
                self.attempt(Why::Due);
                RUNNING
            }
            Next::TryAgain => {
                self.attempt(Why::Again);
                RUNNING
            }
        }
    }

    /// Tells that somebody signed in.
    pub(super) fn tell_of_sign_in(&self) {
        let (server, namespace) = {
            let held = self.held();
            let namespace = held.oauth().and_then(|oauth| oauth.namespace_id.clone());
            (held.credential.as_deref().map(|credential| credential.server().to_owned()), namespace)
        };
        let (server, namespace) = (server.unwrap_or_default(), namespace.unwrap_or_default());
        tracing::info!(server, namespace, "signed in to the account");
        let message = format!("signed in to the account at {server}");
        self.events.send("login", &message, &[("issuer", server.as_str()), ("namespace_id", namespace.as_str())]);
    }

    /// Reads the file where it changed, and says who is signed in.
    pub(super) async fn look(&self) {
        let one = self.looking.lock().await;
        self.look_alone().await;
        drop(one);
        self.ask_whose().await;
    }

    async fn look_alone(&self) {
        if self.held().stamp == Some(self.store.stamp()) {
            return;
        }
        let (mut stamp, mut content) = self.read().await;
        let was_good = self.held().credential.is_some();
        if was_good && matches!(content, Content::Bad { is_broken: true, .. } | Content::Absent) {
            // A writer may be in the middle of it.
            tokio::time::sleep(WRITING).await;
            (stamp, content) = self.read().await;
        }
        self.take_over(stamp, content);
    }

    /// Reads the file on a thread that may wait.
    pub(super) async fn read(&self) -> (Stamp, Content) {
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || store.read());
        read.await.unwrap_or((Stamp::Absent, Content::Absent))
    }

    /// Takes over what was read, and tells.
    pub(super) fn take_over(&self, stamp: Stamp, content: Content) -> Seen {
        let now = self.clocks.now();
        let seen = self.held().adopt(stamp, content, now, chance());
        match seen {
            Seen::Same => {}
            Seen::Renewed => tracing::debug!("took over the tokens in the credential file"),
            Seen::Gone => tracing::info!("nobody is signed in any more"),
            Seen::SignedIn => self.tell_of_sign_in(),
        }
        if matches!(seen, Seen::Gone | Seen::SignedIn) {
            // Whether another one can be kept is found out when it is due.
            self.health.clear(Code::CredentialUnwritable);
        }
        self.publish();
        seen
    }

    /// Says whether the own node issued the credential, where that is not known.
    pub(super) async fn ask_whose(&self) {
        let asked = {
            let held = self.held();
            if held.is_own.is_some() { None } else { held.credential.clone() }
        };
        let Some(credential) = asked else { return };
        let is_own = match &*credential {
            Credential::Oauth(oauth) => self.own.issued(oauth).await,
            Credential::ApiKey(key) => self.own.minted(&key.api_key).await,
        };
        {
            let mut held = self.held();
            if !held.credential.as_ref().is_some_and(|now| same_tokens(now, &credential)) {
                return;
            }
            held.is_own = Some(is_own);
        }
        self.publish();
    }

    /// Tells everybody who is signed in, and what is wrong.
    pub(super) fn publish(&self) {
        let is_beaten = self.is_beaten.load(Ordering::Relaxed);
        let (session, warnings) = {
            let held = self.held();
            let own = held.credential.as_deref().filter(|_| held.is_own == Some(true));
            let own_login = own.and_then(|own| self.own.login_flags(own));
            let (now, default_server) = (self.clocks.now(), self.default_server.load());
            let warnings = shown::warnings(&held, own_login.as_deref(), now, &default_server, is_beaten);
            (held.session(own_login), warnings)
        };
        let same = |one: &Session, other: &Session| {
            let same_credential = match (&one.credential, &other.credential) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            };
            same_credential
                && one.state == other.state
                && one.is_own_node == other.is_own_node
                && one.own_login == other.own_login
                && one.problem == other.problem
        };
        self.session.send_if_modified(|now| {
            let differs = !same(now, &session);
            if differs {
                *now = Arc::new(session);
            }
            differs
        });
        for (code, message, command) in warnings {
            self.health.set(code, message, command.as_deref());
        }
    }

    /// True while an attempt runs.
    pub(super) fn is_attempting(&self) -> bool {
        lock(&self.running).as_ref().is_some_and(Running::is_running)
    }

    /// Starts an attempt, or joins the one that runs. Nobody who waits for it can cancel it by going away.
    pub(super) fn attempt(self: &Arc<Self>, why: Why) -> watch::Receiver<Option<Outcome>> {
        let mut running = lock(&self.running);
        if let Some(running) = running.as_ref().filter(|running| running.is_running()) {
            return running.ended.clone();
        }
        let (tell, ended) = watch::channel(None);
        if self.ending.is_cancelled() || self.is_replacing() {
            // Nothing is begun at the end, or for a session that is just being replaced.
            tell.send_replace(Some(Outcome::Later));
            return ended;
        }
        let abort = CancellationToken::new();
        *running = Some(Running { ended: ended.clone(), abort: abort.clone() });
        let keeper = Arc::clone(self);
        self.tasks.spawn("renewal", async move {
            let outcome = keeper.renew(why, &abort).await;
            keeper.held().tries += 1;
            keeper.publish();
            tell.send_replace(Some(outcome));
            keeper.wake.notify_one();
        });
        ended
    }

    /// Waits until an attempt ends, at most until `within` is over. `None` where it was not enough, or the task panicked.
    pub(super) async fn wait_for(mut ended: watch::Receiver<Option<Outcome>>, within: Duration) -> Option<Outcome> {
        let outcome = tokio::time::timeout(within, ended.wait_for(Option::is_some)).await.ok()?.ok()?;
        outcome.clone()
    }

    pub(super) async fn close(&self) {
        self.ending.cancel();
        // Tokens may be on their way.
        self.end_attempt(LAST_WORDS).await;
        if lock(&self.unsaved).is_some() {
            tracing::error!(
                "the newest tokens of the account could not be written; sign in again if the session has ended"
            );
        }
    }

    /// True while what is stored is being replaced.
    pub(super) fn is_replacing(&self) -> bool {
        self.replacing.load(Ordering::SeqCst) > 0
    }

    /// Begins no attempt until the returned value is dropped: what is stored is being replaced.
    pub(super) fn replacing(self: &Arc<Self>) -> Replacing {
        self.replacing.fetch_add(1, Ordering::SeqCst);
        Replacing(Arc::clone(self))
    }

    /// Has a running attempt end now: what it would bring is not wanted any more.
    pub(super) async fn abort_attempt(&self) {
        self.end_attempt(Duration::ZERO).await;
    }

    /// Lets a running attempt end by itself for that long, and then ends it.
    pub(super) async fn end_attempt(&self, by_itself: Duration) {
        let running = {
            let running = lock(&self.running);
            running.as_ref().filter(|running| running.is_running()).map(|r| (r.abort.clone(), r.ended.clone()))
        };
        let Some((abort, ended)) = running else { return };
        if by_itself.is_zero() || Self::wait_for(ended.clone(), by_itself).await.is_none() {
            abort.cancel();
            let _ = Self::wait_for(ended, LAST_WORDS).await;
        }
    }
}
