//! `OauthClientService`.

use bitrouter_proto::{
    account::{
        List,
        told::{ToldDeletedClient, ToldOauthClient, ToldRegisteredClient},
    },
    wire::{
        DeleteOauthClientRequest, DeleteOauthClientResponse, ListOauthClientsRequest, ListOauthClientsResponse,
        RegisterOauthClientRequest, RegisterOauthClientResponse, UpdateOauthClientRequest, UpdateOauthClientResponse,
        oauth_client_service_server::OauthClientService,
    },
};
use tonic::{Request, Response, Status};

use super::asking::{Asking, Body, id_of, once};
use crate::credentials::{RestCall, RestPath};

/// Where the OAuth clients of a namespace stand.
pub(super) const OAUTH_CLIENTS: &str = "/oauth/clients";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

fn path(id: &str) -> Result<RestPath, Status> {
    Ok(RestPath::in_namespace(format!("{OAUTH_CLIENTS}/{}", id_of(id, "OAuth client")?)))
}

#[tonic::async_trait]
impl OauthClientService for Service {
    async fn list_oauth_clients(
        &self,
        request: Request<ListOauthClientsRequest>,
    ) -> Result<Response<ListOauthClientsResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::in_namespace(OAUTH_CLIENTS));
        let json = source.told::<List<ToldOauthClient>>(&call, "list of OAuth clients").await?;
        Ok(Response::new(ListOauthClientsResponse { json }))
    }

    async fn register_oauth_client(
        &self,
        request: Request<RegisterOauthClientRequest>,
    ) -> Result<Response<RegisterOauthClientResponse>, Status> {
        let RegisterOauthClientRequest { asked, name, r#type, redirect_uris, scopes, grant_types, idempotency_key } =
            request.into_inner();
        let body = Body::default().with("client_name", name).with("client_type", r#type);
        let redirect_uris = (!redirect_uris.is_empty()).then_some(redirect_uris);
        let body = body.with_any("redirect_uris", redirect_uris);
        let body = body.with_any("allowed_scopes", scopes.map(|scopes| scopes.texts));
        let body = body.with("allowed_grant_types", grant_types).json();
        let source = self.asking.source(asked).await?;
        let call = RestCall::post(RestPath::in_namespace(OAUTH_CLIENTS)).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldRegisteredClient>(&call, "OAuth client").await?;
        Ok(Response::new(RegisterOauthClientResponse { json }))
    }

    async fn update_oauth_client(
        &self,
        request: Request<UpdateOauthClientRequest>,
    ) -> Result<Response<UpdateOauthClientResponse>, Status> {
        let UpdateOauthClientRequest { asked, id, name, redirect_uris, scopes, grant_types } = request.into_inner();
        let path = path(&id)?;
        let body = Body::default().with_any("client_name", name);
        let body = body.with_any("redirect_uris", redirect_uris.map(|uris| uris.texts));
        let body = body.with_any("allowed_scopes", scopes.map(|scopes| scopes.texts));
        let body = body.with_any("allowed_grant_types", grant_types.map(|grants| grants.texts)).json();
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldOauthClient>(&RestCall::put(path).with_body(body), "OAuth client").await?;
        Ok(Response::new(UpdateOauthClientResponse { json }))
    }

    async fn delete_oauth_client(
        &self,
        request: Request<DeleteOauthClientRequest>,
    ) -> Result<Response<DeleteOauthClientResponse>, Status> {
        let DeleteOauthClientRequest { asked, id, keep_keys } = request.into_inner();
        let path = path(&id)?.with("keys", keep_keys.then_some("keep"));
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldDeletedClient>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(DeleteOauthClientResponse { json }))
    }
}
