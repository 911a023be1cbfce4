//! The node as the daemon carries it: opened at start, on or off, and why.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use bitrouter_node::Node;
use tokio::sync::watch;

/// How long the first calls wait for a node that is being opened.
const FIRST_CALLS: Duration = Duration::from_secs(2);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOff {
    /// True where `[node] enabled = false` says so: nobody expects one.
    pub disabled: bool,
    /// The reason with the file and the cure, as a fragment.
    pub reason: String,
    /// The process that holds the database, where another daemon does.
    pub holder: Option<u32>,
    /// True where `node.bound` says that calls without a credential are bound to rules that only the node knows.
    pub bound: bool,
}

/// The node of this daemon. Cloning shares it.
#[derive(Clone, Debug)]
pub struct NodeHost {
    now: Arc<ArcSwap<NodeState>>,
    changed: Arc<watch::Sender<()>>,
}

impl NodeHost {
    /// A host whose node is in `state`.
    pub fn new(state: NodeState) -> Self {
        Self { now: Arc::new(ArcSwap::from_pointee(state)), changed: Arc::new(watch::Sender::new(())) }
    }

    /// Whether there is a node now.
    pub fn state(&self) -> Guard<Arc<NodeState>> {
        self.now.load()
    }

    /// Changes it.
    pub(crate) fn set(&self, state: NodeState) {
        self.now.store(Arc::new(state));
        self.changed.send_replace(());
    }

    /// Waits, within the bound of the first calls, while the node is being opened.
    pub async fn settled(&self) {
        let mut changed = self.changed.subscribe();
        let settled =
            async { while matches!(**self.state(), NodeState::Starting) && changed.changed().await.is_ok() {} };
        // What is not ready within the bound is treated as off.
        let _ = tokio::time::timeout(FIRST_CALLS, settled).await;
    }
}
