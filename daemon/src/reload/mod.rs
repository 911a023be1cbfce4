//! One owner of config, registry and keys: everything is read, built and swapped as a whole, or refused as a whole.
//!
//! [`sources`] says where to read, [`loaded`] is what was read (a pure value), [`engine`] is the one thread that owns
//! the layers and swaps, [`outcome`] tells two readings apart, [`observers`] says so to everybody else, [`lost_keys`] remembers the names of pushed keys across a crash.
//! Requests never wait for any of this: they take the snapshot that is in force when they begin.

mod apply;
mod engine;
mod loaded;
mod lost_keys;
mod observers;
mod outcome;
mod sources;
mod warnings;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bitrouter_proto::{
    codes::Reason,
    status::{PushOutcome, ReloadOutcome, Reloads},
};
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use crate::control_peer::ControlPeer;

pub use apply::Targets;
pub use engine::{Engine, spawn};
pub use loaded::{InForce, Loaded};
pub use observers::ReloadObservers;
pub use sources::Sources;

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

    /// A signal or a changed file. What comes of it is in the log and in the status.
    pub async fn trigger(&self, trigger: Trigger) {
        // The engine ends only with the daemon.
        let _ = self.orders.send(Order::Reload { trigger, shell: None, answer: None }).await;
    }

    /// Ends the engine after what it was asked before.
    pub async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
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
