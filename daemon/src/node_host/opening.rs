//! The task that opens the node: at start, and again where the reason that it is off may pass.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_node::{Node, NodeOptions, OpenError, Settings, clock::SystemClock};
use bitrouter_proto::tasks::Tasks;

use super::{NodeHost, NodeOff, NodeState};
use crate::health::{Code, Health};

/// How long until a node that may open now is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a node is to be opened with.
#[derive(Debug)]
pub(crate) struct NodePlan {
    /// `[node] enabled`.
    pub(crate) enabled: bool,
    /// The data directory.
    pub(crate) dir: PathBuf,
    /// What the owner is called where the node is new.
    pub(crate) owner_name: String,
    /// What can be configured.
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    /// Who hears why it is off.
    pub(crate) health: Health,
}

impl NodeHost {
    /// Opens the node in a task of `tasks`.
    pub(crate) fn open(plan: NodePlan, tasks: &Tasks) -> Self {
        if !plan.enabled {
            let reason = "`[node] enabled = false` switches the node off".to_owned();
            return Self::new(NodeState::Off(NodeOff { disabled: true, reason, ..NodeOff::default() }));
        }
        let host = Self::new(NodeState::Starting);
        let opened = host.clone();
        tasks.spawn("node", async move {
            let ending = opened.ending.clone();
            let _ = ending.run_until_cancelled(opened.keep_trying(plan)).await;
        });
        host
    }

    async fn keep_trying(self, plan: NodePlan) {
        loop {
            let options = NodeOptions {
                dir: plan.dir.clone(),
                owner_name: plan.owner_name.clone(),
                settings: Arc::clone(&plan.settings),
                clock: Arc::new(SystemClock),
                tasks: Tasks::new(),
            };
            match Node::open(options).await {
                Ok(node) => {
                    tracing::info!(?node, "the node is on");
                    self.set(NodeState::On(node));
                    plan.health.clear(Code::NodeOff);
                    return;
                }
                Err(error) => {
                    let off = off(&error);
                    plan.health.raise(
                        Code::NodeOff,
                        format!("the node is off: {}", off.reason),
                        off.command.as_deref(),
                    );
                    self.set(NodeState::Off(off));
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn off(error: &OpenError) -> NodeOff {
    NodeOff { reason: error.to_string(), ..NodeOff::default() }
}
