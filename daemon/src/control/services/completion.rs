//! `CompletionService`: for somebody who has pressed a key and waits.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bitrouter_gateway::Gateway;
use bitrouter_node::people::namespaces;
use bitrouter_proto::{
    account::{
        List,
        byok::StoredKey,
        told::{ToldBinding, ToldBudget, ToldKey, ToldOauthClient, ToldPolicy, ToldPreset, ToldSession},
    },
    wire::{
        self, Asked, CompleteRequest, CompleteResponse, Completion, CompletionKind, asked::Whom,
        completion_service_server::CompletionService,
    },
};
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};

use super::{
    asking::Asking, budgets::BUDGETS, byok::STORED_KEYS, keys::KEYS, namespaces as namespace_service, node_call::node,
    oauth_clients::OAUTH_CLIENTS, policies, policies::POLICIES, presets::PRESETS, sessions::SESSIONS,
};
use crate::credentials::{RestCall, RestPath};

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(1);

/// More are of no use to anybody.
const MOST: usize = 1000;

pub(super) struct Service {
    asking: Asking,
    gateway: Arc<Gateway>,
}

impl Service {
    pub(super) fn new(asking: Asking, gateway: Arc<Gateway>) -> Self {
        Self { asking, gateway }
    }

    /// All that may stand there.
    async fn all(&self, asked: Option<Asked>, kind: CompletionKind, within: &str) -> Result<Vec<Completion>, Status> {
        match kind {
            CompletionKind::Unspecified => Ok(Vec::new()),
            CompletionKind::Keys => {
                let is_live = |row: &ToldKey| row.revoked_at.is_none();
                let rows = self.rows::<ToldKey>(asked, RestPath::in_namespace(KEYS)).await?;
                Ok(rows.into_iter().filter(is_live).map(|row| completion(row.id, row.display_name)).collect())
            }
            CompletionKind::Policies => {
                let rows = self.rows::<ToldPolicy>(asked, RestPath::in_namespace(POLICIES)).await?;
                Ok(rows.into_iter().map(|row| completion(row.id, row.name)).collect())
            }
            CompletionKind::Budgets => {
                let rows = self.rows::<ToldBudget>(asked, RestPath::in_namespace(BUDGETS)).await?;
                Ok(rows.into_iter().map(|row| completion(row.id, row.name)).collect())
            }
            CompletionKind::Presets => {
                let rows = self.rows::<ToldPreset>(asked, RestPath::in_namespace(PRESETS)).await?;
                Ok(rows.into_iter().map(|row| completion(row.id, row.name)).collect())
            }
            CompletionKind::Bindings => {
                let rows = self.rows::<ToldBinding>(asked, policies::path(within, "/bindings")?).await?;
                let help = |row: &ToldBinding| format!("{}:{}", row.principal_type, row.principal_id);
                Ok(rows.into_iter().map(|row| completion(row.id.clone(), help(&row))).collect())
            }
            CompletionKind::Sessions => {
                let rows = self.rows::<ToldSession>(asked, RestPath::in_namespace(SESSIONS)).await?;
                Ok(rows.into_iter().map(|row| completion(row.id, row.client_id)).collect())
            }
            CompletionKind::OauthClients => {
                let rows = self.rows::<ToldOauthClient>(asked, RestPath::in_namespace(OAUTH_CLIENTS)).await?;
                Ok(rows.into_iter().map(|row| completion(row.client_id, row.client_name)).collect())
            }
            CompletionKind::Namespaces => self.namespaces(asked).await,
            CompletionKind::Members => {
                let members = node(&self.asking.host).await?.list_members(within).await;
                let rows = members.unwrap_or_default();
                Ok(rows.into_iter().map(|row| completion(row.name, row.role.as_str())).collect())
            }
            CompletionKind::People => {
                let people = node(&self.asking.host).await?.list_users().await.unwrap_or_default();
                Ok(people.into_iter().map(|row| completion(row.name, row.id.to_string())).collect())
            }
            CompletionKind::PersonIds => self.person_ids(asked).await,
            CompletionKind::StoredKeys => {
                let rows = self.rows::<StoredKey>(asked, RestPath::new(STORED_KEYS)).await?;
                Ok(rows.into_iter().map(|row| completion(row.provider_name, row.key_prefix)).collect())
            }
            CompletionKind::ByokProviders => {
                let snapshot = self.gateway.snapshot();
                let takes_keys = snapshot.catalog.providers().filter(|provider| provider.takes_byok());
                Ok(takes_keys.map(|provider| completion(provider.id().as_str(), provider.name())).collect())
            }
            CompletionKind::OperatorKeys => {
                let keys = node(&self.asking.host).await?.list_operator_keys().await.unwrap_or_default();
                let live = keys.into_iter().filter(|row| row.revoked_at.is_none());
                Ok(live.map(|row| completion(row.id.to_string(), row.display_name)).collect())
            }
        }
    }

    /// What people are, with what they are called where that is known.
    async fn person_ids(&self, asked: Option<Asked>) -> Result<Vec<Completion>, Status> {
        if let Some(Asked { whom: Some(Whom::Node(_)) }) = &asked {
            let people = node(&self.asking.host).await?.list_users().await.unwrap_or_default();
            return Ok(people.into_iter().map(|row| completion(row.id.to_string(), row.name)).collect());
        }
        let sessions = self.rows::<ToldSession>(asked.clone(), RestPath::in_namespace(SESSIONS)).await?;
        let keys = self.rows::<ToldKey>(asked, RestPath::in_namespace(KEYS)).await?;
        let seen = sessions.into_iter().map(|row| row.subject).chain(keys.into_iter().filter_map(|row| row.subject));
        Ok(seen.collect::<BTreeSet<_>>().into_iter().map(|id| completion(id, "")).collect())
    }

    async fn rows<T: DeserializeOwned>(&self, asked: Option<Asked>, path: RestPath) -> Result<Vec<T>, Status> {
        let source = self.asking.source(asked).await?;
        let json = source.call(&RestCall::get(path).at_once()).await?;
        serde_json::from_str::<List<T>>(&json).map(|list| list.data).map_err(|_| source.unreadable("list"))
    }

    /// Both what they are called and what they are.
    async fn namespaces(&self, asked: Option<Asked>) -> Result<Vec<Completion>, Status> {
        let rows: Vec<(String, String)> = if let Some(Asked { whom: Some(Whom::Node(_)) }) = &asked {
            let node = node(&self.asking.host).await?;
            let rows = namespaces::list(&node, node.owner()).await.unwrap_or_default();
            rows.into_iter().map(|row| (row.id.to_string(), row.name)).collect()
        } else {
            let source = self.asking.source(asked).await?;
            let call = RestCall::get(RestPath::new(namespace_service::PATH)).at_once();
            let rows = namespace_service::rows(&source.call(&call).await?);
            let rows = rows.map_err(|_| source.unreadable("list of namespaces"))?;
            rows.into_iter().map(|row: wire::Namespace| (row.id, row.name)).collect()
        };
        let both = |(id, name): (String, String)| [completion(name.clone(), id.clone()), completion(id, name)];
        Ok(rows.into_iter().flat_map(both).collect())
    }
}

fn completion(text: impl Into<String>, help: impl Into<String>) -> Completion {
    Completion { text: text.into(), help: help.into() }
}

#[tonic::async_trait]
impl CompletionService for Service {
    async fn complete(&self, request: Request<CompleteRequest>) -> Result<Response<CompleteResponse>, Status> {
        let request = request.into_inner();
        let kind = request.kind();
        let CompleteRequest { asked, prefix, within, .. } = request;
        // Whoever completes has no use for a refusal.
        let all = tokio::time::timeout(WITHIN, self.all(asked, kind, &within)).await;
        let mut completions = all.ok().and_then(Result::ok).unwrap_or_default();
        completions.retain(|one| one.text.starts_with(&prefix));
        completions.truncate(MOST);
        Ok(Response::new(CompleteResponse { completions }))
    }
}
