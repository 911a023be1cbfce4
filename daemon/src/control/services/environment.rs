//! `EnvironmentService`.

use std::collections::BTreeSet;

use bitrouter_proto::wire::{
    CompareRequest, CompareResponse, ListNamesRequest, ListNamesResponse, PushRequest, PushResponse, Variable,
    environment_service_server::EnvironmentService,
};
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{error, peer_of};
use crate::reload::Reloader;

pub(super) struct Service {
    reloader: Reloader,
}

impl Service {
    pub(super) fn new(reloader: Reloader) -> Self {
        Self { reloader }
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
        Ok(Response::new(ListNamesResponse { names: self.reloader.in_force().names.clone() }))
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
