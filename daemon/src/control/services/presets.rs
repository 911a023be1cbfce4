//! `PresetService`.

use bitrouter_proto::{
    account::{List, told::ToldPreset},
    wire::{
        Clauses, CreatePresetRequest, CreatePresetResponse, DeletePresetRequest, DeletePresetResponse,
        GetPresetRequest, GetPresetResponse, ListPresetsRequest, ListPresetsResponse, UpdatePresetRequest,
        UpdatePresetResponse, preset_service_server::PresetService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, id_of, once},
    policies::Deleted,
};
use crate::credentials::{RestCall, RestPath};

/// Where the presets of a namespace stand.
pub(super) const PRESETS: &str = "/presets";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

fn path(id: &str) -> Result<RestPath, Status> {
    Ok(RestPath::in_namespace(format!("{PRESETS}/{}", id_of(id, "preset")?)))
}

fn with_clauses(mut body: Body, clauses: Option<Clauses>) -> Result<Body, Status> {
    let Clauses { guardrail_json, budget_json, rate_limit_json } = clauses.unwrap_or_default();
    let clauses = [("guardrail", guardrail_json), ("budget", budget_json), ("rate_limit", rate_limit_json)];
    for (name, json) in clauses {
        if let Some(json) = json {
            body = body.with_document(name, &json)?;
        }
    }
    Ok(body)
}

#[tonic::async_trait]
impl PresetService for Service {
    async fn list_presets(
        &self,
        request: Request<ListPresetsRequest>,
    ) -> Result<Response<ListPresetsResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let call = RestCall::get(RestPath::in_namespace(PRESETS));
        let json = source.told::<List<ToldPreset>>(&call, "list of presets").await?;
        Ok(Response::new(ListPresetsResponse { json }))
    }

    async fn get_preset(&self, request: Request<GetPresetRequest>) -> Result<Response<GetPresetResponse>, Status> {
        let GetPresetRequest { asked, id } = request.into_inner();
        let path = path(&id)?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldPreset>(&RestCall::get(path), "preset").await?;
        Ok(Response::new(GetPresetResponse { json }))
    }

    async fn create_preset(
        &self,
        request: Request<CreatePresetRequest>,
    ) -> Result<Response<CreatePresetResponse>, Status> {
        let CreatePresetRequest { asked, name, clauses, idempotency_key } = request.into_inner();
        let body = with_clauses(Body::default().with("name", name), clauses)?.json();
        let source = self.asking.source(asked).await?;
        let call = RestCall::post(RestPath::in_namespace(PRESETS)).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldPreset>(&call, "preset").await?;
        Ok(Response::new(CreatePresetResponse { json }))
    }

    async fn update_preset(
        &self,
        request: Request<UpdatePresetRequest>,
    ) -> Result<Response<UpdatePresetResponse>, Status> {
        let UpdatePresetRequest { asked, id, name, clauses, clear_guardrail, clear_budget, clear_rate_limit } =
            request.into_inner();
        let path = path(&id)?;
        let body = with_clauses(Body::default().with_any("name", name), clauses)?
            .with_any("clear_guardrail", clear_guardrail.then_some(true))
            .with_any("clear_budget", clear_budget.then_some(true))
            .with_any("clear_rate_limit", clear_rate_limit.then_some(true));
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldPreset>(&RestCall::put(path).with_body(body.json()), "preset").await?;
        Ok(Response::new(UpdatePresetResponse { json }))
    }

    async fn delete_preset(
        &self,
        request: Request<DeletePresetRequest>,
    ) -> Result<Response<DeletePresetResponse>, Status> {
        let DeletePresetRequest { asked, id } = request.into_inner();
        let path = path(&id)?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Deleted>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(DeletePresetResponse { json }))
    }
}
