//! `EverydayService`: one document each, whatever server answers.
//!
//! * [`tokenroute`] asks by `/api/v1`, [`management`] by `/v1`; `Source::dialect` says which. [`successes`] sums calls where a
//!   server has no sum of those that succeeded.
//! * [`models`] are calls at an address, with a key.

mod management;
mod models;
mod successes;
mod tokenroute;

use std::time::Duration;

use bitrouter_proto::{
    account::{
        KeyId,
        everyday::{Credit, EndedKey, MadeKey, Me},
    },
    codes::Reason,
    wire::{
        CreateKeyRequest, CreateKeyResponse, EndKeyRequest, EndKeyResponse, ListModelsRequest, ListModelsResponse,
        ListOwnKeysRequest, ListOwnKeysResponse, ShowBalanceRequest, ShowBalanceResponse, ShowIdentityRequest,
        ShowIdentityResponse, ShowUsageRequest, ShowUsageResponse, TopUpRequest, TopUpResponse, TryModelRequest,
        TryModelResponse, everyday_service_server::EverydayService,
    },
};
use http::HeaderValue;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

use super::{
    asking::{Asking, Source, id_of, once},
    error,
    node_call::json,
};
use crate::credentials::{Credentials, Dialect};

/// How long somebody waits for a balance who only wants to know who is signed in.
const BALANCE: Duration = Duration::from_secs(15);
/// The days of a sum.
const DAYS: std::ops::RangeInclusive<u32> = 1..=365;
/// What a key is listed as that opens nothing any more.
const REVOKED: &str = "revoked";

pub(super) struct Service {
    asking: Asking,
    credentials: Credentials,
    /// Where programs of this machine reach us, as `http://host:port`.
    http: String,
}

impl Service {
    pub(super) fn new(asking: Asking, credentials: Credentials, http: String) -> Self {
        Self { asking, credentials, http }
    }
}

#[tonic::async_trait]
impl EverydayService for Service {
    async fn show_identity(
        &self,
        request: Request<ShowIdentityRequest>,
    ) -> Result<Response<ShowIdentityResponse>, Status> {
        let source = self.asking.everyday_source(request.into_inner().asked).await?;
        let me = Box::pin(identity(&source)).await?;
        Ok(Response::new(ShowIdentityResponse { json: json(&me)? }))
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Result<Response<CreateKeyResponse>, Status> {
        let CreateKeyRequest { asked, name, idempotency_key } = request.into_inner();
        let source = self.asking.everyday_source(asked).await?;
        let once = once(&idempotency_key)?;
        let key: MadeKey = match source.dialect().await? {
            Dialect::Everyday => tokenroute::create_key(&source, &name, once).await?,
            Dialect::Management => management::create_key(&source, &name, once).await?,
        };
        let server = source.server().await.unwrap_or_else(|| self.http.clone());
        Ok(Response::new(CreateKeyResponse { json: json(&key)?, base_url: format!("{server}/v1") }))
    }

    async fn list_own_keys(
        &self,
        request: Request<ListOwnKeysRequest>,
    ) -> Result<Response<ListOwnKeysResponse>, Status> {
        let source = self.asking.everyday_source(request.into_inner().asked).await?;
        let mut keys = match source.dialect().await? {
            Dialect::Everyday => tokenroute::keys(&source).await?,
            Dialect::Management => management::keys(&source).await?,
        };
        keys.retain(|key| key.status.as_deref() != Some(REVOKED));
        Ok(Response::new(ListOwnKeysResponse { json: json(&keys)? }))
    }

    async fn end_key(&self, request: Request<EndKeyRequest>) -> Result<Response<EndKeyResponse>, Status> {
        let EndKeyRequest { asked, id } = request.into_inner();
        let id = id_of(&id, "key")?;
        let source = self.asking.everyday_source(asked).await?;
        match source.dialect().await? {
            Dialect::Everyday => tokenroute::end_key(&source, id).await?,
            Dialect::Management => management::end_key(&source, id).await?,
        }
        let ended = EndedKey { id: as_written(id), status: REVOKED.to_owned() };
        Ok(Response::new(EndKeyResponse { json: json(&ended)? }))
    }

    async fn show_balance(
        &self,
        request: Request<ShowBalanceRequest>,
    ) -> Result<Response<ShowBalanceResponse>, Status> {
        let source = self.asking.everyday_source(request.into_inner().asked).await?;
        let credit = match source.dialect().await? {
            Dialect::Everyday => tokenroute::balance(&source).await?,
            Dialect::Management => management::balance(&source).await?,
        };
        Ok(Response::new(ShowBalanceResponse { json: json(&credit)? }))
    }

    async fn top_up(&self, request: Request<TopUpRequest>) -> Result<Response<TopUpResponse>, Status> {
        let TopUpRequest { asked, amount_cents, idempotency_key } = request.into_inner();
        if amount_cents <= 0 {
            return Err(wrong("amount_cents", "an amount is more than nothing"));
        }
        let source = self.asking.everyday_source(asked).await?;
        let once = once(&idempotency_key)?;
        let purchase = match source.dialect().await? {
            Dialect::Everyday => tokenroute::top_up(&source, amount_cents, once).await?,
            Dialect::Management => management::top_up(&source, amount_cents, once).await?,
        };
        Ok(Response::new(TopUpResponse { json: json(&purchase)? }))
    }

    async fn show_usage(&self, request: Request<ShowUsageRequest>) -> Result<Response<ShowUsageResponse>, Status> {
        let ShowUsageRequest { asked, days } = request.into_inner();
        if !DAYS.contains(&days) {
            return Err(wrong("days", "the number of days is 1 to 365"));
        }
        let source = self.asking.everyday_source(asked).await?;
        let usage = match source.dialect().await? {
            Dialect::Everyday => tokenroute::usage(&source, days).await?,
            Dialect::Management => successes::usage(&source, days).await?,
        };
        Ok(Response::new(ShowUsageResponse { json: json(&usage)? }))
    }

    async fn list_models(&self, request: Request<ListModelsRequest>) -> Result<Response<ListModelsResponse>, Status> {
        let ListModelsRequest { base_url, api_key } = request.into_inner();
        self.may_bring(&base_url, &api_key).await?;
        let json = models::list(&self.credentials, self.place(&base_url), api_key).await?;
        Ok(Response::new(ListModelsResponse { json }))
    }

    async fn try_model(&self, request: Request<TryModelRequest>) -> Result<Response<TryModelResponse>, Status> {
        let TryModelRequest { base_url, api_key, model } = request.into_inner();
        self.may_bring(&base_url, &api_key).await?;
        let tried = models::attempt(&self.credentials, self.place(&base_url), api_key, &model).await?;
        Ok(Response::new(TryModelResponse { json: json(&tried)? }))
    }
}

/// Who is signed in. Without the server that is told too: then what it would say is none.
async fn identity(source: &Source) -> Result<Me, Status> {
    let asked = Box::pin(async {
        match source.dialect().await? {
            Dialect::Everyday => tokenroute::me(source).await,
            Dialect::Management => Box::pin(management::me(source)).await,
        }
    });
    let told = tokio::time::timeout(BALANCE, asked).await.unwrap_or_else(|_| {
        let message = format!("the server did not answer within {} s", BALANCE.as_secs());
        Err(error::status(Reason::ServerUnreachable, message, None))
    });
    match told {
        Ok(me) => Ok(me),
        Err(status) if is_out_of_reach(&status) => {
            Ok(Me { id: source.subject().await, balance_error: Some(status.message().to_owned()), ..Me::default() })
        }
        Err(status) => Err(status),
    }
}

/// True where nobody answered.
fn is_out_of_reach(status: &Status) -> bool {
    let out = [Reason::ServerUnreachable.as_str(), Reason::NodeOff.as_str()];
    status.get_details_error_info().is_some_and(|info| out.contains(&info.reason.as_str()))
}

/// True where the server answered so.
fn is_answered(status: &Status, code: &str) -> bool {
    status.get_details_error_info().is_some_and(|info| info.metadata.get("status").is_some_and(|said| said == code))
}

/// What `credit` adds to `me`. A credential that may not read it is told so, and is somebody all the same.
fn with_credit(me: Me, credit: Result<Credit, Status>) -> Result<Me, Status> {
    match credit {
        Ok(credit) => Ok(Me { balance_usd: Some(credit.balance_usd), ..me }),
        Err(status) if is_answered(&status, "403") => Ok(Me { balance_error: Some(status.message().to_owned()), ..me }),
        Err(status) => Err(status),
    }
}

/// The id of a key as its server writes it: nodes read theirs in any case.
fn as_written(id: &str) -> String {
    id.parse::<KeyId>().map_or_else(|_| id.to_owned(), |id| id.to_string())
}

fn wrong(field: &str, message: &str) -> Status {
    error::status_with(Reason::InvalidArgument, message, [("field", field.to_owned())])
}

/// An `Idempotency-Key`.
type Once = HeaderValue;
