//! What rules that bind a caller watch of a reply: its texts, and whether another model than the one that was judged has made
//! it.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;

use crate::{
    content_rules::ContentRules,
    error::InferenceError,
    http::policies::denied,
    meter::ModelPrice,
    ports::CallPlan,
    registry::{Model, ProviderId},
    snapshot::Snapshot,
};

/// What is watched.
pub(in crate::http) struct Watch {
    plan: Arc<dyn CallPlan>,
    snapshot: Arc<Snapshot>,
    /// The model that was judged; empty where a stored response is asked for and nobody knows what made it.
    model: String,
}

/// What a reply says that names a model.
pub(super) enum Named {
    /// Nothing that matters.
    Same,
    /// Another one of the provider's made it, which costs that much.
    Another(Option<Arc<ModelPrice>>),
    /// One that may not be called, and costs that much.
    Denied(InferenceError, Option<Arc<ModelPrice>>),
}

impl Watch {
    pub(in crate::http) fn new(plan: Arc<dyn CallPlan>, snapshot: Arc<Snapshot>, model: String) -> Self {
        Self { plan, snapshot, model }
    }

    /// The rules for texts.
    pub(in crate::http) fn content_rules(&self) -> Option<&Arc<ContentRules>> {
        self.plan.content_rules()
    }

    /// True where nothing of a document may go out before all of it was seen.
    pub(in crate::http) fn holds_documents(&self) -> bool {
        self.plan.content_rules().is_some() || self.plan.judges_models().is_some()
    }

    /// What it means that a reply of `provider` names `model`. A name that its manifest does not list as another one is a
    /// spelling of what was asked, and judges nothing.
    pub(super) fn named(&self, provider: &ProviderId, name: &str) -> Named {
        let Some(provider) = self.snapshot.catalog.get(provider) else { return Named::Same };
        let is_asked = |model: &Model| model.id == self.model || model.upstream_id() == self.model;
        let Some(other) = provider.model(name).or_else(|| provider.model_called(name)) else { return Named::Same };
        // One name at the provider may be listed twice.
        if is_asked(other)
            || provider.model(&self.model).is_some_and(|asked| asked.upstream_id() == other.upstream_id())
        {
            return Named::Same;
        }
        let price = provider.price(Some(other)).cloned();
        match denied(&*self.plan, provider, &other.id) {
            Some(policy) => {
                let message =
                    format!("the reply was made by `{}`, which the policy `{policy}` does not let be called", other.id);
                let error = InferenceError::new(InferenceCode::ModelDenied, message);
                Named::Denied(error.with_param("model").with("policy_id", policy.to_string()), price)
            }
            None => Named::Another(price),
        }
    }
}
