//! Whether a provider can be reached, and takes its key: asked by whoever looks for what is wrong, never on the way of a call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bitrouter_proto::clock;
use http::StatusCode;

use crate::{
    Gateway,
    http::Caller,
    live_models::{asked_at, list_request},
    registry::ProviderId,
};

/// How long a provider has to answer, the connection included.
const LIMIT: Duration = Duration::from_secs(10);

/// A provider that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which one.
    pub provider: ProviderId,
    /// The status that it answered, or why nothing came, as a fragment.
    pub answer: Result<StatusCode, String>,
    /// From the question to the head of the answer, or to the failure.
    pub took: Duration,
}

impl Gateway {
    /// Asks every provider that calls would go to for its list of models, once and within 10 s: a GET, which nobody charges for.
    pub async fn reach(self: &Arc<Self>) -> Vec<Reached> {
        let snapshot = self.snapshot();
        let in_use = snapshot
            .catalog
            .providers()
            .filter(|provider| provider.enabled() && !provider.is_demo() && snapshot.usable(Caller::DAEMON, provider));
        let asked = in_use.map(async |provider| {
            let begun = clock::monotonic_now();
            if !self.local_active(provider).await {
                return None;
            }
            let answer = if provider.is_account() {
                match tokio::time::timeout(LIMIT, self.account_models()).await {
                    Ok(listed) => listed.map(|_| StatusCode::OK),
                    Err(_) => Err(late()),
                }
            } else {
                tokio::time::timeout(LIMIT, self.ask_once(provider.id())).await.unwrap_or_else(|_| Err(late()))
            };
            Some(Reached { provider: provider.id().clone(), answer, took: since(begun) })
        });
        futures_util::future::join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask_once(&self, id: &ProviderId) -> Result<StatusCode, String> {
        let snapshot = self.snapshot();
        let provider = snapshot.catalog.get(id).ok_or("it is gone")?;
        let (dialect, target) = asked_at(provider).ok_or("it has no list of models")?;
        let key = snapshot.keys.key(Caller::DAEMON, id);
        let mut request = Some(list_request(self, (dialect, target), key, "")?);
        let sent = self.pool.send(&target.origin, &mut request, snapshot.limits.connect, || ()).await;
        Ok(sent.map_err(|error| error.to_string())?.status())
    }
}

fn late() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

fn since(begun: Instant) -> Duration {
    clock::monotonic_now().saturating_duration_since(begun)
}
