//! The calls of `BudgetService`.

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
        List, MicroUsd,
        policy::{Funding, Window},
        told::ToldBudget,
    },
    wire::{self, budget_service_client::BudgetServiceClient},
};

/// What is asked for in a new budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBudget {
    /// What it is to be called.
    pub name: String,
    /// Its window.
    pub window: Window,
    /// The most that may be spent in it.
    pub limit: MicroUsd,
    /// What counts against it; `None`: whatever calls cost.
    pub funding: Option<Funding>,
}

/// What is to become of a budget; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetChange {
    /// What it is to be called.
    pub name: Option<String>,
    /// Its window.
    pub window: Option<Window>,
    /// The most that may be spent in it.
    pub limit: Option<MicroUsd>,
    /// What counts against it.
    pub funding: Option<Funding>,
}

impl Client {
    /// The budgets of the namespace.
    pub async fn list_budgets(&self, asked: &Asked) -> Result<Told<List<ToldBudget>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListBudgetsRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.budgets().list_budgets(request)).await?.json)
    }

    /// One budget.
    pub async fn budget(&self, asked: &Asked, id: &str) -> Result<Told<ToldBudget>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetBudgetRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.budgets().get_budget(request)).await?.json)
    }

    /// Makes a budget.
    pub async fn create_budget(
        &self,
        asked: &Asked,
        new: &NewBudget,
        once: &IdempotencyKey,
    ) -> Result<Told<ToldBudget>, ClientError> {
        self.same_protocol()?;
        let request = wire::CreateBudgetRequest {
            asked: Some(asked.into()),
            name: new.name.clone(),
            window: new.window.as_str().to_owned(),
            limit_micro_usd: new.limit.micros(),
            idempotency_key: once.as_str().to_owned(),
            funding: new.funding.map(|funding| funding.as_str().to_owned()),
        };
        documents::read(&self.bounded_by(REMOTE, self.budgets().create_budget(request)).await?.json)
    }

    /// Changes a budget.
    pub async fn update_budget(
        &self,
        asked: &Asked,
        id: &str,
        change: &BudgetChange,
    ) -> Result<Told<ToldBudget>, ClientError> {
        self.same_protocol()?;
        let request = wire::UpdateBudgetRequest {
            asked: Some(asked.into()),
            id: id.to_owned(),
            name: change.name.clone(),
            window: change.window.map(|window| window.as_str().to_owned()),
            limit_micro_usd: change.limit.map(MicroUsd::micros),
            funding: change.funding.map(|funding| funding.as_str().to_owned()),
        };
        documents::read(&self.bounded_by(REMOTE, self.budgets().update_budget(request)).await?.json)
    }

    /// Deletes a budget, with its bindings.
    pub async fn delete_budget(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::DeleteBudgetRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.budgets().delete_budget(request)).await?.json, "deleted")
    }

    fn budgets(&self) -> BudgetServiceClient<Channel> {
        BudgetServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}
