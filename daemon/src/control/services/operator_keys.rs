//! `OperatorKeyService`: acts for the node's owner.

use bitrouter_node::{keys::KeyError, store::StoreError};
use bitrouter_proto::{
    account::{KeyId, List},
    codes::Reason,
    wire::{
        ConfirmKeysRequest, ConfirmKeysResponse, ListOperatorKeysRequest, ListOperatorKeysResponse,
        MintOperatorKeyRequest, MintOperatorKeyResponse, RevokeOperatorKeyRequest, RevokeOperatorKeyResponse,
        operator_key_service_server::OperatorKeyService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::once,
    error,
    node_call::{change, json, node},
};
use crate::node_host::NodeHost;

/// What lists the keys.
const LIST: &str = "bitrouter node keys list";

pub(super) struct Service {
    host: NodeHost,
}

impl Service {
    pub(super) fn new(host: NodeHost) -> Self {
        Self { host }
    }
}

#[tonic::async_trait]
impl OperatorKeyService for Service {
    async fn list_operator_keys(
        &self,
        _request: Request<ListOperatorKeysRequest>,
    ) -> Result<Response<ListOperatorKeysResponse>, Status> {
        let node = node(&self.host).await?;
        let data = node.list_operator_keys().await.map_err(|error| refused(error.into()))?;
        Ok(Response::new(ListOperatorKeysResponse { json: json(&List { data })? }))
    }

    async fn mint_operator_key(
        &self,
        request: Request<MintOperatorKeyRequest>,
    ) -> Result<Response<MintOperatorKeyResponse>, Status> {
        let MintOperatorKeyRequest { name, idempotency_key } = request.into_inner();
        // As `once` has judged it, it is text.
        let once = once(&idempotency_key)?.to_str().unwrap_or_default().to_owned();
        let node = node(&self.host).await?;
        let minted = change(&node, |on| async move { on.mint_operator_key(&name, Some(&once)).await }, refused).await?;
        Ok(Response::new(MintOperatorKeyResponse { json: json(&minted)? }))
    }

    async fn revoke_operator_key(
        &self,
        request: Request<RevokeOperatorKeyRequest>,
    ) -> Result<Response<RevokeOperatorKeyResponse>, Status> {
        let id = request.into_inner().id;
        let id: KeyId = id.parse().map_err(|_| refused(KeyError::Absent))?;
        let node = node(&self.host).await?;
        change(&node, |on| async move { on.revoke_operator_key(id).await }, refused).await?;
        Ok(Response::new(RevokeOperatorKeyResponse { json: json(&serde_json::json!({ "revoked": true }))? }))
    }

    async fn confirm_keys(
        &self,
        request: Request<ConfirmKeysRequest>,
    ) -> Result<Response<ConfirmKeysResponse>, Status> {
        let id = request.into_inner().id;
        let id: Option<KeyId> = match id.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| refused(KeyError::Absent))?),
        };
        let node = node(&self.host).await?;
        let refused = |failure: StoreError| refused(failure.into());
        let count = change(&node, |on| async move { on.confirm_keys(id).await }, refused).await?;
        Ok(Response::new(ConfirmKeysResponse { count }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn refused(why: KeyError) -> Status {
    let (reason, command) = match &why {
        KeyError::Absent => (Reason::NotFound, Some(LIST)),
        KeyError::TooMany => (Reason::LimitReached, Some(LIST)),
        KeyError::Made(_) | KeyError::MadeAndEnded(_) | KeyError::Claimed(_) => (Reason::Conflict, Some(LIST)),
        KeyError::Name(_) => (Reason::InvalidArgument, None),
        KeyError::Store(failure) => {
            tracing::error!(error = %failure, "the node's database failed");
            (Reason::Internal, None)
        }
        // None of the others is about a key of no namespace.
        _ => (Reason::Internal, None),
    };
    error::status(reason, why.to_string(), command)
}
