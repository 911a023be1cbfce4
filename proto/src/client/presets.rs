//! The calls of `PresetService`.

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{DOCUMENT_LIMIT, origin},
    channel::Channel,
    documents::{self, IdempotencyKey},
};
use crate::{
    account::{List, told::ToldPreset},
    wire::{self, preset_service_client::PresetServiceClient},
};

/// What a preset is to say: JSON of each clause, which the server judges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clauses {
    /// What may be called.
    pub guardrail: Option<String>,
    /// How much may be spent.
    pub budget: Option<String>,
    /// How often.
    pub rate_limit: Option<String>,
}

/// What is to become of a preset; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresetChange {
    /// What it is to be called.
    pub name: Option<String>,
    /// The clauses that it is to have in the place of its own.
    pub clauses: Clauses,
    /// It is to have no guardrail.
    pub clear_guardrail: bool,
    /// It is to have no budget.
    pub clear_budget: bool,
    /// It is to have no rate limit.
    pub clear_rate_limit: bool,
}

impl Client {
    /// The presets of the namespace.
    pub async fn list_presets(&self, asked: &Asked) -> Result<Told<List<ToldPreset>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListPresetsRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.presets().list_presets(request)).await?.json)
    }

    /// One preset.
    pub async fn preset(&self, asked: &Asked, id: &str) -> Result<Told<ToldPreset>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetPresetRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.presets().get_preset(request)).await?.json)
    }

    /// Makes a preset.
    pub async fn create_preset(
        &self,
        asked: &Asked,
        name: &str,
        clauses: &Clauses,
        once: &IdempotencyKey,
    ) -> Result<Told<ToldPreset>, ClientError> {
        self.same_protocol()?;
        let request = wire::CreatePresetRequest {
            asked: Some(asked.into()),
            name: name.to_owned(),
            clauses: Some(clauses.clone().into()),
            idempotency_key: once.as_str().to_owned(),
        };
        documents::read(&self.bounded_by(REMOTE, self.presets().create_preset(request)).await?.json)
    }

    /// Changes a preset.
    pub async fn update_preset(
        &self,
        asked: &Asked,
        id: &str,
        change: &PresetChange,
    ) -> Result<Told<ToldPreset>, ClientError> {
        self.same_protocol()?;
        let PresetChange { name, clauses, clear_guardrail, clear_budget, clear_rate_limit } = change.clone();
        let request = wire::UpdatePresetRequest {
            asked: Some(asked.into()),
            id: id.to_owned(),
            name,
            clauses: Some(clauses.into()),
            clear_guardrail,
            clear_budget,
            clear_rate_limit,
        };
        documents::read(&self.bounded_by(REMOTE, self.presets().update_preset(request)).await?.json)
    }

    /// Deletes a preset, with its bindings.
    pub async fn delete_preset(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::DeletePresetRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.presets().delete_preset(request)).await?.json, "deleted")
    }

    fn presets(&self) -> PresetServiceClient<Channel> {
        PresetServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}

impl From<Clauses> for wire::Clauses {
    fn from(clauses: Clauses) -> Self {
        let Clauses { guardrail, budget, rate_limit } = clauses;
        Self { guardrail_json: guardrail, budget_json: budget, rate_limit_json: rate_limit }
    }
}
