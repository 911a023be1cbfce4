//! `KeyService`.

use bitrouter_proto::{
    account::{
        List,
        told::{ToldKey, ToldMintedKey},
    },
    wire::{
        ListKeysRequest, ListKeysResponse, MintKeyRequest, MintKeyResponse, RevokeKeyRequest, RevokeKeyResponse,
        key_service_server::KeyService,
    },
};
use serde::Deserialize;
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, id_of, once},
    usage::present,
};
use crate::credentials::{RestCall, RestPath};

/// Where the keys of a namespace stand.
pub(super) const KEYS: &str = "/keys";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

/// What opens nothing any more.
#[derive(Deserialize)]
struct Revoked {
    #[expect(dead_code, reason = "it has to be there, and the document is passed on as it came")]
    revoked: bool,
}

#[tonic::async_trait]
impl KeyService for Service {
    async fn list_keys(&self, request: Request<ListKeysRequest>) -> Result<Response<ListKeysResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::in_namespace(KEYS));
        let json = source.told::<List<ToldKey>>(&call, "list of keys").await?;
        Ok(Response::new(ListKeysResponse { json }))
    }

    async fn mint_key(&self, request: Request<MintKeyRequest>) -> Result<Response<MintKeyResponse>, Status> {
        let MintKeyRequest { asked, name, scopes, expires_at, idempotency_key } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let body = Body::default().with("display_name", name).with("scopes", scopes);
        let body = body.with_any("expires_at", present(&expires_at)).json();
        let call = RestCall::post(RestPath::in_namespace(KEYS)).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldMintedKey>(&call, "key").await?;
        Ok(Response::new(MintKeyResponse { json }))
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Result<Response<RevokeKeyResponse>, Status> {
        let RevokeKeyRequest { asked, id } = request.into_inner();
        let path = RestPath::in_namespace(format!("{KEYS}/{}", id_of(&id, "key")?));
        let source = self.asking.source(asked).await?;
        let json = source.told::<Revoked>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(RevokeKeyResponse { json }))
    }
}
