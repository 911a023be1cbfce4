//! `DoctorService`: what can be tried from here only.

use std::sync::Arc;

use bitrouter_gateway::{Gateway, Reached};
use bitrouter_proto::wire::{
    CheckProvidersRequest, CheckProvidersResponse, CheckedProvider, doctor_service_server::DoctorService,
};
use tonic::{Request, Response, Status};

pub(super) struct Service {
    gateway: Arc<Gateway>,
}

impl Service {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[tonic::async_trait]
impl DoctorService for Service {
    async fn check_providers(
        &self,
        _: Request<CheckProvidersRequest>,
    ) -> Result<Response<CheckProvidersResponse>, Status> {
        let providers = self.gateway.reach().await.into_iter().map(told).collect();
        Ok(Response::new(CheckProvidersResponse { providers }))
    }
}

fn told(reached: Reached) -> CheckedProvider {
    let Reached { provider, answer, took } = reached;
    let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (ok, key_refused, message) = match answer {
        Ok(status) if matches!(status.as_u16(), 401 | 403) => {
            (false, true, format!("{provider} refuses its key ({})", status.as_u16()))
        }
        Ok(status) if status.is_server_error() => (false, false, format!("{provider} answers {}", status.as_u16())),
        Ok(_) => (true, false, format!("{provider} answers within {latency_ms} ms")),
        Err(why) => (false, false, format!("{provider} cannot be reached: {why}")),
    };
    CheckedProvider { id: provider.to_string(), ok, message, key_refused, latency_ms }
}
