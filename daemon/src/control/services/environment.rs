//! `EnvironmentService`.

use std::{collections::BTreeSet, sync::Arc};

use bitrouter_gateway::Gateway;
use bitrouter_proto::wire::{
    CompareRequest, CompareResponse, ListNamesRequest, ListNamesResponse, PushRequest, PushResponse, Variable,
    environment_service_server::EnvironmentService,
};
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{error, peer_of};
use crate::{agent::Agent, reload::Reloader};

pub(super) struct Service {
    reloader: Reloader,
    gateway: Arc<Gateway>,
}

impl Service {
    pub(super) fn new(agent: &Agent) -> Self {
        Self { reloader: agent.reloader.clone(), gateway: Arc::clone(&agent.gateway) }
    }
}

/// Makes secrets of the values the moment they are off the wire. Empty means unset.
pub(super) fn variables(sent: Vec<Variable>) -> Vec<(String, Option<SecretString>)> {
    sent.into_iter()
        .map(|variable| (variable.name, variable.value.filter(|value| !value.is_empty()).map(SecretString::from)))
        .collect()
}

#[tonic::async_trait]
impl EnvironmentService for Service {
    async fn list_names(&self, request: Request<ListNamesRequest>) -> Result<Response<ListNamesResponse>, Status> {
        let names = match request.into_inner().provider {
            None => self.reloader.in_force().names.clone(),
            Some(id) => {
                let snapshot = self.gateway.snapshot();
                snapshot.catalog.find(&id).map(|provider| provider.key_variables().to_vec()).unwrap_or_default()
            }
        };
        Ok(Response::new(ListNamesResponse { names }))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let peer = peer_of(&request)?;
        let outcome = self
            .reloader
            .push(peer, variables(request.into_inner().variables))
            .await
            .map_err(|refused| error::status(refused.reason, refused.message, refused.command.as_deref()))?;
        Ok(Response::new(outcome.into()))
    }
    async fn compare(&self, request: Request<CompareRequest>) -> Result<Response<CompareResponse>, Status> {
        let peer = peer_of(&request)?;
        let changed = self
            .reloader
            .compare(peer, variables(request.into_inner().variables))
            .await
            .map_err(|refused| error::status(refused.reason, refused.message, refused.command.as_deref()))?;
        let differing: BTreeSet<String> = changed.into_iter().map(|change| change.name).collect();
        Ok(Response::new(CompareResponse { differing: differing.into_iter().collect() }))
    }
}
