//! `ByokService`: keys come here sealed. What rotates and what lists changes acts for the node's owner.

use bitrouter_node::store::StoreError;
use bitrouter_proto::{
    account::{
        List,
        byok::{EncryptionKey, StoredKey, SubmittedKey},
    },
    codes::Reason,
    wire::{
        DeleteStoredKeyRequest, DeleteStoredKeyResponse, GetSealingKeyRequest, GetSealingKeyResponse,
        ListStoredKeyChangesRequest, ListStoredKeyChangesResponse, ListStoredKeysRequest, ListStoredKeysResponse,
        RotateSealingKeyRequest, RotateSealingKeyResponse, SubmitStoredKeyRequest, SubmitStoredKeyResponse,
        byok_service_server::ByokService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, id_of, once},
    error,
    node_call::{change, json, node},
    policies::Deleted,
};
use crate::credentials::{RestCall, RestPath};

/// Where the keys of a person stand.
pub(super) const STORED_KEYS: &str = "/v1/byok/keys";
/// Where it stands what they are sealed against.
const SEALING_KEY: &str = "/v1/byok/encryption-pubkey";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

#[tonic::async_trait]
impl ByokService for Service {
    async fn get_sealing_key(
        &self,
        request: Request<GetSealingKeyRequest>,
    ) -> Result<Response<GetSealingKeyResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::new(SEALING_KEY));
        let json = source.told::<EncryptionKey>(&call, "public key").await?;
        Ok(Response::new(GetSealingKeyResponse { json }))
    }

    async fn list_stored_keys(
        &self,
        request: Request<ListStoredKeysRequest>,
    ) -> Result<Response<ListStoredKeysResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::new(STORED_KEYS));
        let json = source.told::<List<StoredKey>>(&call, "list of stored keys").await?;
        Ok(Response::new(ListStoredKeysResponse { json }))
    }

    async fn submit_stored_key(
        &self,
        request: Request<SubmitStoredKeyRequest>,
    ) -> Result<Response<SubmitStoredKeyResponse>, Status> {
        let SubmitStoredKeyRequest { asked, provider, ciphertext_b64, kek_id, key_prefix, api_base, idempotency_key } =
            request.into_inner();
        let source = self.asking.source(asked).await?;
        let body = Body::default()
            .with("provider_name", provider)
            .with("ciphertext_b64", ciphertext_b64)
            .with("kek_id", kek_id)
            .with("key_prefix", key_prefix)
            .with_any("api_base", api_base);
        let call = RestCall::post(RestPath::new(STORED_KEYS)).with_body(body.json()).once(once(&idempotency_key)?);
        let json = source.told::<SubmittedKey>(&call, "answer to it").await?;
        Ok(Response::new(SubmitStoredKeyResponse { json }))
    }

    async fn delete_stored_key(
        &self,
        request: Request<DeleteStoredKeyRequest>,
    ) -> Result<Response<DeleteStoredKeyResponse>, Status> {
        let DeleteStoredKeyRequest { asked, provider } = request.into_inner();
        let path = RestPath::new(format!("{STORED_KEYS}/{}", id_of(&provider, "stored key for")?));
        let source = self.asking.source(asked).await?;
        let json = source.told::<Deleted>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(DeleteStoredKeyResponse { json }))
    }

    async fn rotate_sealing_key(
        &self,
        _request: Request<RotateSealingKeyRequest>,
    ) -> Result<Response<RotateSealingKeyResponse>, Status> {
        let node = node(&self.asking.host).await?;
        let rotated = change(&node, |on| async move { on.rotate_kek().await }, failed).await?;
        Ok(Response::new(RotateSealingKeyResponse { json: json(&rotated)? }))
    }

    async fn list_stored_key_changes(
        &self,
        _request: Request<ListStoredKeyChangesRequest>,
    ) -> Result<Response<ListStoredKeyChangesResponse>, Status> {
        let node = node(&self.asking.host).await?;
        let data = node.stored_key_changes().await.map_err(failed)?;
        Ok(Response::new(ListStoredKeyChangesResponse { json: json(&List { data })? }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn failed(failure: StoreError) -> Status {
    tracing::error!(error = %failure, "the node's database failed");
    error::status(Reason::Internal, failure.to_string(), None)
}
