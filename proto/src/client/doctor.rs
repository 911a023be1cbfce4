//! The call of `DoctorService`.

use std::time::Duration;

use super::{Client, ClientError, calls::origin, distrust};
use crate::wire::{self, doctor_service_client::DoctorServiceClient};

/// A provider that was asked for its list of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedProvider {
    /// Registry id.
    pub id: String,
    /// True where it answered and did not refuse the key.
    pub ok: bool,
    /// What it answered, or why nothing came.
    pub message: String,
    /// True where the key was refused.
    pub key_refused: bool,
    /// From the question to the head of the answer.
    pub latency: Duration,
}

impl Client {
    /// Has the daemon ask each provider in use for its list of models, once.
    pub async fn check_providers(&self) -> Result<Vec<CheckedProvider>, ClientError> {
        self.same_protocol()?;
        let mut service = DoctorServiceClient::with_origin(self.channel.clone(), origin());
        let told = self.bounded(service.check_providers(wire::CheckProvidersRequest {})).await?;
        let shown = |told: wire::CheckedProvider| CheckedProvider {
            id: distrust::line(told.id),
            ok: told.ok,
            message: distrust::line(told.message),
            key_refused: told.key_refused,
            latency: Duration::from_millis(told.latency_ms),
        };
        Ok(told.providers.into_iter().map(shown).collect())
    }
}
