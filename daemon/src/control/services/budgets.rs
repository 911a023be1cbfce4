//! `BudgetService`.

use bitrouter_proto::{
    account::{List, told::ToldBudget},
    wire::{
        CreateBudgetRequest, CreateBudgetResponse, DeleteBudgetRequest, DeleteBudgetResponse, GetBudgetRequest,
        GetBudgetResponse, ListBudgetsRequest, ListBudgetsResponse, UpdateBudgetRequest, UpdateBudgetResponse,
        budget_service_server::BudgetService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, id_of, once},
    policies::Deleted,
};
use crate::credentials::{RestCall, RestPath};

/// Where the budgets of a namespace stand.
pub(super) const BUDGETS: &str = "/budgets";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

fn path(id: &str) -> Result<RestPath, Status> {
    Ok(RestPath::in_namespace(format!("{BUDGETS}/{}", id_of(id, "budget")?)))
}

#[tonic::async_trait]
impl BudgetService for Service {
    async fn list_budgets(
        &self,
        request: Request<ListBudgetsRequest>,
    ) -> Result<Response<ListBudgetsResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::in_namespace(BUDGETS));
        let json = source.told::<List<ToldBudget>>(&call, "list of budgets").await?;
        Ok(Response::new(ListBudgetsResponse { json }))
    }

    async fn get_budget(&self, request: Request<GetBudgetRequest>) -> Result<Response<GetBudgetResponse>, Status> {
        let GetBudgetRequest { asked, id } = request.into_inner();
        let path = path(&id)?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldBudget>(&RestCall::get(path), "budget").await?;
        Ok(Response::new(GetBudgetResponse { json }))
    }

    async fn create_budget(
        &self,
        request: Request<CreateBudgetRequest>,
    ) -> Result<Response<CreateBudgetResponse>, Status> {
        let CreateBudgetRequest { asked, name, window, limit_micro_usd, idempotency_key, funding } =
            request.into_inner();
        let body = Body::default().with("name", name).with("window", window);
        let body = body.with("limit_micro_usd", limit_micro_usd).with_any("funding", funding).json();
        let source = self.asking.source(asked).await?;
        let call = RestCall::post(RestPath::in_namespace(BUDGETS)).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldBudget>(&call, "budget").await?;
        Ok(Response::new(CreateBudgetResponse { json }))
    }

    async fn update_budget(
        &self,
        request: Request<UpdateBudgetRequest>,
    ) -> Result<Response<UpdateBudgetResponse>, Status> {
        let UpdateBudgetRequest { asked, id, name, window, limit_micro_usd, funding } = request.into_inner();
        let path = path(&id)?;
        let body = Body::default().with_any("name", name).with_any("window", window);
        let body = body.with_any("limit_micro_usd", limit_micro_usd).with_any("funding", funding).json();
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldBudget>(&RestCall::put(path).with_body(body), "budget").await?;
        Ok(Response::new(UpdateBudgetResponse { json }))
    }

    async fn delete_budget(
        &self,
        request: Request<DeleteBudgetRequest>,
    ) -> Result<Response<DeleteBudgetResponse>, Status> {
        let DeleteBudgetRequest { asked, id } = request.into_inner();
        let path = path(&id)?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Deleted>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(DeleteBudgetResponse { json }))
    }
}
