//! `BillingService`.

use bitrouter_node::people::CreditError;
use bitrouter_proto::{
    account::{
        MicroUsd,
        ledger::{Balance, Page, ToldTransaction},
        told::ToldCheckout,
    },
    codes::Reason,
    wire::{
        self, CreateCheckoutRequest, CreateCheckoutResponse, GetBalanceRequest, GetBalanceResponse, GrantCreditRequest,
        GrantCreditResponse, ListTransactionsRequest, ListTransactionsResponse, billing_service_server::BillingService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    asking::{Asking, Body, once},
    error,
    node_call::{change, node},
    people,
};
use crate::credentials::{RestCall, RestPath};

pub(super) struct Service {
    asking: Asking,
}

impl Service {
    pub(super) fn new(asking: Asking) -> Self {
        Self { asking }
    }
}

#[tonic::async_trait]
impl BillingService for Service {
    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<GetBalanceResponse>, Status> {
        let source = self.asking.source(request.into_inner().asked).await?;
        let (balance, json) = source.read::<Balance>(&RestPath::new("/v1/billing/balance"), "balance").await?;
        Ok(Response::new(GetBalanceResponse { balance: Some(balance.into()), json }))
    }

    async fn list_transactions(
        &self,
        request: Request<ListTransactionsRequest>,
    ) -> Result<Response<ListTransactionsResponse>, Status> {
        let ListTransactionsRequest { asked, limit, offset } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let path = RestPath::new("/v1/billing/transactions").with("limit", limit).with("offset", offset);
        let (page, json) = source.read::<Page<ToldTransaction>>(&path, "list of transactions").await?;
        Ok(Response::new(ListTransactionsResponse {
            transactions: page.data.into_iter().map(Into::into).collect(),
            limit: page.limit,
            offset: page.offset,
            next_cursor: page.next_cursor.unwrap_or_default(),
            json,
        }))
    }

    async fn create_checkout(
        &self,
        request: Request<CreateCheckoutRequest>,
    ) -> Result<Response<CreateCheckoutResponse>, Status> {
        let CreateCheckoutRequest { asked, amount_cents, idempotency_key } = request.into_inner();
        let source = self.asking.source(asked).await?;
        let body = Body::default().with("amount_cents", amount_cents).json();
        let call = RestCall::post(RestPath::new("/v1/billing/checkout/sessions"));
        let call = call.with_body(body).once(once(&idempotency_key)?);
        let json = source.told::<ToldCheckout>(&call, "payment").await?;
        Ok(Response::new(CreateCheckoutResponse { json }))
    }

    async fn grant_credit(
        &self,
        request: Request<GrantCreditRequest>,
    ) -> Result<Response<GrantCreditResponse>, Status> {
        let GrantCreditRequest { who, amount_micro_usd } = request.into_inner();
        let node = node(&self.asking.host).await?;
        let amount = MicroUsd::new(amount_micro_usd);
        let granted = change(&node, |on| async move { on.grant_credit(&who, amount).await }, refused).await?;
        let row = granted.transaction;
        Ok(Response::new(GrantCreditResponse {
            transaction: Some(wire::Transaction {
                id: row.id.to_string(),
                kind: row.kind,
                amount_micro_usd: row.amount_micro_usd.micros(),
                created_at: row.created_at,
                ..wire::Transaction::default()
            }),
            person_id: granted.person.id.to_string(),
            person_name: granted.person.name,
            balance_micro_usd: granted.balance.micros(),
        }))
    }
}

fn refused(why: CreditError) -> Status {
    let said = why.to_string();
    let (reason, command) = match why {
        CreditError::Person(why) => return people::refused(why),
        CreditError::Namespace(_) => (Reason::NotFound, Some("bitrouter node namespace list --all")),
        CreditError::Amount(_) => (Reason::InvalidArgument, None),
        CreditError::TooMuch { .. } => (Reason::LimitReached, None),
    };
    error::status(reason, said, command)
}
