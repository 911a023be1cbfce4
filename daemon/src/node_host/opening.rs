//! The task that opens the node: at start, and again where the reason that it is off may pass.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_node::{
    CreditRule, FilesStamp, Node, NodeOptions, NodeWarning, OpenError, PostgresUrl, Settings, TakeError,
    clock::SystemClock, is_bound, outbound::Outbound,
};
use bitrouter_proto::tasks::Tasks;
use tokio::sync::watch;

use super::{CLOSING, FIRST_CALLS, NodeHost, NodeOff, NodeState};
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
    /// `[node] database_url`; without one the database is a file in the directory.
    pub(crate) database: Option<PostgresUrl>,
    /// What the owner is called where the node is new.
    pub(crate) owner_name: String,
    /// What can be configured.
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    /// The way to other servers.
    pub(crate) outbound: Arc<dyn Outbound>,
    /// Who hears why it is off.
    pub(crate) health: Health,
}

impl NodePlan {
    /// True where calls without a credential are bound to rules that only the node knows: a node that was on left a mark, or
    /// the settings say so.
    fn is_bound(&self) -> bool {
        self.settings.load().credit == CreditRule::Required || is_bound(&self.dir)
    }
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
                database: plan.database.clone(),
                settings: Arc::clone(&plan.settings),
                clock: Arc::new(SystemClock),
                tasks: Tasks::new(),
                outbound: Arc::clone(&plan.outbound),
            };
            let mut opening = Box::pin(Node::open(options));
            let opened = match tokio::time::timeout(FIRST_CALLS, &mut opening).await {
                Ok(opened) => opened,
                Err(_) => {
                    self.is_slow(&plan);
                    opening.await
                }
            };
            match opened {
                Ok(node) => {
                    tracing::info!(node_id = node.id(), "the node is on");
                    let warnings = node.warnings();
                    self.set(NodeState::On(Arc::clone(&node)));
                    plan.health.clear(Code::NodeOff);
                    plan.health.clear(Code::Unmetered);
                    let reason = tokio::select! {
                        reason = node.superseded() => reason,
                        () = follow_warnings(&plan.health, &node, warnings) => return,
                    };
                    plan.health.excuse(Code::NoProviderKey, false);
                    let reason = format!("its database is no longer this daemon's: {reason}");
                    self.is_off(
                        &plan,
                        NodeOff { reason, elsewhere: true, bound: plan.is_bound(), ..NodeOff::default() },
                    );
                    plan.health.clear(Code::DatabaseUnreachable);
                    // What is open writes its end into the journal, which the next one applies.
                    if tokio::time::timeout(CLOSING, node.close()).await.is_err() {
                        tracing::warn!("the node's database was not closed in time");
                    }
                }
                Err(error) => {
                    self.is_off(&plan, off(&error, &plan));
                    let files = FilesStamp::of(&plan.dir);
                    tokio::time::sleep(AGAIN).await;
                    // A server is asked in a moment, whatever was wrong there.
                    let may_pass = error.may_pass() || plan.database.is_some();
                    while !may_pass && FilesStamp::of(&plan.dir) == files {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    fn is_off(&self, plan: &NodePlan, off: NodeOff) {
        plan.health.raise(Code::NodeOff, format!("the node is off: {}", off.reason), off.command.as_deref());
        let unmetered = (!off.bound).then(|| UNMETERED.to_owned());
        plan.health.set(Code::Unmetered, unmetered, None);
        self.set(NodeState::Off(off));
    }

    /// Nobody waits longer for the first try: until it is done, there is no node.
    fn is_slow(&self, plan: &NodePlan) {
        if matches!(**self.state(), NodeState::Starting) {
            let reason = format!("the database in `{}` is still being opened", plan.dir.display());
            self.is_off(plan, NodeOff { reason, opening: true, bound: plan.is_bound(), ..NodeOff::default() });
        }
    }
}

const UNMETERED: &str = "while the node is off, calls without a key are served and nothing counts them";

fn off(error: &OpenError, plan: &NodePlan) -> NodeOff {
    let holder = match error {
        OpenError::Elsewhere { holder, .. } => Some(*holder),
        OpenError::Postgres { source: TakeError::Held(_), .. } => Some(None),
        _ => None,
    };
    NodeOff {
        disabled: false,
        reason: error.to_string(),
        command: error.command(),
        opening: false,
        elsewhere: holder.is_some(),
        holder: holder.flatten(),
        bound: plan.is_bound(),
    }
}

/// Shows what an open node has to say, until it ends.
async fn follow_warnings(health: &Health, node: &Node, mut warnings: watch::Receiver<Vec<NodeWarning>>) {
    loop {
        let (mut moved, mut stepped, mut ended, mut full, mut unreachable) = (None, None, None, None, None);
        let (mut unwritable, mut damaged, mut cure) = (None, None, None);
        let (mut replayed, mut replayed_cure) = (None, None);
        let (mut suspended, mut suspended_cure) = (None, None);
        let (mut changed, mut changed_cure) = (None, None);
        for warning in warnings.borrow_and_update().iter() {
            let said = match warning {
                NodeWarning::DatabaseMoved { .. } => &mut moved,
                NodeWarning::ClockStepped { .. } => &mut stepped,
                NodeWarning::SessionsEnded { .. } => &mut ended,
                NodeWarning::DiskFull { .. } => &mut full,
                NodeWarning::DatabaseUnreachable { .. } => &mut unreachable,
                NodeWarning::JournalUnwritable(_) => &mut unwritable,
                NodeWarning::JournalDamaged(_) => {
                    cure = warning.command();
                    &mut damaged
                }
                NodeWarning::KeysOfReplayed { .. } => {
                    replayed_cure = warning.command();
                    &mut replayed
                }
                NodeWarning::KeysSuspended { .. } => {
                    suspended_cure = warning.command();
                    &mut suspended
                }
                NodeWarning::ByokChanged { .. } => {
                    changed_cure = warning.command();
                    &mut changed
                }
            };
            *said = Some(warning.to_string());
        }
        // Whatever is stored or deleted is a warning too, so that this is looked at then.
        health.excuse(Code::NoProviderKey, node.has_stored_keys());
        health.set(Code::DatabaseMoved, moved, None);
        health.set(Code::ClockStepped, stepped, None);
        health.set(Code::SessionsEnded, ended, None);
        health.set(Code::KeysOfReplayed, replayed, replayed_cure);
        health.set(Code::KeysSuspended, suspended, suspended_cure);
        health.set(Code::ByokChanged, changed, changed_cure);
        health.set(Code::DiskFull, full, None);
        health.set(Code::DatabaseUnreachable, unreachable, None);
        health.set(Code::JournalUnwritable, unwritable, None);
        health.set(Code::JournalDamaged, damaged, cure);
        if warnings.changed().await.is_err() {
            return;
        }
    }
}
