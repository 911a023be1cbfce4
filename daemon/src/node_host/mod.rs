//! The node as the daemon carries it: opened at start, on or off, and why.
//!
//! [`opening`] is the task that opens it, again and again where the reason may pass; [`settings`] is the node's view of
//! the configuration; [`owner`] is what its owner is called; [`callers`] judges who
//! may call, [`mount`] puts the node behind the listener. Whoever needs the node asks [`NodeHost::state`] each time.

mod admission;
mod callers;
mod mount;
mod opening;
mod outbound;
mod owner;
mod owners_keys;
mod settings;

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use bitrouter_node::Node;
use bitrouter_proto::status::NodeStatus;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    opening::NodePlan,
    outbound::NodeOutbound,
    owner::owner_name,
    settings::{NodeSettings, node_settings},
};

/// How long the first calls wait for a node that is being opened.
const FIRST_CALLS: Duration = Duration::from_secs(2);

/// How long a command waits for it.
const COMMANDS: Duration = Duration::from_secs(10);

/// How long the node may take to end.
const CLOSING: Duration = Duration::from_secs(2);

/// Whether there is a node.
#[derive(Clone, Debug)]
pub enum NodeState {
    /// It is being opened.
    Starting,
    /// It answers.
    On(Arc<Node>),
    /// It does not.
    Off(NodeOff),
}

/// Why there is no node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOff {
    /// True where `[node] enabled = false` says so: nobody expects one.
    pub disabled: bool,
    /// The reason with the file and the cure, as a fragment.
    pub reason: String,
    /// The command that cures it, where there is one.
    pub command: Option<String>,
    /// The process that holds the database, where another daemon does.
    pub holder: Option<u32>,
    /// True while the first try takes longer than calls wait for.
    pub opening: bool,
    /// True where another daemon holds the database.
    pub elsewhere: bool,
    /// True where `node.bound` says that calls without a credential are bound to rules that only the node knows.
    pub bound: bool,
}

/// The node of this daemon. Cloning shares it.
#[derive(Clone, Debug)]
pub struct NodeHost {
    now: Arc<ArcSwap<NodeState>>,
    changed: Arc<watch::Sender<()>>,
    /// Nobody opens a node any more.
    ending: CancellationToken,
}

impl NodeHost {
    /// A host whose node is in `state`.
    pub fn new(state: NodeState) -> Self {
        Self {
            now: Arc::new(ArcSwap::from_pointee(state)),
            changed: Arc::new(watch::Sender::new(())),
            ending: CancellationToken::new(),
        }
    }

    /// Whether there is a node now.
    pub fn state(&self) -> Guard<Arc<NodeState>> {
        self.now.load()
    }

    /// Told when it comes on or goes off.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes it.
    pub(crate) fn set(&self, state: NodeState) {
        self.now.store(Arc::new(state));
        self.changed.send_replace(());
    }

    /// Waits, within the bound of the first calls, while the node is being opened. What is not ready then is treated as off.
    pub async fn settled(&self) {
        self.wait(FIRST_CALLS, |state| matches!(state, NodeState::Starting)).await;
    }

    /// Waits, as long as a command may, while the node is being opened. Whoever asks is told that it still is.
    pub(crate) async fn opened(&self) {
        let is_opening = |state: &NodeState| match state {
            NodeState::Starting => true,
            NodeState::Off(off) => off.opening,
            NodeState::On(_) => false,
        };
        self.wait(COMMANDS, is_opening).await;
    }

    async fn wait(&self, at_most: Duration, is_opening: impl Fn(&NodeState) -> bool) {
        let mut changed = self.changed.subscribe();
        let opened = async { while is_opening(&self.state()) && changed.changed().await.is_ok() {} };
        // That it took too long is seen by its state.
        let _ = tokio::time::timeout(at_most, opened).await;
    }

    /// The node, once there is one: it may never come.
    pub(crate) async fn on(&self) -> Option<Arc<Node>> {
        let mut changed = self.changed.subscribe();
        loop {
            if let NodeState::On(node) = &**self.state() {
                return Some(Arc::clone(node));
            }
            changed.changed().await.ok()?;
        }
    }

    /// What `bitrouter status` says of it.
    pub fn status(&self) -> NodeStatus {
        let (state, database, detail) = match &**self.state() {
            NodeState::On(node) => {
                let database = if node.is_on_postgres() { "postgres" } else { "sqlite" };
                ("on", Some(database.to_owned()), node.console_url())
            }
            NodeState::Off(off) if off.elsewhere => ("elsewhere", None, off.reason.clone()),
            NodeState::Off(off) => ("off", None, off.reason.clone()),
            NodeState::Starting => ("off", None, "it is still being opened".to_owned()),
        };
        NodeStatus { state: state.to_owned(), database, detail }
    }

    /// Ends the node, within a bound: what was begun is finished, and the database is closed. Nobody opens it again.
    pub(crate) async fn close(&self) {
        self.ending.cancel();
        let NodeState::On(node) = NodeState::clone(&self.state()) else { return };
        self.set(NodeState::Off(NodeOff { reason: "the daemon is ending".to_owned(), ..NodeOff::default() }));
        if tokio::time::timeout(CLOSING, node.close()).await.is_err() {
            tracing::warn!("the node's database does not answer; it is whole, and is read again at the next start");
        }
    }
}
