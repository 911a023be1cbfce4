//! `SessionService`.

use bitrouter_proto::{
    account::{
        List,
        told::{ToldEnd, ToldSession},
    },
    wire::{
        ListSessionsRequest, ListSessionsResponse, RevokeSessionRequest, RevokeSessionResponse,
        session_service_server::SessionService,
    },
};
use tonic::{Request, Response, Status};

use super::asking::{Asking, id_of};
use crate::credentials::{RestCall, RestPath};

/// Where the sessions of a namespace stand.
pub(super) const SESSIONS: &str = "/sessions";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

#[tonic::async_trait]
impl SessionService for Service {
    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::in_namespace(SESSIONS));
        let json = source.told::<List<ToldSession>>(&call, "list of sessions").await?;
        Ok(Response::new(ListSessionsResponse { json }))
    }

    async fn revoke_session(
        &self,
        request: Request<RevokeSessionRequest>,
    ) -> Result<Response<RevokeSessionResponse>, Status> {
        let RevokeSessionRequest { asked, id, keep_keys } = request.into_inner();
        let path = RestPath::in_namespace(format!("{SESSIONS}/{}", id_of(&id, "session")?));
        let path = path.with("keys", keep_keys.then_some("keep"));
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldEnd>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(RevokeSessionResponse { json }))
    }
}
