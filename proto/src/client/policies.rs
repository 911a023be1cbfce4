//! The calls of `PolicyService`.

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{DOCUMENT_LIMIT, origin},
    channel::Channel,
    documents::{self, IdempotencyKey},
};
use crate::{
    account::{
        List,
        policy::{PolicyKind, PrincipalType},
        told::{ToldBinding, ToldBound, ToldEffective, ToldPolicy},
    },
    wire::{self, policy_service_client::PolicyServiceClient},
};

/// What a policy is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalRef {
    /// What kind of principal.
    pub kind: PrincipalType,
    /// Which one.
    pub id: String,
}

/// What is asked for in a new policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicy {
    /// What it is to be called.
    pub name: String,
    /// What it is to be.
    pub kind: PolicyKind,
    /// JSON, as the kind has it; the server judges it.
    pub spec: String,
}

/// What is to become of a policy; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// What it is to be called.
    pub name: Option<String>,
    /// JSON, in the place of all that it said.
    pub spec: Option<String>,
}

impl Client {
    /// The policies of the namespace, or those of one kind.
    pub async fn list_policies(
        &self,
        asked: &Asked,
        kind: Option<PolicyKind>,
    ) -> Result<Told<List<ToldPolicy>>, ClientError> {
        self.same_protocol()?;
        let kind = kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        let request = wire::ListPoliciesRequest { asked: Some(asked.into()), kind };
        documents::read(&self.bounded_by(REMOTE, self.policies().list_policies(request)).await?.json)
    }

    /// One policy.
    pub async fn policy(&self, asked: &Asked, id: &str) -> Result<Told<ToldPolicy>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetPolicyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.policies().get_policy(request)).await?.json)
    }

    /// Makes a policy.
    pub async fn create_policy(
        &self,
        asked: &Asked,
        new: &NewPolicy,
        once: &IdempotencyKey,
    ) -> Result<Told<ToldPolicy>, ClientError> {
        self.same_protocol()?;
        let request = wire::CreatePolicyRequest {
            asked: Some(asked.into()),
            name: new.name.clone(),
            kind: new.kind.as_str().to_owned(),
            spec_json: new.spec.clone(),
            idempotency_key: once.as_str().to_owned(),
        };
        documents::read(&self.bounded_by(REMOTE, self.policies().create_policy(request)).await?.json)
    }

    /// Changes a policy.
    pub async fn update_policy(
        &self,
        asked: &Asked,
        id: &str,
        change: &PolicyChange,
    ) -> Result<Told<ToldPolicy>, ClientError> {
        self.same_protocol()?;
        let PolicyChange { name, spec } = change.clone();
        let request = wire::UpdatePolicyRequest { asked: Some(asked.into()), id: id.to_owned(), name, spec_json: spec };
        documents::read(&self.bounded_by(REMOTE, self.policies().update_policy(request)).await?.json)
    }

    /// Deletes a policy, with its bindings.
    pub async fn delete_policy(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::DeletePolicyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.policies().delete_policy(request)).await?.json, "deleted")
    }

    /// Has a policy act again. Whether it is disabled then.
    pub async fn enable_policy(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::EnablePolicyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.policies().enable_policy(request)).await?.json, "disabled")
    }

    /// Has a policy act no more. Whether it is disabled then.
    pub async fn disable_policy(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::DisablePolicyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.policies().disable_policy(request)).await?.json, "disabled")
    }

    /// Binds a policy to a principal.
    pub async fn bind_policy(
        &self,
        asked: &Asked,
        id: &str,
        principal: &PrincipalRef,
        once: &IdempotencyKey,
    ) -> Result<Told<ToldBound>, ClientError> {
        self.same_protocol()?;
        let request = wire::BindPolicyRequest {
            asked: Some(asked.into()),
            id: id.to_owned(),
            principal: Some(principal.into()),
            idempotency_key: once.as_str().to_owned(),
        };
        documents::read(&self.bounded_by(REMOTE, self.policies().bind_policy(request)).await?.json)
    }

    /// Undoes a binding of a policy.
    pub async fn unbind_policy(&self, asked: &Asked, id: &str, binding: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request =
            wire::UnbindPolicyRequest { asked: Some(asked.into()), id: id.to_owned(), binding_id: binding.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.policies().unbind_policy(request)).await?.json, "unbound")
    }

    /// What a policy is bound to.
    pub async fn list_bindings(&self, asked: &Asked, id: &str) -> Result<Told<List<ToldBinding>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListBindingsRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.policies().list_bindings(request)).await?.json)
    }

    /// All that holds for a principal, together.
    pub async fn effective(&self, asked: &Asked, principal: &PrincipalRef) -> Result<Told<ToldEffective>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetEffectiveRequest { asked: Some(asked.into()), principal: Some(principal.into()) };
        documents::read(&self.bounded_by(REMOTE, self.policies().get_effective(request)).await?.json)
    }

    /// The policies that are bound to a principal itself.
    pub async fn policies_for(
        &self,
        asked: &Asked,
        principal: &PrincipalRef,
    ) -> Result<Told<List<ToldPolicy>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListForPrincipalRequest { asked: Some(asked.into()), principal: Some(principal.into()) };
        documents::read(&self.bounded_by(REMOTE, self.policies().list_for_principal(request)).await?.json)
    }

    fn policies(&self) -> PolicyServiceClient<Channel> {
        PolicyServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}

impl From<&PrincipalRef> for wire::PrincipalRef {
    fn from(principal: &PrincipalRef) -> Self {
        Self { r#type: principal.kind.as_str().to_owned(), id: principal.id.clone() }
    }
}
