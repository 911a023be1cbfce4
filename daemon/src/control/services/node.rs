//! `NodeService`: acts for the node's owner.

use std::{collections::HashMap, path::PathBuf};

use bitrouter_node::{BackupError, ledger::Stopped as JournalStopped, people::namespaces};
use bitrouter_proto::{
    account::{Namespace, NamespaceId, ledger::NodeUsage},
    codes::Reason,
    wire::{
        self, BackUpRequest, BackUpResponse, GetNodeUsageRequest, GetNodeUsageResponse, RepairJournalRequest,
        RepairJournalResponse, node_service_server::NodeService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::Asking,
    error,
    namespaces::refused,
    node_call::{change, node},
    usage::present,
};
use crate::credentials::{RestCall, RestPath};

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn get_node_usage(
        &self,
        request: Request<GetNodeUsageRequest>,
    ) -> Result<Response<GetNodeUsageResponse>, Status> {
        let GetNodeUsageRequest { all, from, to } = request.into_inner();
        let path = RestPath::new("/v1/node/usage").with("from", present(&from)).with("to", present(&to));
        let json = self.asking.own_node("", &RestCall::get(path)).await?;
        let internal = |error: serde_json::Error| error::status(Reason::Internal, error.to_string(), None);
        let usage: NodeUsage = serde_json::from_str(&json).map_err(internal)?;
        let node = node(&self.asking.host).await?;
        let everybodys = namespaces::list_all(&node).await.map_err(refused)?;
        let known: HashMap<NamespaceId, Namespace> = everybodys.into_iter().map(|row| (row.id, row)).collect();
        if all {
            return Ok(Response::new(response(usage, &known, json)));
        }
        let is_own = |id: &NamespaceId| known.get(id).is_some_and(|row| row.owner_id == Some(node.owner()));
        let data = usage.data.into_iter().filter(|row| is_own(&row.namespace_id)).collect();
        let own = NodeUsage { data, ..usage };
        let json = serde_json::to_string(&own).map_err(internal)?;
        Ok(Response::new(response(own, &known, json)))
    }

    async fn repair_journal(
        &self,
        _request: Request<RepairJournalRequest>,
    ) -> Result<Response<RepairJournalResponse>, Status> {
        let node = node(&self.asking.host).await?;
        let kept = change(&node, |on| async move { on.ledger().repair().await }, unrepaired).await?;
        let copies = kept.into_iter().map(|path| path.display().to_string()).collect();
        Ok(Response::new(RepairJournalResponse { copies }))
    }

    async fn back_up(&self, request: Request<BackUpRequest>) -> Result<Response<BackUpResponse>, Status> {
        let path = PathBuf::from(request.into_inner().path);
        let node = node(&self.asking.host).await?;
        let made = change(&node, |on| async move { on.back_up(&path).await }, no_copy).await?;
        let shown = |path: PathBuf| path.display().to_string();
        Ok(Response::new(BackUpResponse { path: shown(made.path), bytes: made.bytes, node_key: shown(made.key) }))
    }
}

fn no_copy(why: BackupError) -> Status {
    let said = why.to_string();
    let (reason, command) = match why {
        BackupError::Relative(_) | BackupError::Exists(_) | BackupError::Place(_) => (Reason::InvalidArgument, None),
        BackupError::Postgres => (Reason::Conflict, None),
        BackupError::Journal => (Reason::Conflict, Some("bitrouter node journal repair")),
        BackupError::Ledger(why) => return unrepaired(why),
        BackupError::Damaged(_) | BackupError::Store(_) => (Reason::Internal, None),
    };
    error::status(reason, said, command)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn unrepaired(why: JournalStopped) -> Status {
    let reason = match &why {
        JournalStopped::InUse(_) => Reason::Conflict,
        JournalStopped::Store(_) | JournalStopped::Place(_) => Reason::Internal,
    };
    error::status(reason, why.to_string(), None)
}

fn response(usage: NodeUsage, known: &HashMap<NamespaceId, Namespace>, json: String) -> GetNodeUsageResponse {
    let rows = usage.data.into_iter().map(|row| {
        let namespace_name = known.get(&row.namespace_id).map(|known| known.name.clone()).unwrap_or_default();
        wire::NamespaceUsage { namespace_name, ..row.into() }
    });
    GetNodeUsageResponse { from: usage.from, to: usage.to, namespaces: rows.collect(), json }
}
