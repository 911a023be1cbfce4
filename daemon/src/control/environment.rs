//! `EnvironmentService`.

use std::sync::Arc;

use bitrouter_proto::wire::{
    ListNamesRequest, ListNamesResponse, PushRequest, PushResponse, Variable,
    environment_service_server::EnvironmentService,
};
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use crate::{
    agent::Agent,
    control::{daemon::peer_of, refuse},
};

pub(super) struct Service {
    agent: Arc<Agent>,
}

impl Service {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
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
    async fn list_names(&self, _: Request<ListNamesRequest>) -> Result<Response<ListNamesResponse>, Status> {
        Ok(Response::new(ListNamesResponse { names: self.agent.variable_names() }))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let peer = peer_of(&request)?;
        let changed = self
            .agent
            .push_from_shell(peer, variables(request.into_inner().variables))
            .await
            .map_err(|refused| refuse::status(refused.reason, refused.message, refused.command.as_deref()))?;
        Ok(Response::new(PushResponse { changed: changed.into_iter().map(Into::into).collect() }))
    }
}
