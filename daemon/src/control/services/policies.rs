//! `PolicyService`.

use bitrouter_proto::{
    account::{
        List,
        told::{ToldBinding, ToldBound, ToldEffective, ToldPolicy},
    },
    codes::Reason,
    wire::{
        BindPolicyRequest, BindPolicyResponse, CreatePolicyRequest, CreatePolicyResponse, DeletePolicyRequest,
        DeletePolicyResponse, DisablePolicyRequest, DisablePolicyResponse, EnablePolicyRequest, EnablePolicyResponse,
        GetEffectiveRequest, GetEffectiveResponse, GetPolicyRequest, GetPolicyResponse, ListBindingsRequest,
        ListBindingsResponse, ListForPrincipalRequest, ListForPrincipalResponse, ListPoliciesRequest,
        ListPoliciesResponse, PrincipalRef, UnbindPolicyRequest, UnbindPolicyResponse, UpdatePolicyRequest,
        UpdatePolicyResponse, policy_service_server::PolicyService,
    },
};
use serde::Deserialize;
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, id_of, once},
    error,
    usage::present,
};
use crate::credentials::{RestCall, RestPath};

/// Where the policies of a namespace stand.
pub(super) const POLICIES: &str = "/policies";

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

macro_rules! said {
    ($(#[$meta:meta])* $visible:vis $name:ident { $member:ident }) => {
        $(#[$meta])*
        #[derive(Deserialize)]
        $visible struct $name {
            #[expect(dead_code, reason = "it has to be there, and the document is passed on as it came")]
            $member: bool,
        }
    };
}

said! {
    /// Whether it is gone.
    pub(super) Deleted { deleted }
}
said! {
    /// Whether a policy acts.
    Disabled { disabled }
}
said! {
    /// Whether a binding is gone.
    Unbound { unbound }
}

/// Where a policy stands, and what is `below` it.
pub(super) fn path(id: &str, below: &str) -> Result<RestPath, Status> {
    // What stands at these is no policy.
    if matches!(id, "effective" | "for-principal") {
        return Err(error::status(Reason::NotFound, format!("there is no policy `{id}`"), None));
    }
    Ok(RestPath::in_namespace(format!("{POLICIES}/{}{below}", id_of(id, "policy")?)))
}

fn principal(told: Option<PrincipalRef>) -> Result<PrincipalRef, Status> {
    told.ok_or_else(|| error::status(Reason::InvalidArgument, "which principal is meant is not said", None))
}

#[tonic::async_trait]
impl PolicyService for Service {
    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Result<Response<ListPoliciesResponse>, Status> {
        let ListPoliciesRequest { asked, kind } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let call = RestCall::get(RestPath::in_namespace(POLICIES).with("kind", present(&kind)));
        let json = source.told::<List<ToldPolicy>>(&call, "list of policies").await?;
        Ok(Response::new(ListPoliciesResponse { json }))
    }

    async fn get_policy(&self, request: Request<GetPolicyRequest>) -> Result<Response<GetPolicyResponse>, Status> {
        let GetPolicyRequest { asked, id } = request.into_inner();
        let path = path(&id, "")?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldPolicy>(&RestCall::get(path), "policy").await?;
        Ok(Response::new(GetPolicyResponse { json }))
    }

    async fn create_policy(
        &self,
        request: Request<CreatePolicyRequest>,
    ) -> Result<Response<CreatePolicyResponse>, Status> {
        let CreatePolicyRequest { asked, name, kind, spec_json, idempotency_key } = request.into_inner();
        let body = Body::default().with("name", name).with("kind", kind).with_document("spec", &spec_json)?.json();
        let source = self.asking.source(asked).await?;
        let call = RestCall::post(RestPath::in_namespace(POLICIES)).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldPolicy>(&call, "policy").await?;
        Ok(Response::new(CreatePolicyResponse { json }))
    }

    async fn update_policy(
        &self,
        request: Request<UpdatePolicyRequest>,
    ) -> Result<Response<UpdatePolicyResponse>, Status> {
        let UpdatePolicyRequest { asked, id, name, spec_json } = request.into_inner();
        let path = path(&id, "")?;
        let mut body = Body::default().with_any("name", name);
        if let Some(spec) = spec_json {
            body = body.with_document("spec", &spec)?;
        }
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldPolicy>(&RestCall::put(path).with_body(body.json()), "policy").await?;
        Ok(Response::new(UpdatePolicyResponse { json }))
    }

    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Result<Response<DeletePolicyResponse>, Status> {
        let DeletePolicyRequest { asked, id } = request.into_inner();
        let path = path(&id, "")?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Deleted>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(DeletePolicyResponse { json }))
    }

    async fn enable_policy(
        &self,
        request: Request<EnablePolicyRequest>,
    ) -> Result<Response<EnablePolicyResponse>, Status> {
        let EnablePolicyRequest { asked, id } = request.into_inner();
        let path = path(&id, "/enable")?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Disabled>(&RestCall::post(path), "answer to it").await?;
        Ok(Response::new(EnablePolicyResponse { json }))
    }

    async fn disable_policy(
        &self,
        request: Request<DisablePolicyRequest>,
    ) -> Result<Response<DisablePolicyResponse>, Status> {
        let DisablePolicyRequest { asked, id } = request.into_inner();
        let path = path(&id, "/disable")?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Disabled>(&RestCall::post(path), "answer to it").await?;
        Ok(Response::new(DisablePolicyResponse { json }))
    }

    async fn bind_policy(&self, request: Request<BindPolicyRequest>) -> Result<Response<BindPolicyResponse>, Status> {
        let BindPolicyRequest { asked, id, principal: told, idempotency_key } = request.into_inner();
        let path = path(&id, "/bind")?;
        let PrincipalRef { r#type, id } = principal(told)?;
        let body = Body::default().with("principal_type", r#type).with("principal_id", id).json();
        let source = self.asking.source(asked).await?;
        let call = RestCall::post(path).with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldBound>(&call, "binding").await?;
        Ok(Response::new(BindPolicyResponse { json }))
    }

    async fn unbind_policy(
        &self,
        request: Request<UnbindPolicyRequest>,
    ) -> Result<Response<UnbindPolicyResponse>, Status> {
        let UnbindPolicyRequest { asked, id, binding_id } = request.into_inner();
        let path = path(&id, &format!("/bind/{}", id_of(&binding_id, "binding")?))?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<Unbound>(&RestCall::delete(path), "answer to it").await?;
        Ok(Response::new(UnbindPolicyResponse { json }))
    }

    async fn list_bindings(
        &self,
        request: Request<ListBindingsRequest>,
    ) -> Result<Response<ListBindingsResponse>, Status> {
        let ListBindingsRequest { asked, id } = request.into_inner();
        let path = path(&id, "/bindings")?;
        let source = self.asking.source(asked).await?;
        let json = source.told::<List<ToldBinding>>(&RestCall::get(path), "list of bindings").await?;
        Ok(Response::new(ListBindingsResponse { json }))
    }

    async fn get_effective(
        &self,
        request: Request<GetEffectiveRequest>,
    ) -> Result<Response<GetEffectiveResponse>, Status> {
        let GetEffectiveRequest { asked, principal: told } = request.into_inner();
        let PrincipalRef { r#type, id } = principal(told)?;
        let path = RestPath::in_namespace(format!("{POLICIES}/effective"));
        let path = path.with("principal_type", Some(r#type)).with("principal_id", Some(id));
        let source = self.asking.source(asked).await?;
        let json = source.told::<ToldEffective>(&RestCall::get(path), "effective policy").await?;
        Ok(Response::new(GetEffectiveResponse { json }))
    }

    async fn list_for_principal(
        &self,
        request: Request<ListForPrincipalRequest>,
    ) -> Result<Response<ListForPrincipalResponse>, Status> {
        let ListForPrincipalRequest { asked, principal: told } = request.into_inner();
        let PrincipalRef { r#type, id } = principal(told)?;
        let (kind, id) = (id_of(&r#type, "principal type")?, id_of(&id, "principal")?);
        let path = RestPath::in_namespace(format!("/principals/{kind}/{id}/policies"));
        let source = self.asking.source(asked).await?;
        let json = source.told::<List<ToldPolicy>>(&RestCall::get(path), "list of policies").await?;
        Ok(Response::new(ListForPrincipalResponse { json }))
    }
}
