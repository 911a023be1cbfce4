//! `UsageService`.

use std::pin::Pin;

use bitrouter_proto::{
    account::ledger::{Page, ToldRequestRow, Usage},
    wire::{
        FollowCallsRequest, FollowCallsResponse, GetCallRequest, GetCallResponse, GetUsageRequest, GetUsageResponse,
        ListCallsRequest, ListCallsResponse, usage_service_server::UsageService,
    },
};
use futures_util::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, id_of},
    following::{self, Following},
};
use crate::credentials::RestPath;

pub(super) struct Service {
    asking: Asking,
    /// Cancelled where the daemon closes.
    closing: CancellationToken,
}

impl Service {
    pub(super) fn new(asking: Asking, closing: CancellationToken) -> Self {
        Self { asking, closing }
    }
}

/// An empty text on the wire says nothing.
pub(super) fn present(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[tonic::async_trait]
impl UsageService for Service {
    async fn get_usage(&self, request: Request<GetUsageRequest>) -> Result<Response<GetUsageResponse>, Status> {
        let GetUsageRequest { asked, from, to } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let path = RestPath::in_namespace("/usage").with("from", present(&from)).with("to", present(&to));
        let (usage, json) = source.read::<Usage>(&path, "sum of usage").await?;
        Ok(Response::new(GetUsageResponse { usage: Some(usage.into()), json }))
    }

    async fn list_calls(&self, request: Request<ListCallsRequest>) -> Result<Response<ListCallsResponse>, Status> {
        let ListCallsRequest { asked, limit, offset } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let path = RestPath::in_namespace("/requests").with("limit", limit).with("offset", offset);
        let (page, json) = source.read::<Page<ToldRequestRow>>(&path, "list of calls").await?;
        Ok(Response::new(ListCallsResponse {
            calls: page.data.into_iter().map(Into::into).collect(),
            limit: page.limit,
            offset: page.offset,
            next_cursor: page.next_cursor.unwrap_or_default(),
            json,
        }))
    }

    async fn get_call(&self, request: Request<GetCallRequest>) -> Result<Response<GetCallResponse>, Status> {
        let GetCallRequest { asked, id } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let path = RestPath::in_namespace(format!("/requests/{}", id_of(&id, "call")?));
        let (call, json) = source.read::<ToldRequestRow>(&path, "call").await?;
        Ok(Response::new(GetCallResponse { call: Some(call.into()), json }))
    }

    type FollowCallsStream = Pin<Box<dyn Stream<Item = Result<FollowCallsResponse, Status>> + Send>>;

    async fn follow_calls(
        &self,
        request: Request<FollowCallsRequest>,
    ) -> Result<Response<Self::FollowCallsStream>, Status> {
        let FollowCallsRequest { asked, newest, after } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let following = Following::begin(source, newest, after).await?;
        Ok(Response::new(Box::pin(following::events(following, self.closing.clone()))))
    }
}
