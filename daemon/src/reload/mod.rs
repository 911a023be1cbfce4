//! One owner of config, registry and keys: everything is read, built and swapped as a whole, or refused as a whole.
//!
//! [`account`] is the account as snapshots show it, which changes without a reload;
//! [`sources`] says where to read, [`loaded`] is what was read (a pure value), [`engine`] holds it with the layers of
//! keys, [`thread`] is the one that owns the engine and swaps, [`outcome`] tells two readings apart, [`observers`] says so
//! to everybody else, [`lost_keys`] remembers the names of pushed keys across a crash.
//! Requests never wait for any of this: they take the snapshot that is in force when they begin.

mod account;
mod apply;
mod engine;
mod loaded;
mod lost_keys;
mod observers;
mod outcome;
mod sources;
mod thread;
mod warnings;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bitrouter_proto::{
    codes::Reason,
    status::{KeyChange, PushOutcome, ReloadOutcome, Reloads},
};
use secrecy::SecretString;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};

use crate::control_peer::ControlPeer;

pub(crate) use account::AccountNow;
pub use apply::Targets;
pub use engine::Engine;
pub use loaded::{InForce, Loaded};
pub use observers::ReloadObservers;
pub use sources::Sources;
pub use thread::spawn;

/// Why a reload or a push was refused; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The stable reason.
    pub reason: Reason,
    /// What is wrong, with file and line where there is one.
    pub message: String,
    /// The command that helps.
    pub command: Option<String>,
}

impl Refused {
    /// Something that was read is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { reason: Reason::ConfigInvalid, message: message.into(), command: None }
    }
}

/// Who asked for a reload, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `bitrouter reload`.
    Command(ControlPeer),
    /// SIGHUP.
    Signal {
        /// The sending process, where the kernel says.
        pid: Option<i32>,
        /// Its user.
        uid: Option<u32>,
    },
    /// An env file changed.
    EnvFile,
}

type Answer<T> = oneshot::Sender<Result<T, Refused>>;

/// What the engine is asked.
#[derive(Debug)]
pub(crate) enum Order {
    /// Read everything again; first take what a shell sent.
    Reload { trigger: Trigger, shell: Option<Shell>, answer: Option<Answer<ReloadOutcome>> },
    /// Take a delta by name.
    Push { peer: ControlPeer, variables: Vec<(String, Option<SecretString>)>, answer: Answer<PushOutcome> },
    /// Say what such a push would change, and change nothing.
    Compare { peer: ControlPeer, variables: Vec<(String, Option<SecretString>)>, answer: Answer<Vec<KeyChange>> },
    /// Show the account as it is now; nothing is read again.
    Account { now: AccountNow, answer: oneshot::Sender<()> },
    /// End the thread.
    End,
}

/// What `bitrouter reload` sends along.
#[derive(Debug)]
pub(crate) struct Shell {
    variables: Vec<(String, Option<SecretString>)>,
    forget: Vec<String>,
}

/// The line to the engine, and what it published last. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Reloader {
    orders: mpsc::Sender<Order>,
    published: Arc<Published>,
}

#[derive(Debug)]
pub(crate) struct Published {
    in_force: ArcSwap<InForce>,
    reloads: Mutex<Reloads>,
    /// Told of each snapshot that is swapped in.
    swaps: watch::Sender<()>,
    /// What found no room in the queue.
    held_back: Mutex<Option<Trigger>>,
}

impl Published {
    /// Keeps `trigger` for later. A signal reads more than a changed file does.
    fn hold_back(&self, trigger: Trigger) {
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        if held_back.is_none() || trigger != Trigger::EnvFile {
            *held_back = Some(trigger);
        }
    }

    /// What was kept, once.
    fn take_held_back(&self) -> Option<Trigger> {
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Reloader {
    /// What is in force now.
    pub fn in_force(&self) -> Arc<InForce> {
        self.published.in_force.load_full()
    }

    /// The reloads since start.
    pub fn reloads(&self) -> Reloads {
        self.published.reloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `bitrouter reload`.
    pub async fn reload(
        &self,
        peer: ControlPeer,
        variables: Vec<(String, Option<SecretString>)>,
        forget: Vec<String>,
    ) -> Result<ReloadOutcome, Refused> {
        let shell = Some(Shell { variables, forget });
        self.ask(|answer| Order::Reload { trigger: Trigger::Command(peer), shell, answer: Some(answer) }).await
    }

    /// The shell hook.
    pub async fn push(
        &self,
        peer: ControlPeer,
        variables: Vec<(String, Option<SecretString>)>,
    ) -> Result<PushOutcome, Refused> {
        self.ask(|answer| Order::Push { peer, variables, answer }).await
    }

    /// What [`Reloader::push`] would change.
    pub async fn compare(
        &self,
        peer: ControlPeer,
        variables: Vec<(String, Option<SecretString>)>,
    ) -> Result<Vec<KeyChange>, Refused> {
        self.ask(|answer| Order::Compare { peer, variables, answer }).await
    }

    /// Told of each snapshot that is swapped in.
    pub(crate) fn swaps(&self) -> watch::Receiver<()> {
        self.published.swaps.subscribe()
    }

    /// Has the account be shown as it is `now`, without a reload. Returns when later requests see it.
    pub(crate) async fn account(&self, now: AccountNow) {
        let (answer, answered) = oneshot::channel();
        // Where the daemon is ending, nobody looks any more.
        if self.orders.send(Order::Account { now, answer }).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// A signal or a changed file. What comes of it is in the log and in the status. Never waits: where a file hangs and the
    /// queue is full, the strongest of those that find no room is obeyed once there is.
    pub fn trigger(&self, trigger: Trigger) {
        let order = |trigger| Order::Reload { trigger, shell: None, answer: None };
        // A closed queue: the engine ends only with the daemon.
        if let Err(TrySendError::Full(_)) = self.orders.try_send(order(trigger)) {
            self.published.hold_back(trigger);
            if let Ok(room) = self.orders.try_reserve()
                && let Some(trigger) = self.published.take_held_back()
            {
                room.send(order(trigger));
            }
        }
    }

    /// Ends the engine after what it was asked before. Never waits: one that hangs on a file ends with the process.
    pub fn end(&self) {
        let _ = self.orders.try_send(Order::End);
    }

    async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, Refused> {
        let ended = || Refused { reason: Reason::Draining, message: "the daemon is ending".to_owned(), command: None };
        let failed = || Refused {
            reason: Reason::Internal,
            message: "the reload failed in an unforeseen way".to_owned(),
            command: Some("bitrouter logs".to_owned()),
        };
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(if self.orders.is_closed() { ended() } else { failed() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_13_a_full_queue_holds_nobody_up_and_loses_no_signal() {
        let (orders, mut inbox) = mpsc::channel(1);
        let published = Arc::new(Published {
            in_force: ArcSwap::from_pointee(InForce::default()),
            reloads: Mutex::default(),
            swaps: watch::Sender::new(()),
            held_back: Mutex::default(),
        });
        let reloader = Reloader { orders, published };
        let signal = Trigger::Signal { pid: Some(7), uid: None };
        for trigger in [Trigger::EnvFile, signal, Trigger::EnvFile] {
            reloader.trigger(trigger);
        }
        reloader.end();
        assert_eq!(reloader.published.take_held_back(), Some(signal));
        assert!(matches!(inbox.try_recv(), Ok(Order::Reload { trigger: Trigger::EnvFile, .. })));
        assert!(inbox.try_recv().is_err(), "the queue had room for one");
        reloader.trigger(signal);
        assert_eq!(reloader.published.take_held_back(), None);
        assert!(matches!(inbox.try_recv(), Ok(Order::Reload { trigger, .. }) if trigger == signal));
    }
}
