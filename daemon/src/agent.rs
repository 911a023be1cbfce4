//! The running agent: one handle for each thing that can be asked of it. It holds no logic; services and tasks take the
//! handles they need.

use std::sync::Arc;

use bitrouter_gateway::Gateway;
use tokio::sync::mpsc;

use crate::{
    account_provider::{AccountList, AccountProvider},
    activity::Activity,
    credentials::Credentials,
    health::{Health, events::Events},
    log_control::LogControl,
    node_host::NodeHost,
    phase::{Phase, StopOrder, StopOrders},
    reload::Reloader,
    status::{Identity, StatusReader},
    telemetry::Logging,
};

/// The handles of one running agent. Cloning shares what they lead to.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What runs, what it found, what is wrong.
    pub status: StatusReader,
    /// How far it is on its way.
    pub phase: Phase,
    /// The owner of config and keys.
    pub reloader: Reloader,
    /// The log.
    pub log: LogControl,
    /// What happens.
    pub events: Events,
    /// What is wrong.
    pub health: Health,
    /// The inference path.
    pub gateway: Arc<Gateway>,
    /// People, namespaces and sign-in.
    pub node: NodeHost,
    /// The account's credential.
    pub(crate) credentials: Credentials,
    /// The account's own provider.
    pub(crate) account: AccountProvider,
    /// Who calls what.
    pub activity: Activity,
    /// Orders to end.
    pub stop: StopOrders,
}

/// What an [`Agent`] is made of.
#[derive(Debug)]
pub struct AgentDeps {
    /// What is fixed.
    pub identity: Identity,
    /// The inference path.
    pub gateway: Arc<Gateway>,
    /// The owner of config and keys.
    pub reloader: Reloader,
    /// What is wrong.
    pub health: Health,
    /// What happens.
    pub events: Events,
    /// What is logged.
    pub logging: Arc<Logging>,
    /// People, namespaces and sign-in.
    pub node: NodeHost,
    /// The account's credential.
    pub(crate) credentials: Credentials,
    /// Who calls what.
    pub activity: Activity,
}

impl Agent {
    /// Makes the handles; the state is `starting`. Orders to end arrive at what is answered besides.
    pub fn new(deps: AgentDeps) -> (Self, mpsc::Receiver<StopOrder>) {
        let AgentDeps { identity, gateway, reloader, health, events, logging, node, credentials, activity } = deps;
        let phase = Phase::new(events.clone());
        let log = LogControl::new(logging);
        let (stop, orders) = StopOrders::channel();
        let account = AccountProvider {
            credentials: credentials.clone(),
            reloader: reloader.clone(),
            gateway: Arc::clone(&gateway),
            list: AccountList::default(),
        };
        let status = StatusReader::new(
            identity,
            phase.clone(),
            Arc::clone(&gateway),
            reloader.clone(),
            account.list.clone(),
            health.clone(),
            log.clone(),
            node.clone(),
            credentials.clone(),
        );
        let agent =
            Self { status, phase, reloader, log, events, health, gateway, node, credentials, account, activity, stop };
        (agent, orders)
    }
}
